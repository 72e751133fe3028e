"""Records for the search for duplicates: hashes of documents, and bands of their signatures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from multiturn.data.build.arrays import save_array
from multiturn.data.build.resumable import ResumableTask
from multiturn.data.dedup.matches import RECORD, sorted_run
from multiturn.data.dedup.minhash import MinHash
from multiturn.data.documents.files import read_columns

__all__ = ["SignatureTask"]

Numbers = np.ndarray[Any, Any]

_RUN_RECORDS = 1 << 20
"""Records in a sorted run: 24 MiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureTask(ResumableTask[dict[str, list[str]]]):
    """Writes the records of one file of documents, in sorted runs.

    The result is the names of the runs: ``exact`` with hashes as keys, ``near`` with bands.

    Attributes:
        documents: the file.
        first: the number of its first document in the corpus.
        near: the search for near-duplicates; None searches for exact ones alone.
        folder: of the runs.
    """

    documents: Path
    first: int
    near: MinHash | None
    folder: Path

    @property
    def marker(self) -> Path:
        """See `ResumableTask`."""
        return self.folder / f"{self.documents.stem}.json"

    def run(self) -> dict[str, list[str]]:
        """See `ResumableTask`."""
        runs: dict[str, list[str]] = {"exact": [], "near": []}
        buffers: dict[str, list[Numbers]] = {"exact": [], "near": []}

        def flush(kind: str) -> None:
            if buffers[kind]:
                name = f"{self.documents.stem}.{kind}-{len(runs[kind]):04d}.npy"
                save_array(self.folder / name, sorted_run(np.concatenate(buffers[kind])))
                runs[kind].append(name)
                buffers[kind].clear()

        sizes = {"exact": 0, "near": 0}
        columns = ["sha256"] if self.near is None else ["sha256", "content"]
        for number, (digest, *content) in enumerate(
            read_columns(self.documents, columns), self.first
        ):
            found = {"exact": _records(number, [int(digest[:16], 16)], [int(digest[16:32], 16)])}
            if self.near is not None:
                bands = self.near.bands_of(content[0])
                if len(bands):
                    found["near"] = _records(number, bands)
            for kind, records in found.items():
                buffers[kind].append(records)
                sizes[kind] += len(records)
                if sizes[kind] >= _RUN_RECORDS:
                    flush(kind)
                    sizes[kind] = 0
        for kind in buffers:
            flush(kind)
        return runs

    def to_plain(self, result: dict[str, list[str]]) -> dict[str, object]:
        """See `ResumableTask`."""
        return {"runs": result}

    def from_plain(self, plain: Mapping[str, Any]) -> dict[str, list[str]]:
        """See `ResumableTask`."""
        return dict(plain["runs"])


def _records(document: int, keys: Numbers | Sequence[int], checks: Sequence[int] = ()) -> Numbers:
    records = np.zeros(len(keys), RECORD)
    records["key"] = keys
    records["document"] = document
    if checks:
        records["check"] = checks
    return records
