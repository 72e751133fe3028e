"""Finding equal keys among more records than memory holds: sorted runs, merged by ranges.

A record is a key and the number of a document. Each part of the corpus writes its records in
sorted runs; since the keys are hashes, a range of them is one slice of every run and about as
long in each, so that ranges are sorted one by one, anywhere, in bounded memory. All is read
once and written once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from multiturn.data.build.resumable import finished, load_array, mark, save_array

__all__ = ["RECORD", "RECORD_BYTES", "Range", "find_matches", "sorted_run"]

Numbers = np.ndarray[Any, Any]

RECORD = np.dtype([("key", "<u8"), ("check", "<u8"), ("document", "<u8")])
"""`check` is compared as well; it is more of a long key, and 0 where the key is all."""
RECORD_BYTES = RECORD.itemsize


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The records with keys in one of `count` equal ranges of all 64-bit numbers.

    Attributes:
        runs: files of sorted records, of all parts.
        number: of the range, from 0.
        count: of ranges.
        output: an array of pairs of document numbers, uint64 [n, 2].
        fingerprint: of all that decides the result.
    """

    runs: tuple[Path, ...]
    number: int
    count: int
    output: Path
    fingerprint: str

    @property
    def label(self) -> str:
        """For a person."""
        return f"comparing {self.number + 1} of {self.count}"


def sorted_run(records: Numbers) -> Numbers:
    """Records in the order of key, check and document."""
    order = np.lexsort((records["document"], records["check"], records["key"]))
    return records[order]


def find_matches(piece: Range) -> int:
    """Write each document down with the one before it that has the same key, without repeats.

    Returns:
        how many pairs.
    """
    marker = piece.output.with_suffix(".json")
    done = finished(marker, piece.fingerprint, piece.output)
    if done is not None:
        return int(done["pairs"])
    records = sorted_run(_slices(piece.runs, piece.number, piece.count))
    same = records["key"][1:] == records["key"][:-1]
    same &= records["check"][1:] == records["check"][:-1]
    places = np.flatnonzero(same)
    pairs = np.stack([records["document"][places], records["document"][places + 1]], axis=1)
    pairs = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
    save_array(piece.output, pairs)
    mark(marker, piece.fingerprint, pairs=len(pairs))
    return len(pairs)


def _slices(runs: Sequence[Path], number: int, count: int) -> Numbers:
    found = []
    for path in runs:
        run = load_array(path)
        keys = run["key"]
        first, last = (
            _before(keys, bound) for bound in (_bound(number, count), _bound(number + 1, count))
        )
        found.append(np.array(run[first:last]))
    return np.concatenate(found) if found else np.empty(0, RECORD)


def _bound(number: int, count: int) -> int:
    return (number << 64) // count


def _before(keys: Numbers, bound: int) -> int:
    """How many keys are below the bound, which may be 2^64 itself."""
    if bound >= 1 << 64:
        return len(keys)
    return int(np.searchsorted(keys, np.uint64(bound)))
