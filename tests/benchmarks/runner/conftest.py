"""What the tests of the runner share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.protocol import Sandbox

# The toy benchmark is a program of its own as well, so it is found by a plain name.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def real_sandbox() -> Iterator[Sandbox]:
    """The best real sandbox of this machine."""
    with open_sandbox() as opened:
        yield opened
