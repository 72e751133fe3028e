"""One cell of a grid: a run with its directory, while it is being worked on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multiturn.benchmarks.runner.config import RunConfig, Selection, hash_of_items
from multiturn.benchmarks.runner.directory import BenchmarkDirectory
from multiturn.benchmarks.runner.samples import SampleKey
from multiturn.benchmarks.task import Item, Task
from multiturn.core.errors import InputError

__all__ = ["RunSpec", "PendingSample", "pending_samples", "sample_keys", "planned_keys"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """A run, and where it is kept."""

    label: str
    """For a person: what tells it apart from its neighbours."""
    task: Task
    config: RunConfig
    place: Path

    def items(self) -> tuple[Item, ...]:
        """The items that are run."""
        return self.config.selection.of(self.task.items())


@dataclass(frozen=True, slots=True)
class PendingSample:
    """One sample that is to be made."""

    spec: RunSpec
    directory: BenchmarkDirectory
    item: Item
    sample: int

    @property
    def key(self) -> SampleKey:
        """What tells the sample apart within its run."""
        return SampleKey(self.item.id, self.sample)

    @property
    def session(self) -> str:
        """What tells its dialogue apart from all others that share the engine."""
        return f"{self.spec.label}/{self.item.id}/{self.sample}"


def sample_keys(spec: RunSpec) -> list[SampleKey]:
    """All samples of a cell, in the order of its complete file."""
    return [
        SampleKey(item.id, sample)
        for item in spec.items()
        for sample in range(spec.config.sampling.n)
    ]


def planned_keys(spec: RunSpec, record: Mapping[str, Any]) -> list[SampleKey] | None:
    """All samples of a run that was recorded earlier, of the same task as `spec`'s.

    Returns:
        None where the record selects other items than it says, or says nothing of the kind.
    """
    try:
        said = record["selection"]
        selection = Selection(
            cases=said["cases"], limit=said["limit"], problems=tuple(said["problems"])
        )
        items = selection.of(spec.task.items())
        if hash_of_items(items) != record["items_sha256"]:
            return None
        samples = range(int(record["sampling"]["n"]))
    except (InputError, KeyError, TypeError, ValueError):
        return None
    return [SampleKey(item.id, sample) for item in items for sample in samples]


def pending_samples(spec: RunSpec, directory: BenchmarkDirectory) -> Iterator[PendingSample]:
    """The samples that are missing, in the order in which they are best made.

    Samples of one item stand together, then the cases of one problem, as their prompts
    begin alike. Problems of many turns come first: were one of them the last, the engine
    would end the run with a single long dialogue.
    """
    missing = set(directory.missing())
    turns: dict[str, int] = {}
    first: dict[str, int] = {}
    items = spec.items()
    for place, item in enumerate(items):
        turns[item.problem] = max(turns.get(item.problem, 0), item.turns or 0)
        first.setdefault(item.problem, place)
    # The sort is stable: within a problem the task's order stays.
    for item in sorted(items, key=lambda each: (-turns[each.problem], first[each.problem])):
        for sample in range(spec.config.sampling.n):
            if SampleKey(item.id, sample) in missing:
                yield PendingSample(spec, directory, item, sample)
