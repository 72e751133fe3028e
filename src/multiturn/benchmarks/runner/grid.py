"""All combinations of arms, truncations and temperatures of one call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from multiturn.benchmarks.arms.options import label_of, with_options
from multiturn.benchmarks.runner.config import SampleSettings, Selection, describe_run
from multiturn.benchmarks.runner.directory import CONFIG
from multiturn.benchmarks.runner.run_spec import RunSpec
from multiturn.benchmarks.task import EARLIER_TRUNCATIONS, ArmSettings, HasLoopOptions, Task
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
    loops: tuple[Mapping[str, object], ...] = ({},)
    """Options of the arms that write programs with the loop of `synth`, one for each variant."""

    def specs(
        self, out: Path, model: str, engine: EngineInfo, sandbox: Sandbox
    ) -> Iterator[RunSpec]:
        """The runs, each with its directory below `out`."""
        for task in self.tasks:
            for settings, label in self._variants(task, engine.model):
                for sampling in self.samplings:
                    yield RunSpec(
                        label=f"{model} {label} t{sampling.temperature:g}",
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
                        place=_place(out / task.name / model, label, settings, sampling),
                    )

    def _variants(self, task: Task, model: str) -> Iterator[tuple[ArmSettings, str]]:
        """The settings of a task, each with its label."""
        base = task.loop_options(model) if isinstance(task, HasLoopOptions) else None
        if base is None:
            for settings in self.settings:
                yield settings, f"{task.arm} {settings.truncation}"
            return
        for changes in self.loops:
            options = with_options(base, changes)
            different = label_of(options, base)
            # Such an arm ends its texts by the prompt style: truncations make no difference.
            settings = replace(self.settings[0], truncation="none", loop=options)
            yield settings, f"{task.arm} {different}" if different else task.arm


def _place(runs: Path, label: str, settings: ArmSettings, sampling: SampleSettings) -> Path:
    """The directory of a run; an earlier version may have used another name."""
    former = (old for old, new in EARLIER_TRUNCATIONS.items() if new == settings.truncation)
    name = label.replace(" ", ".")
    arm = name.removesuffix(f".{settings.truncation}")
    places = [
        runs / f"{each}.t{sampling.temperature:g}"
        for each in (name, *(f"{arm}.{truncation}" for truncation in former))
    ]
    return next((place for place in places if (place / CONFIG).exists()), places[0])
