"""The files of the problems that models are measured on here."""

from __future__ import annotations

from pathlib import Path

from multiturn.benchmarks.loaders.human_eval import fetch_human_eval
from multiturn.benchmarks.problem_set import INCLUDED_SETS

__all__ = ["problem_files"]


def problem_files() -> tuple[Path, ...]:
    """The included sets, and HumanEval, whose file is downloaded once.

    What a model is tuned on must be searched for these problems.

    Raises:
        NetworkError, HashMismatchError, StorageError: as `fetch_human_eval`.
    """
    return (*(included.path for included in INCLUDED_SETS.values()), fetch_human_eval())
