"""Deduplication of a corpus, exact and near, within bounded memory.

    deduplicated/
      part-00000.parquet ...        the documents that stay, part by part as they came
      part-00000.json               marker of the part: fingerprint, hash, counts
      clusters/part-00000.parquet   documents of the part that have duplicates, dropped or not
      complete.json

The first document of each cluster, in the order of the corpus, stays. `clusters` names all
members: rows of one `cluster` number belong together, over all parts.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from multiturn.core.errors import InputError, storage_errors
from multiturn.core.files import sha256_file
from multiturn.data.build.arrays import load_array, save_array
from multiturn.data.build.drop_log import Counts, DropLog, open_drop_log
from multiturn.data.build.fingerprint import fingerprint
from multiturn.data.build.resumable import (
    ResumableTask,
    TaskProgress,
    delete_except,
    run_tasks,
)
from multiturn.data.build.stage import PartTask, StageContext, document_files
from multiturn.data.dedup.clusters import representatives_of, roots_of
from multiturn.data.dedup.matches import MatchTask
from multiturn.data.dedup.minhash import MinHash
from multiturn.data.dedup.signatures import SignatureTask
from multiturn.data.documents.files import count_documents, read_documents, write_documents
from multiturn.data.documents.record import Document

__all__ = ["Deduplicate"]

Numbers = np.ndarray[Any, Any]

_SORTING = 3
"""Copies of a range of records in memory while it is sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deduplicate:
    """A stage that keeps one document of those that are equal or near-duplicates.

    Exact duplicates have one SHA-256, of which 128 bits are compared. Near-duplicates are joined
    along chains: if A is near B and B near C, the three are one cluster.

    Attributes:
        near: the search for near-duplicates; None keeps near-duplicates.
        memory: bytes for sorting in each process; the result does not depend on it.
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
        # Two tasks for each file, and those of two rounds of comparing.
        progress = TaskProgress(context.progress, self.name, 2 * len(files))
        firsts = _firsts(files)
        writes = [
            _WriteTask(
                fingerprint=context.fingerprint,
                documents=path,
                output=context.after / path.name,
                first=first,
                work=work,
                clusters=context.after / "clusters" / path.name,
                drops=context.drops_of(path),
                step=self.name,
            )
            for path, first in zip(files, firsts, strict=False)
        ]
        if any(task.finished() is None for task in writes):
            _ClusterTask(
                fingerprint=context.fingerprint,
                settings=self,
                files=tuple(files),
                firsts=tuple(firsts),
                work=work,
                context=context,
                progress=progress,
            ).complete()
        counts = Counts()
        for of_part in run_tasks(context.executor, writes, progress):
            counts.add(of_part)
        delete_except(
            context.after, {path for task in writes for path in (*task.files, task.clusters)}
        )
        return counts


@dataclass(frozen=True, slots=True, kw_only=True)
class _ClusterTask(ResumableTask[bool]):
    """Finds the clusters: the first documents of exact duplicates, and of all duplicates.

    It writes ``exact.npy`` and ``near.npy``, the roots of each document, and ``keepers.npy``, the
    representatives.
    """

    settings: Deduplicate
    files: tuple[Path, ...]
    firsts: tuple[int, ...]
    work: Path
    context: StageContext
    progress: TaskProgress

    @property
    def outputs(self) -> tuple[Path, ...]:
        return self.work / "exact.npy", self.work / "near.npy"

    @property
    def marker(self) -> Path:
        return self.work / "roots.json"

    def run(self) -> bool:
        executor = self.context.executor
        signatures = [
            SignatureTask(
                fingerprint=self.fingerprint,
                documents=path,
                first=first,
                near=self.settings.near,
                folder=self.work / "runs",
            )
            for path, first in zip(self.files, self.firsts, strict=False)
        ]
        runs = run_tasks(executor, signatures, self.progress)
        begin = None
        for kind in ("exact", "near"):
            matches = self._matches(
                [self.work / "runs" / name for of_part in runs for name in of_part[kind]],
                self.work / kind,
            )
            self.progress.total += len(matches)
            run_tasks(executor, matches, self.progress)
            output = self.work / f"{kind}.npy"
            roots_of([task.output for task in matches], self.firsts[-1], output, begin)
            begin = output
        representatives = representatives_of(load_array(self.work / "near.npy"))
        save_array(self.work / "keepers.npy", representatives)
        return True

    def to_plain(self, result: bool) -> dict[str, object]:
        del result
        return {}

    def from_plain(self, plain: Mapping[str, Any]) -> bool:
        del plain
        return True

    def _matches(self, runs: list[Path], folder: Path) -> list[MatchTask]:
        size = sum(path.stat().st_size for path in runs)
        count = max(1, -(-size * _SORTING // self.settings.memory)) if size else 0
        mark = fingerprint((self.fingerprint, count))
        return [
            MatchTask(
                fingerprint=mark,
                runs=tuple(runs),
                number=number,
                count=count,
                output=folder / f"pairs-{number:05d}.npy",
            )
            for number in range(count)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _WriteTask(PartTask[Counts]):
    """Writes one file of documents without its duplicates."""

    first: int
    work: Path
    clusters: Path

    def run(self) -> Counts:
        with open_drop_log(self.drops) as drop_log:
            members: list[tuple[int, str, str, str]] = []
            write_documents(self.output, self._staying(members, drop_log))
            _write_clusters(self.clusters, members)
        return drop_log.counts

    def to_plain(self, result: Counts) -> dict[str, object]:
        return {"sha256": sha256_file(self.output), "tally": result.to_plain()}

    def from_plain(self, plain: Mapping[str, Any]) -> Counts:
        return Counts.from_plain(plain["tally"])

    def _staying(
        self, members: list[tuple[int, str, str, str]], drop_log: DropLog
    ) -> Iterator[Document]:
        """The documents that stay; adds all members of clusters to `members`."""
        exact, near = load_array(self.work / "exact.npy"), load_array(self.work / "near.npy")
        representatives = load_array(self.work / "keepers.npy")
        for number, document in enumerate(read_documents(self.documents), self.first):
            cluster = int(near[number])
            if cluster == number:
                if _holds(representatives, number):
                    members.append((cluster, document.id, document.sha256, "kept"))
                drop_log.passed(document)
                yield document
                continue
            how = "exact" if int(exact[number]) != number else "near"
            members.append((cluster, document.id, document.sha256, how))
            reason = "an exact duplicate" if how == "exact" else "a near duplicate"
            drop_log.drop(self.step, document, reason, detail=f"cluster {cluster}")


def _holds(numbers: Numbers, number: int) -> bool:
    """Whether sorted numbers contain a number."""
    place = int(np.searchsorted(numbers, number))
    return place < len(numbers) and int(numbers[place]) == number


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
