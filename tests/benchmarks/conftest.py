"""What the tests of the benchmarks share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.protocol import Sandbox


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """The best real sandbox of this machine."""
    with open_sandbox() as opened:
        yield opened
