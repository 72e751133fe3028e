"""One sandbox per isolation level for all tests of this folder, as starting one takes time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from multiturn.core.errors import SandboxUnavailableError
from multiturn.sandbox.isolation import IsolationLevel
from multiturn.sandbox.open import ISOLATED, open_sandbox
from multiturn.sandbox.supervisor.pool import PooledSandbox


@pytest.fixture(scope="session", params=ISOLATED, ids=lambda level: level.name)
def sandbox(request: pytest.FixtureRequest) -> Iterator[PooledSandbox]:
    """A sandbox at each isolating level that this machine has."""
    level: IsolationLevel = request.param
    try:
        opened = open_sandbox(isolation=level, workers=1)
    except SandboxUnavailableError as error:
        pytest.skip(str(error))
    assert isinstance(opened, PooledSandbox)
    with opened:
        yield opened
