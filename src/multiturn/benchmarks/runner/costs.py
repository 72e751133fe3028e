"""What the samples of a run took: new tokens, and seconds."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from multiturn.benchmarks.runner.directory import SITTINGS
from multiturn.benchmarks.runner.results import SavedRun

__all__ = ["RunCosts", "run_costs"]


@dataclass(frozen=True, slots=True)
class RunCosts:
    """The costs of a sample, as means.

    Attributes:
        new_tokens: all decoded tokens; None without samples.
        seconds: of the machine, with as many samples at once as the engine has slots. None if
            the run shared the engine or generations with other runs, or its times are lost.
    """

    new_tokens: float | None
    seconds: float | None


def run_costs(run: SavedRun) -> RunCosts:
    """The costs of a saved run."""
    if not run.samples:
        return RunCosts(None, None)
    tokens = sum(step.new_tokens for sample in run.samples for step in sample.steps)
    return RunCosts(tokens / len(run.samples), _seconds(run))


def _seconds(run: SavedRun) -> float | None:
    sittings: list[dict[str, Any]] = []
    with suppress(OSError, ValueError):
        lines = (run.path / SITTINGS).read_text(encoding="ascii").splitlines()
        sittings = [json.loads(line) for line in lines]
    try:
        new = sum(int(each["new"]) for each in sittings)
        alone = all(each["shared_by"] == 1 and not each.get("reused") for each in sittings)
        if not alone or new != len(run.samples):
            return None
        return float(sum(each["seconds"] for each in sittings)) / new
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
