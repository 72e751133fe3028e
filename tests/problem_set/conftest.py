"""What the tests of the problem set share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.protocol import Sandbox
from tools.problem_set.authored import AuthoredProblem, problems_directory, read_authored


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """The best real sandbox of this machine."""
    with open_sandbox() as opened:
        yield opened


@pytest.fixture(scope="session")
def authored() -> dict[str, AuthoredProblem]:
    """Every problem of all sets, as authored."""
    return read_authored(problems_directory().glob("*/*.yaml"))
