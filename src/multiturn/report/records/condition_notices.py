"""What differs between runs that a reader may take for alike."""

from __future__ import annotations

from collections.abc import Sequence

from multiturn.report.records.columns import Notice
from multiturn.report.records.run_facts import RunFacts

__all__ = ["condition_notices"]


def condition_notices(runs: Sequence[RunFacts]) -> list[Notice]:
    """Conditions that differ between runs of a problem set or a model, and runs that are alike."""
    found = []
    for task in dict.fromkeys(run.task for run in runs):
        found += _of_task(task, [run for run in runs if run.task == task])
    for model in dict.fromkeys(run.model for run in runs):
        weights = {run.weights_sha256 for run in runs if run.model == model} - {None}
        if len(weights) > 1:
            text = f"the runs of {model} have {len(weights)} different files of weights"
            found.append(Notice("", f"{text}; they are treated as one model"))
    seen: dict[tuple[object, ...], RunFacts] = {}
    for run in runs:
        other = seen.setdefault(run.conditions, run)
        if other is not run:
            text = f"it has the conditions and the seed of {other.label}; the samples of both count"
            found.append(Notice(run.label, text))
    return found


def _of_task(task: str, runs: Sequence[RunFacts]) -> list[Notice]:
    found = []
    if len({run.problems_sha256 for run in runs}) > 1:
        text = f"runs of {task} have different files of problems, and are not compared"
        found.append(Notice("", text))
    if len({run.oracles[0] for run in runs}) > 1:
        text = f"runs of {task} have different first oracles, and are not compared across them"
        found.append(Notice("", text))
    for oracle in dict.fromkeys(name for run in runs for name in run.oracles):
        versions = {run.oracle_version(oracle) for run in runs if oracle in run.oracles}
        if len(versions) > 1:
            text = (
                f"runs of {task} were judged by versions {', '.join(sorted(versions))} of the "
                f"oracle {oracle}: `multiturn bench rejudge` judges them alike"
            )
            found.append(Notice("", text))
    return found
