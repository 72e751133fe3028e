"""The problems of this project as documents for lm-eval, and the verdicts on its answers."""

# lm-eval and `datasets` are not dependencies, so their types are unknown here.
# mypy: disable-error-code="import-not-found, unused-ignore"

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import Any

from multiturn.benchmarks.interchange.replay import replay
from multiturn.benchmarks.loaders.open_task import open_task
from multiturn.benchmarks.solver import Generate
from multiturn.benchmarks.task import ArmSettings, Task
from multiturn.core.errors import MissingDependencyError
from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.protocol import Sandbox

__all__ = ["concat", "documents", "judge", "prose"]

SETTINGS = ArmSettings(truncation="parse")


def documents(arm: str, *, cases: int | None = None, **_: object) -> dict[str, Any]:
    """The splits for lm-eval: only `test`.

    Args:
        arm: one with a single generation.
        cases: the first so many cases of each problem.

    Raises:
        MissingDependencyError: lm-eval's `datasets` is not installed.
    """
    try:
        from datasets import Dataset
    except ImportError as error:
        raise MissingDependencyError("lm-eval", extra="lm-eval", purpose="this task") from error
    task = _task(arm)
    rows = []
    for item in task.items():
        if cases is not None and item.case >= int(cases):
            continue
        action = next(task.solver(item, SETTINGS))
        if isinstance(action, Generate):
            rows.append({"id": item.id, "arm": arm, "prompt": action.prompt})
    return {"test": Dataset.from_list(rows)}


concat = partial(documents, "concat")
prose = partial(documents, "prose")


def judge(doc: dict[str, Any], results: Sequence[str]) -> dict[str, float]:
    """1 or 0 for each oracle, for the program with this answer."""
    task = _task(doc["arm"])
    item = next(item for item in task.items() if item.id == doc["id"])
    solution = replay(task.solver(item, SETTINGS), lambda _: results[0])
    verdicts = task.judge(item, solution.program, _sandbox())
    return {name: float(verdict.passed) for name, verdict in verdicts.items()}


@cache
def _task(arm: str) -> Task:
    return open_task("own", arm=arm)


@cache
def _sandbox() -> Sandbox:
    """One sandbox for all documents; its workers end with the process."""
    return open_sandbox()
