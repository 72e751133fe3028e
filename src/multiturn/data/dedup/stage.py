"""Deduplication of the whole corpus, exact and near, within bounded memory.

    deduplicated/
      part-00000.parquet ...        the documents that stay, part by part as they came
      part-00000.json               marker of the part: fingerprint, hash, counts
      clusters/part-00000.parquet   documents of the part that have duplicates, kept or not
      complete.json

Of each cluster the first document in the order of the corpus stays. `clusters` names all
members: rows of one `cluster` number belong together, over all parts.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from multiturn.core.errors import InputError, storage_errors
from multiturn.core.files import sha256_file
from multiturn.data.build.drop_log import Counts, DropFile, DropLog
from multiturn.data.build.fingerprint import fingerprint
from multiturn.data.build.resumable import (
    TaskProgress,
    finished,
    keep_only,
    load_array,
    mark,
    run_tasks,
    save_array,
)
from multiturn.data.build.stage import StageContext, document_files
from multiturn.data.dedup.clusters import roots_of
from multiturn.data.dedup.matches import Range, find_matches
from multiturn.data.dedup.minhash import MinHash
from multiturn.data.dedup.signatures import SignatureTask, sign
from multiturn.data.documents.files import count_documents, read_documents, write_documents
from multiturn.data.documents.record import Document

__all__ = ["Deduplicate"]

Numbers = np.ndarray[Any, Any]

_BLOCK = 1 << 20
"""Documents at a time."""
_SORTING = 3
"""A range of records is held about three times while it is sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deduplicate:
    """A stage that keeps one document of those that are equal or nearly so.

    Exact duplicates have one SHA-256 (128 bits of it are compared). Near-duplicates are joined
    along chains: if A is near B and B near C, the three are one cluster.

    Attributes:
        near: how near-duplicates are found; None keeps them.
        memory: bytes that sorting may take in each process; the result does not depend on it.
    """

    near: MinHash | None = field(default_factory=MinHash)
    memory: int = field(default=512 << 20, metadata={"described": False})
    name: str = "deduplicated"

    def __post_init__(self) -> None:
        if self.memory < 1 << 20:
            raise InputError(
                "Deduplicate.memory is too small", got=self.memory, allowed="1048576 or more"
            )

    def run(self, context: StageContext) -> Counts:
        """See `CorpusStage`."""
        files = document_files(context.before)
        work = context.after / "work"
        # Reading twice, two rounds of comparing, and writing.
        progress = TaskProgress(context, self.name, 2 * len(files))
        writings = self._writings(files, context, work)
        if not all(_written(piece) for piece in writings):
            self._find_roots(files, context, work, progress)
        counts = Counts()
        for of_part in run_tasks(context, _write, writings, progress):
            counts.add(of_part)
        keep_only(context.after, {path for piece in writings for path in piece.outputs})
        return counts

    def _writings(self, files: list[Path], context: StageContext, work: Path) -> list[WriteTask]:
        firsts = _firsts(files)
        return [
            WriteTask(
                documents=path,
                output=context.after / path.name,
                first=first,
                exact=work / "exact.npy",
                near=work / "near.npy",
                representatives=work / "keepers.npy",
                clusters=context.after / "clusters" / path.name,
                drops=context.after / "drops" / f"{path.stem}.jsonl.zst",
                keep_drops=context.keep_drops,
                fingerprint=context.fingerprint,
                step=self.name,
            )
            for path, first in zip(files, firsts, strict=False)
        ]

    def _find_roots(
        self, files: list[Path], context: StageContext, work: Path, progress: TaskProgress
    ) -> None:
        """The first documents of exact duplicates, and of all: ``exact.npy``, ``near.npy``."""
        firsts = _firsts(files)
        marker = work / "roots.json"
        if finished(marker, context.fingerprint, work / "exact.npy", work / "near.npy"):
            return
        runs = run_tasks(
            context,
            sign,
            [
                SignatureTask(
                    documents=path,
                    first=first,
                    near=self.near,
                    folder=work / "runs",
                    fingerprint=context.fingerprint,
                )
                for path, first in zip(files, firsts, strict=False)
            ],
            progress,
        )
        begin = None
        for kind in ("exact", "near"):
            ranges = self._ranges(
                [work / "runs" / name for of_part in runs for name in of_part[kind]],
                work / kind,
                context.fingerprint,
            )
            progress.total += len(ranges)
            run_tasks(context, find_matches, ranges, progress)
            output = work / f"{kind}.npy"
            roots_of([piece.output for piece in ranges], firsts[-1], output, begin)
            begin = output
        save_array(work / "keepers.npy", _representatives(load_array(work / "near.npy")))
        mark(marker, context.fingerprint)

    def _ranges(self, runs: list[Path], folder: Path, mark_: str) -> list[Range]:
        size = sum(path.stat().st_size for path in runs)
        count = max(1, -(-size * _SORTING // self.memory)) if size else 0
        print_of_range = fingerprint((mark_, count))
        return [
            Range(
                runs=tuple(runs),
                number=number,
                count=count,
                output=folder / f"pairs-{number:05d}.npy",
                fingerprint=print_of_range,
            )
            for number in range(count)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteTask:
    """One file of documents, to be written without its duplicates."""

    documents: Path
    output: Path
    first: int
    exact: Path
    near: Path
    representatives: Path
    clusters: Path
    drops: Path
    keep_drops: bool
    fingerprint: str
    step: str

    @property
    def label(self) -> str:
        return self.documents.stem

    @property
    def outputs(self) -> tuple[Path, ...]:
        drops = (self.drops,) if self.keep_drops else ()
        return self.output, self.output.with_suffix(".json"), self.clusters, *drops


def _written(piece: WriteTask) -> Counts | None:
    done = finished(piece.output.with_suffix(".json"), piece.fingerprint, piece.output)
    return None if done is None else Counts.from_plain(done["tally"])


def _write(piece: WriteTask) -> Counts:
    done = _written(piece)
    if done is not None:
        return done
    if piece.keep_drops:
        with DropFile(piece.drops) as file:
            drop_log = _write_with(piece, DropLog(file))
    else:
        drop_log = _write_with(piece, DropLog())
    mark(
        piece.output.with_suffix(".json"),
        piece.fingerprint,
        sha256=sha256_file(piece.output),
        tally=drop_log.counts.to_plain(),
    )
    return drop_log.counts


def _write_with(piece: WriteTask, drop_log: DropLog) -> DropLog:
    exact, near = load_array(piece.exact), load_array(piece.near)
    representatives = load_array(piece.representatives)
    members: list[tuple[int, str, str, str]] = []

    def staying() -> Iterator[Document]:
        for number, document in enumerate(read_documents(piece.documents), piece.first):
            cluster = int(near[number])
            if cluster == number:
                if _holds(representatives, number):
                    members.append((cluster, document.id, document.sha256, "kept"))
                drop_log.kept(document)
                yield document
                continue
            how = "exact" if int(exact[number]) != number else "near"
            members.append((cluster, document.id, document.sha256, how))
            reason = "an exact duplicate" if how == "exact" else "a near duplicate"
            drop_log.drop(piece.step, document, reason, detail=f"cluster {cluster}")

    write_documents(piece.output, staying())
    _write_clusters(piece.clusters, members)
    return drop_log


def _holds(numbers: Numbers, number: int) -> bool:
    place = int(np.searchsorted(numbers, number))
    return place < len(numbers) and int(numbers[place]) == number


def _representatives(roots: Numbers) -> Numbers:
    """The documents that others were dropped for, in order, int64."""
    found = []
    for first in range(0, len(roots), _BLOCK):
        block = np.asarray(roots[first : first + _BLOCK])
        found.append(np.unique(block[block != np.arange(first, first + len(block))]))
    return np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)


def _write_clusters(path: Path, members: list[tuple[int, str, str, str]]) -> None:
    import pyarrow
    import pyarrow.parquet

    clusters, ids, hashes, hows = zip(*members, strict=True) if members else ((), (), (), ())
    table = pyarrow.table(
        {
            "cluster": pyarrow.array(clusters, pyarrow.int64()),
            "document": pyarrow.array(ids, pyarrow.string()),
            "sha256": pyarrow.array(hashes, pyarrow.string()),
            "how": pyarrow.array(hows, pyarrow.string()),
        }
    )
    with storage_errors(path, "writing clusters"):
        path.parent.mkdir(parents=True, exist_ok=True)
        pyarrow.parquet.write_table(table, path, compression="zstd")


def _firsts(files: list[Path]) -> list[int]:
    """The number of the first document of each file, and of all documents at the end."""
    return list(itertools.accumulate((count_documents(path) for path in files), initial=0))
