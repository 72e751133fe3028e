"""One sandbox a rung for all tests of this folder: starting one is most of the time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from multiturn.core.errors import SandboxUnavailableError
from multiturn.sandbox.open import ISOLATED, open_sandbox
from multiturn.sandbox.outcomes import Rung
from multiturn.sandbox.supervisor.pool import PooledSandbox


@pytest.fixture(scope="session", params=ISOLATED, ids=lambda rung: rung.name)
def sandbox(request: pytest.FixtureRequest) -> Iterator[PooledSandbox]:
    """A sandbox on each isolated rung that this machine has."""
    rung: Rung = request.param
    try:
        opened = open_sandbox(rung=rung, workers=1)
    except SandboxUnavailableError as error:
        pytest.skip(str(error))
    assert isinstance(opened, PooledSandbox)
    with opened:
        yield opened
