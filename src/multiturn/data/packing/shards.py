"""The second pass: one range of keys out of all runs, packed into a shard.

    shard-00000.tokens.npy        rows of token ids, uint16 or uint32 [rows, length]
    shard-00000.spans.npy         which document each piece of each row is from (`rows.SPAN`)
    shard-00000.starts.npy        where the spans of each row begin, uint32 [rows + 1]
    shard-00000.documents.parquet the documents of the shard, in the order spans count them
    shard-00000.json              marker: fingerprint, rows, tokens, hashes

The arrays are plain ``.npy`` files: ``np.load(path, mmap_mode="r")`` reads them anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from multiturn.core.errors import storage_errors
from multiturn.core.files import sha256_file
from multiturn.data.build.resumable import finished, load_array, mark, save_array
from multiturn.data.hashing import mix64, seeded_hash
from multiturn.data.packing.rows import Packed, pack_rows

__all__ = ["PROVENANCE", "Shard", "ShardTask", "make_shard"]

Numbers = np.ndarray[Any, Any]

PROVENANCE = ("source", "path", "revision", "licence", "language", "sha256")
"""What is kept of each document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardTask:
    """One shard.

    Attributes:
        runs: of all files of documents: paths up to ``.tokens.npy``.
        number: of the shard, from 0.
        count: of shards.
        length: of a row.
        least_tail: the shortest tail that is kept.
        filling: the id that fills the last row up.
        seed: of the order of rows.
        folder: where the shard goes.
        fingerprint: of all that decides the result.
    """

    runs: tuple[Path, ...]
    number: int
    count: int
    length: int
    least_tail: int
    filling: int
    seed: int
    folder: Path
    fingerprint: str

    @property
    def label(self) -> str:
        """For a person."""
        return self.name

    @property
    def name(self) -> str:
        """What its files begin with."""
        return f"shard-{self.number:05d}"


@dataclass(frozen=True, slots=True)
class Shard:
    """What a shard holds.

    Attributes:
        name: what its files begin with.
        rows: how many.
        tokens: of documents; what fills up is not counted.
        documents: that have tokens in it.
        bytes: of the text of its tokens, tails that were dropped taken out by their share.
        dropped_tokens: in tails that were too short.
        dropped_tails: how many.
        files: SHA-256 of each file.
    """

    name: str
    rows: int
    tokens: int
    documents: int
    bytes: int
    dropped_tokens: int
    dropped_tails: int
    files: dict[str, str]


def make_shard(piece: ShardTask) -> Shard:
    """Write one shard."""
    marker = piece.folder / f"{piece.name}.json"
    paths = {
        kind: piece.folder / f"{piece.name}.{kind}"
        for kind in ("tokens.npy", "spans.npy", "starts.npy", "documents.parquet")
    }
    done = finished(marker, piece.fingerprint, *paths.values())
    if done is not None:
        return Shard(**done["shard"])
    tokens, entries, abouts = _gathered(piece)
    total = len(tokens)
    packed = pack_rows(
        tokens,
        entries["length"],
        length=piece.length,
        least_tail=piece.least_tail,
        filling=piece.filling,
    )
    del tokens  # as large as the shard: two copies are enough at a time
    packed = _shuffled(packed, seeded_hash(piece.seed, piece.number))
    save_array(paths["tokens.npy"], packed.rows)
    save_array(paths["spans.npy"], packed.spans)
    starts = np.searchsorted(packed.spans["row"], np.arange(len(packed.rows) + 1))
    save_array(paths["starts.npy"], starts.astype("<u4"))
    _write_documents(paths["documents.parquet"], entries, abouts)
    kept = int(packed.spans["length"].sum(dtype=np.int64))
    shard = Shard(
        name=piece.name,
        rows=len(packed.rows),
        tokens=kept,
        documents=len(entries),
        bytes=round(int(entries["bytes"].sum()) * kept / max(total, 1)),
        dropped_tokens=packed.dropped,
        dropped_tails=packed.dropped_tails,
        files={path.name: sha256_file(path) for path in paths.values()},
    )
    plain = {name: getattr(shard, name) for name in Shard.__dataclass_fields__}
    mark(marker, piece.fingerprint, shard=plain)
    return shard


