"""One run of a grid, and the samples that it still lacks."""

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
    """A run and its directory."""

    label: str
    """Shown to people: distinguishes the run from the others of the grid."""
    task: Task
    config: RunConfig
    place: Path

    def items(self) -> tuple[Item, ...]:
        """The selected items."""
        return self.config.selection.of(self.task.items())


@dataclass(frozen=True, slots=True)
class PendingSample:
    """One sample that is still missing."""

    spec: RunSpec
    directory: BenchmarkDirectory
    item: Item
    sample: int

    @property
    def key(self) -> SampleKey:
        """Identifies the sample within its run."""
        return SampleKey(self.item.id, self.sample)

    @property
    def session(self) -> str:
        """Identifies the sample among all that share the engine."""
        return f"{self.spec.label}/{self.item.id}/{self.sample}"


def sample_keys(spec: RunSpec) -> list[SampleKey]:
    """All samples of a run, in the order of its complete file."""
    return [
        SampleKey(item.id, sample)
        for item in spec.items()
        for sample in range(spec.config.sampling.n)
    ]


def planned_keys(spec: RunSpec, record: Mapping[str, Any]) -> list[SampleKey] | None:
    """All samples of a run that was recorded earlier, for the same task.

    Returns:
        None if the record is incomplete, or its selection gives other items than it lists.
    """
    try:
        recorded = record["selection"]
        selection = Selection(
            cases=recorded["cases"],
            limit=recorded["limit"],
            problems=tuple(recorded["problems"]),
            split=recorded.get("split", "all"),
        )
        items = selection.of(spec.task.items())
        if hash_of_items(items) != record["items_sha256"]:
            return None
        samples = range(int(record["sampling"]["n"]))
    except (InputError, KeyError, TypeError, ValueError):
        return None
    return [SampleKey(item.id, sample) for item in items for sample in samples]


def pending_samples(spec: RunSpec, directory: BenchmarkDirectory) -> Iterator[PendingSample]:
    """The missing samples, in the most efficient order.

    Samples of one item are adjacent, then the cases of one problem, because their prompts share
    a prefix. Problems with many turns come first: otherwise the run could end with a single
    long sample that keeps one slot busy.
    """
    missing = set(directory.missing())
    turns: dict[str, int] = {}
    first: dict[str, int] = {}
    items = spec.items()
    for place, item in enumerate(items):
        turns[item.problem] = max(turns.get(item.problem, 0), item.turns or 0)
        first.setdefault(item.problem, place)
    # The sort is stable, so a problem keeps the order of the task.
    for item in sorted(items, key=lambda each: (-turns[each.problem], first[each.problem])):
        for sample in range(spec.config.sampling.n):
            if SampleKey(item.id, sample) in missing:
                yield PendingSample(spec, directory, item, sample)
