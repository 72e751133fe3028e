"""Equal keys among more records than memory holds: sorted runs, merged by ranges of keys.

A record is a key and the number of a document. Each part of the corpus writes its records in
sorted runs. Keys are hashes, so a range of keys is one slice of every run, about as long in each.
Ranges are sorted one by one, on any machine, in bounded memory; all records are read and written
once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from multiturn.data.build.arrays import key_range, load_array, save_array
from multiturn.data.build.resumable import ResumableTask

__all__ = ["RECORD", "RECORD_BYTES", "MatchTask", "sorted_run"]

Numbers = np.ndarray[Any, Any]

RECORD = np.dtype([("key", "<u8"), ("check", "<u8"), ("document", "<u8")])
"""Records match if `key` and `check` are equal. `check` holds more bits of a long key, else 0."""
RECORD_BYTES = RECORD.itemsize


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchTask(ResumableTask[int]):
    """Writes each document with the one before it that has the same key, without repeats.

    The task covers the keys in one of `count` equal ranges of all 64-bit numbers. Its result is
    the number of pairs.

    Attributes:
        runs: files of sorted records, of all parts.
        number: of the range, from 0.
        count: of ranges.
        output: an array of pairs of document numbers, uint64 [n, 2].
    """

    runs: tuple[Path, ...]
    number: int
    count: int
    output: Path

    @property
    def label(self) -> str:
        """See `ResumableTask`."""
        return f"comparing {self.number + 1} of {self.count}"

    @property
    def outputs(self) -> tuple[Path, ...]:
        """See `ResumableTask`."""
        return (self.output,)

    @property
    def marker(self) -> Path:
        """See `ResumableTask`."""
        return self.output.with_suffix(".json")

    def run(self) -> int:
        """See `ResumableTask`."""
        records = sorted_run(_slices(self.runs, self.number, self.count))
        same = records["key"][1:] == records["key"][:-1]
        same &= records["check"][1:] == records["check"][:-1]
        places = np.flatnonzero(same)
        pairs = np.stack([records["document"][places], records["document"][places + 1]], axis=1)
        pairs = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
        save_array(self.output, pairs)
        return len(pairs)

    def to_plain(self, result: int) -> dict[str, object]:
        """See `ResumableTask`."""
        return {"pairs": result}

    def from_plain(self, plain: Mapping[str, Any]) -> int:
        """See `ResumableTask`."""
        return int(plain["pairs"])


def sorted_run(records: Numbers) -> Numbers:
    """Records in the order of key, check and document."""
    order = np.lexsort((records["document"], records["check"], records["key"]))
    return records[order]


def _slices(runs: Sequence[Path], number: int, count: int) -> Numbers:
    arrays = [load_array(path) for path in runs]
    found = [np.array(run[key_range(run["key"], number, count)]) for run in arrays]
    return np.concatenate(found) if found else np.empty(0, RECORD)