def _gathered(piece: ShardTask) -> tuple[Numbers, Numbers, list[bytes]]:
    """Tokens, entries and provenance of the shard's documents, in the order of the shuffle."""
    slices = [_slice(run, piece.number, piece.count) for run in piece.runs]
    entries = np.concatenate([entries for entries, _ in slices])
    # Where each document lies among the slices, before it is put in its place.
    origin = np.repeat(np.arange(len(slices)), [len(entries) for entries, _ in slices])
    order = np.lexsort((entries["document"], entries["key"]))
    total = int(entries["length"].sum())
    tokens = np.empty(total, slices[0][1].dtype if slices else np.uint16)
    ends = np.cumsum(entries["length"][order].astype(np.int64))
    places = np.empty(len(order), np.int64)
    places[order] = ends - entries["length"][order].astype(np.int64)
    first = 0
    for of_run, run_tokens in slices:
        for number, entry in enumerate(of_run, first):
            begin, length = int(entry["begin"]), int(entry["length"])
            place = int(places[number])
            tokens[place : place + length] = run_tokens[begin : begin + length]
        first += len(of_run)
    abouts = _abouts(piece.runs, entries, origin, order)
    return tokens, entries[order], abouts


def _slice(run: Path, number: int, count: int) -> tuple[Numbers, Numbers]:
    index = load_array(run.with_name(f"{run.name}.index.npy"))
    keys = np.ascontiguousarray(index["key"])
    first, last = (
        len(keys) if bound >= 1 << 64 else int(np.searchsorted(keys, np.uint64(bound)))
        for bound in ((number << 64) // count, ((number + 1) << 64) // count)
    )
    return np.array(index[first:last]), load_array(run.with_name(f"{run.name}.tokens.npy"))


def _abouts(runs: Sequence[Path], entries: Numbers, origin: Numbers, order: Numbers) -> list[bytes]:
    files = [load_array(run.with_name(f"{run.name}.about.npy")) for run in runs]
    return [
        files[origin[place]][
            int(entries["about"][place]) : int(entries["about_end"][place])
        ].tobytes()
        for place in order
    ]


def _shuffled(packed: Packed, seed: int) -> Packed:
    """The rows in an order of their own, so that those of a long document lie apart."""
    count = len(packed.rows)
    keys = mix64(np.arange(count, dtype=np.uint64) ^ np.uint64(seed))
    order = np.argsort(keys, kind="stable")
    places = np.empty(count, np.int64)
    places[order] = np.arange(count)
    spans = packed.spans.copy()
    spans["row"] = places[spans["row"]]
    spans = spans[np.lexsort((spans["begin"], spans["row"]))]
    return Packed(packed.rows[order], spans, packed.dropped, packed.dropped_tails)


def _write_documents(path: Path, entries: Numbers, abouts: list[bytes]) -> None:
    import pyarrow
    import pyarrow.parquet

    rows = [json.loads(about) for about in abouts]
    columns = zip(*rows, strict=True) if rows else ((),) * len(PROVENANCE)
    table = pyarrow.table(
        {
            "number": pyarrow.array(entries["document"], pyarrow.uint64()),
            "tokens": pyarrow.array(entries["length"], pyarrow.uint64()),
            **{
                name: pyarrow.array(column, pyarrow.string())
                for name, column in zip(PROVENANCE, columns, strict=True)
            },
        }
    )
    with storage_errors(path, "writing the documents of a shard"):
        pyarrow.parquet.write_table(
            table, path, compression="zstd", use_dictionary=["source", "revision", "licence"]
        )
