"""The second pass of packing: one range of keys out of all runs becomes a shard.

    shard-00000.tokens.npy        rows of token ids, uint16 or uint32 [rows, length]
    shard-00000.spans.npy         which document each span of a row is from (`rows.SPAN`)
    shard-00000.starts.npy        where the spans of each row begin, uint32 [rows + 1]
    shard-00000.documents.parquet the provenance of the documents, in the order that spans count
    shard-00000.json              marker: fingerprint, rows, tokens, hashes

The arrays are plain ``.npy`` files: ``np.load(path, mmap_mode="r")`` reads them anywhere.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from multiturn.core.errors import storage_errors
from multiturn.core.files import sha256_file
from multiturn.data.build.arrays import key_range, load_array, save_array
from multiturn.data.build.resumable import ResumableTask
from multiturn.data.documents.record import PROVENANCE
from multiturn.data.hashing import mix64, seeded_hash
from multiturn.data.packing.rows import Packed, pack_rows

__all__ = ["Shard", "ShardTask"]

Numbers = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Shard:
    """What a shard holds.

    Attributes:
        name: the beginning of its files' names.
        rows: number of rows.
        tokens: of documents; padding is not counted.
        documents: that have tokens in it.
        bytes: of the text of its tokens; dropped remainders are subtracted by their share.
        dropped_tokens: in remainders that were too short.
        dropped_tails: number of these remainders.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardTask(ResumableTask[Shard]):
    """Writes one shard.

    Attributes:
        runs: of all files of documents: paths up to ``.tokens.npy``.
        number: of the shard, from 0.
        count: of shards.
        length: of a row.
        min_remainder: a shorter remainder is dropped.
        padding: the id that pads the last row.
        seed: of the order of rows.
        folder: of the shards.
    """

    runs: tuple[Path, ...]
    number: int
    count: int
    length: int
    min_remainder: int
    padding: int
    seed: int
    folder: Path

    @property
    def name(self) -> str:
        """The beginning of its files' names."""
        return f"shard-{self.number:05d}"

    @property
    def marker(self) -> Path:
        """See `ResumableTask`."""
        return self.folder / f"{self.name}.json"

    @property
    def outputs(self) -> tuple[Path, ...]:
        """See `ResumableTask`."""
        kinds = ("tokens.npy", "spans.npy", "starts.npy", "documents.parquet")
        return tuple(self.folder / f"{self.name}.{kind}" for kind in kinds)

    def run(self) -> Shard:
        """See `ResumableTask`."""
        tokens_path, spans_path, starts_path, documents_path = self.outputs
        tokens, entries, provenance = self._gather()
        total = len(tokens)
        packed = pack_rows(
            tokens,
            entries["length"],
            length=self.length,
            min_remainder=self.min_remainder,
            padding=self.padding,
        )
        del tokens  # as large as the shard: two copies are enough at a time
        packed = _shuffled(packed, seeded_hash(self.seed, self.number))
        save_array(tokens_path, packed.rows)
        save_array(spans_path, packed.spans)
        starts = np.searchsorted(packed.spans["row"], np.arange(len(packed.rows) + 1))
        save_array(starts_path, starts.astype("<u4"))
        _write_documents(documents_path, entries, provenance)
        covered = int(packed.spans["length"].sum(dtype=np.int64))
        return Shard(
            name=self.name,
            rows=len(packed.rows),
            tokens=covered,
            documents=len(entries),
            bytes=round(int(entries["bytes"].sum()) * covered / max(total, 1)),
            dropped_tokens=packed.dropped,
            dropped_tails=packed.dropped_remainders,
            files={path.name: sha256_file(path) for path in self.outputs},
        )

    def to_plain(self, result: Shard) -> dict[str, object]:
        """See `ResumableTask`."""
        return {"shard": dataclasses.asdict(result)}

    def from_plain(self, plain: Mapping[str, Any]) -> Shard:
        """See `ResumableTask`."""
        return Shard(**plain["shard"])

    def _gather(self) -> tuple[Numbers, Numbers, list[bytes]]:
        """Tokens, entries and provenance of the shard's documents, in the order of the shuffle."""
        slices = [_slice(run, self.number, self.count) for run in self.runs]
        entries = np.concatenate([entries for entries, _ in slices])
        # The slice that each document is in, before it is put in its place.
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
        return tokens, entries[order], _provenance(self.runs, entries, origin, order)


def _slice(run: Path, number: int, count: int) -> tuple[Numbers, Numbers]:
    index = load_array(run.with_name(f"{run.name}.index.npy"))
    entries = index[key_range(np.ascontiguousarray(index["key"]), number, count)]
    return np.array(entries), load_array(run.with_name(f"{run.name}.tokens.npy"))


def _provenance(
    runs: Sequence[Path], entries: Numbers, origin: Numbers, order: Numbers
) -> list[bytes]:
    """The provenance of each document: a list in JSON, in the order of `PROVENANCE`."""
    files = [load_array(run.with_name(f"{run.name}.about.npy")) for run in runs]
    return [
        files[origin[place]][
            int(entries["about"][place]) : int(entries["about_end"][place])
        ].tobytes()
        for place in order
    ]


def _shuffled(packed: Packed, seed: int) -> Packed:
    """The rows in random order, which spreads the rows of a long document."""
    count = len(packed.rows)
    keys = mix64(np.arange(count, dtype=np.uint64) ^ np.uint64(seed))
    order = np.argsort(keys, kind="stable")
    places = np.empty(count, np.int64)
    places[order] = np.arange(count)
    spans = packed.spans.copy()
    spans["row"] = places[spans["row"]]
    spans = spans[np.lexsort((spans["begin"], spans["row"]))]
    return Packed(packed.rows[order], spans, packed.dropped, packed.dropped_remainders)


def _write_documents(path: Path, entries: Numbers, provenance: list[bytes]) -> None:
    import pyarrow
    import pyarrow.parquet

    rows = [json.loads(fields) for fields in provenance]
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
