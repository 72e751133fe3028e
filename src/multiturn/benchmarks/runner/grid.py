"""All combinations of arms, truncations and temperatures of one call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from multiturn.benchmarks.runner.config import SampleSettings, Selection, describe_run
from multiturn.benchmarks.runner.directory import CONFIG
from multiturn.benchmarks.runner.run_spec import RunSpec
from multiturn.benchmarks.task import EARLIER_TRUNCATIONS, ArmSettings, Task
from multiturn.engines.protocol import EngineInfo
from multiturn.sandbox.protocol import Sandbox

__all__ = ["Grid"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """All combinations of its parts, for one model."""

    tasks: tuple[Task, ...]
    """One for each arm."""
    settings: tuple[ArmSettings, ...]
    """One for each truncation."""
    samplings: tuple[SampleSettings, ...]
    """One for each temperature."""
    selection: Selection

    def specs(
        self, out: Path, model: str, engine: EngineInfo, sandbox: Sandbox
    ) -> Iterator[RunSpec]:
        """The runs, each with its directory below `out`."""
        for task in self.tasks:
            for settings in self.settings:
                for sampling in self.samplings:
                    yield RunSpec(
                        label=f"{model} {task.arm} {settings.truncation} t{sampling.temperature:g}",
                        task=task,
                        config=describe_run(
                            task,
                            model=model,
                            engine=engine,
                            sandbox=sandbox,
                            settings=settings,
                            sampling=sampling,
                            selection=self.selection,
                        ),
                        place=_place(out / task.name / model, task.arm, settings, sampling),
                    )


def _place(runs: Path, arm: str, settings: ArmSettings, sampling: SampleSettings) -> Path:
    """The directory of a run; an earlier version may have used another name."""
    former = (old for old, new in EARLIER_TRUNCATIONS.items() if new == settings.truncation)
    places = [
        runs / f"{arm}.{truncation}.t{sampling.temperature:g}"
        for truncation in (settings.truncation, *former)
    ]
    return next((place for place in places if (place / CONFIG).exists()), places[0])
