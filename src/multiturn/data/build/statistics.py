"""Statistics of a corpus, from the markers of its build."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from multiturn.core.errors import StoreError
from multiturn.core.files import sha256_file
from multiturn.data.build.drop_log import Counts
from multiturn.data.build.resumable import read_marker
from multiturn.data.build.stage import COMPLETE, read_plan, stage_names

__all__ = ["FileFault", "Statistics", "StatisticsTable", "read_statistics", "verify"]


Rows = tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class StatisticsTable:
    """Rows of a name and numbers, the largest first.

    Attributes:
        title: what is counted.
        columns: of the numbers.
        rows: name and numbers.
    """

    title: str
    columns: tuple[str, ...]
    rows: Rows


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the stages of a build counted.

    Attributes:
        recipe: the name of the recipe.
        stages: the finished stages in order, each with what passed it and what it dropped.
    """

    recipe: str
    stages: tuple[tuple[str, Counts], ...]

    @property
    def final(self) -> Counts:
        """The counts of the last stage that counted documents."""
        return next(
            (counts for _, counts in reversed(self.stages) if counts.documents), self.stages[-1][1]
        )

    def tables(self) -> list[StatisticsTable]:
        """Everything, as tables for a person."""
        final = self.final
        columns = ("documents", "bytes")
        return [
            StatisticsTable("Languages", columns, _by_key(final, 0)),
            StatisticsTable("Licences", columns, _by_key(final, 1)),
            StatisticsTable("Sources", ("bytes",), _by_name(final.sources)),
            StatisticsTable("Lengths", ("documents",), _lengths(final)),
            StatisticsTable("Dropped, by step and reason", columns, self._drops()),
            StatisticsTable("Counted on the way", ("times",), self._counts()),
        ]

    def _drops(self) -> Rows:
        documents: Counter[tuple[str, str]] = Counter()
        sizes: Counter[tuple[str, str]] = Counter()
        for _, counts in self.stages:
            documents.update(counts.drops)
            sizes.update(counts.drop_bytes)
        rows = [(": ".join(key), (count, sizes[key])) for key, count in documents.items()]
        return tuple(sorted(rows, key=lambda row: (-row[1][0], row[0])))

    def _counts(self) -> Rows:
        events: Counter[tuple[str, str]] = Counter()
        for _, counts in self.stages:
            events.update(counts.events)
        return _by_name(events)


@dataclass(frozen=True, slots=True)
class FileFault:
    """A file of a build that is missing or changed."""

    path: str
    fault: str


def read_statistics(out: Path) -> Statistics:
    """The statistics of the build in a folder.

    Raises:
        StoreError: there is no build, or nothing of it is finished.
    """
    stages = []
    for name in stage_names(out):
        marker = read_marker(out / name / COMPLETE)
        if marker is not None:
            stages.append((name, Counts.from_plain(marker["tally"])))
    if not stages:
        raise StoreError(
            "no stage of this corpus is finished", got=str(out), fix="run the build to its end"
        )
    return Statistics(read_plan(out)["recipe"], tuple(stages))


def verify(out: Path) -> tuple[int, list[FileFault]]:
    """Read every file of the finished stages again and compare its hash.

    Returns:
        the number of files, and the faults.

    Raises:
        StoreError: there is no build in this folder.
    """
    checked, faults = 0, []
    for stage in stage_names(out):
        marker = read_marker(out / stage / COMPLETE)
        for name, digest in (marker or {}).get("files", {}).items():
            checked += 1
            path = out / stage / name
            if not path.is_file():
                faults.append(FileFault(f"{stage}/{name}", "missing"))
            elif sha256_file(path) != digest:
                faults.append(FileFault(f"{stage}/{name}", "changed since it was made"))
    return checked, faults


def _by_key(counts: Counts, part: int) -> Rows:
    """Documents and bytes by one part of the key, the largest first."""
    documents: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for key, count in counts.documents.items():
        documents[key[part] or "unknown"] += count
        sizes[key[part] or "unknown"] += counts.bytes[key]
    rows = [(name, (count, sizes[name])) for name, count in documents.items()]
    return tuple(sorted(rows, key=lambda row: (-row[1][1], row[0])))


def _by_name(counts: Counter[tuple[str]] | Counter[tuple[str, str]]) -> Rows:
    rows = [(": ".join(key), (count,)) for key, count in counts.items()]
    return tuple(sorted(rows, key=lambda row: (-row[1][0], row[0])))


def _lengths(counts: Counts) -> Rows:
    """Documents by powers of two, the shortest first."""
    by_bits: Counter[int] = Counter()
    for (_, bits), count in counts.lengths.items():
        by_bits[int(bits)] += count
    return tuple((f"below {_binary(1 << bits)}", (by_bits[bits],)) for bits in sorted(by_bits))


def _binary(size: int) -> str:
    if size < 1 << 10:
        return f"{size} bytes"
    return f"{size >> 10} KiB" if size < 1 << 20 else f"{size >> 20} MiB"
