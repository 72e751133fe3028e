"""Reading a file of documents into records: its hashes, and the bands of its signatures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from multiturn.data.build.resumable import finished, mark, save_array
from multiturn.data.dedup.matches import RECORD, sorted_run
from multiturn.data.dedup.minhash import MinHash
from multiturn.data.documents.files import read_columns

__all__ = ["SignatureTask", "sign"]

Numbers = np.ndarray[Any, Any]

_RUN_RECORDS = 1 << 20
"""Records in a sorted run: 24 MiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureTask:
    """One file of documents.

    Attributes:
        documents: the file.
        first: the number of its first document in the corpus.
        near: how near-duplicates are looked for; None looks for exact ones alone.
        folder: where the runs go.
        fingerprint: of all that decides the result.
    """

    documents: Path
    first: int
    near: MinHash | None
    folder: Path
    fingerprint: str

    @property
    def label(self) -> str:
        """For a person."""
        return self.documents.stem


def sign(piece: SignatureTask) -> dict[str, list[str]]:
    """Write the records of one file, in sorted runs.

    Returns:
        the names of the runs: ``exact`` with hashes as keys, ``near`` with bands.
    """
    stem = piece.documents.stem
    marker = piece.folder / f"{stem}.json"
    done = finished(marker, piece.fingerprint)
    if done is not None:
        return dict(done["runs"])
    runs: dict[str, list[str]] = {"exact": [], "near": []}
    held: dict[str, list[Numbers]] = {"exact": [], "near": []}

    def flush(kind: str) -> None:
        if held[kind]:
            name = f"{stem}.{kind}-{len(runs[kind]):04d}.npy"
            save_array(piece.folder / name, sorted_run(np.concatenate(held[kind])))
            runs[kind].append(name)
            held[kind].clear()

    sizes = {"exact": 0, "near": 0}
    columns = ["sha256"] if piece.near is None else ["sha256", "content"]
    for number, (digest, *content) in enumerate(
        read_columns(piece.documents, columns), piece.first
    ):
        found = {"exact": _records(number, [int(digest[:16], 16)], [int(digest[16:32], 16)])}
        if piece.near is not None:
            bands = piece.near.bands_of(content[0])
            if len(bands):
                found["near"] = _records(number, bands)
        for kind, records in found.items():
            held[kind].append(records)
            sizes[kind] += len(records)
            if sizes[kind] >= _RUN_RECORDS:
                flush(kind)
                sizes[kind] = 0
    for kind in held:
        flush(kind)
    mark(marker, piece.fingerprint, runs=runs)
    return runs


def _records(document: int, keys: Numbers | Sequence[int], checks: Sequence[int] = ()) -> Numbers:
    records = np.zeros(len(keys), RECORD)
    records["key"] = keys
    records["document"] = document
    if checks:
        records["check"] = checks
    return records
