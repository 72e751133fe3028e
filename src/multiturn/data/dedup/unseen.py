"""Leaving only documents that another corpus does not have: held-out data for models trained on it.

    unseen/
      part-00000.parquet ...   the documents that stay
      part-00000.json          its marker: fingerprint, hash, counts

Deduplication finds documents that are alike from end to end. What must not be in held-out data is
smaller: a file of which half was copied, or a later version of one. So documents are compared by
their lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from multiturn.core.errors import InputError
from multiturn.core.files import sha256_file
from multiturn.data.build.drop_log import Counts, DropLog, open_drop_log
from multiturn.data.build.resumable import TaskProgress, delete_except, read_marker, run_tasks
from multiturn.data.build.stage import COMPLETE, PartTask, StageContext, document_files
from multiturn.data.documents.files import read_columns, read_documents, write_documents
from multiturn.data.documents.record import Document

__all__ = ["Unseen"]

REASON = "lines of the training data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """A stage that drops documents which share many lines with other corpora.

    Attributes:
        corpora: folders of the builds that models are trained on.
        stage: of these builds, whose documents are read.
        min_line: bytes of a line, without the whitespace around it, from which it counts: shorter
            ones, such as ``return None``, stand everywhere.
        max_share: a document is dropped when more than this share of the bytes in its counted lines
            is in lines of the corpora.
        corpora_hash: of the documents of the corpora, computed here.

    Raises:
        InputError: a number is out of range, or a corpus is not built.
    """

    corpora: tuple[Path, ...] = field(metadata={"described": False})
    stage: str = "documents"
    min_line: int = 24
    max_share: float = 0.3
    name: str = "unseen"
    corpora_hash: str = field(init=False, default="")

    def __post_init__(self) -> None:
        if self.min_line < 1:
            raise InputError("Unseen.min_line is too small", got=self.min_line, allowed="1 or more")
        if not 0 <= self.max_share < 1:
            raise InputError(
                "Unseen.max_share is out of range", got=self.max_share, allowed="0 to below 1"
            )
        hasher = blake2b(digest_size=32)
        for corpus in self.corpora:
            folder = corpus.expanduser() / self.stage
            if not (folder / COMPLETE).exists():
                raise InputError(
                    f"a corpus has no finished stage {self.stage!r}",
                    got=str(corpus),
                    fix=f"build it first: multiturn data build {corpus.name}",
                )
            for path in document_files(folder):
                marker = read_marker(path.with_suffix(".json")) or {}
                hasher.update(f"{path.name} {marker.get('sha256')}\n".encode())
        # Frozen: the only way to set a field. Other corpora are another recipe.
        object.__setattr__(self, "corpora_hash", hasher.hexdigest())

    def run(self, context: StageContext) -> Counts:
        """See `CorpusStage`."""
        documents = document_files(context.before)
        seen = self._seen_lines(documents)
        tasks = [
            _UnseenTask(
                fingerprint=context.fingerprint,
                documents=path,
                output=context.after / path.name,
                drops=context.drops_of(path),
                step=self.name,
                settings=self,
                seen=frozenset(seen & _lines_of(path, self.min_line)),
            )
            for path in documents
        ]
        progress = TaskProgress(context.progress, self.name, len(tasks))
        counts = Counts()
        for of_part in run_tasks(context.executor, tasks, progress):
            counts.add(of_part)
        delete_except(context.after, {path for task in tasks for path in task.files})
        return counts

    def _seen_lines(self, documents: list[Path]) -> set[bytes]:
        """The lines of `documents` that stand in the corpora too, as hashes."""
        wanted: set[bytes] = set()
        for path in documents:
            wanted |= _lines_of(path, self.min_line)
        seen: set[bytes] = set()
        for corpus in self.corpora:
            for path in document_files(corpus.expanduser() / self.stage):
                for (content,) in read_columns(path, ["content"]):
                    seen |= wanted.intersection(_hashes(content, self.min_line))
        return seen


@dataclass(frozen=True, slots=True, kw_only=True)
class _UnseenTask(PartTask[Counts]):
    """Writes the documents of one file that stay."""

    settings: Unseen
    seen: frozenset[bytes]

    def run(self) -> Counts:
        with open_drop_log(self.drops) as drop_log:
            write_documents(self.output, self._staying(drop_log))
        return drop_log.counts

    def to_plain(self, result: Counts) -> dict[str, object]:
        return {"sha256": sha256_file(self.output), "tally": result.to_plain()}

    def from_plain(self, plain: Mapping[str, Any]) -> Counts:
        return Counts.from_plain(plain["tally"])

    def _staying(self, drop_log: DropLog) -> Iterator[Document]:
        for document in read_documents(self.documents):
            share = self._share(document.content)
            if share > self.settings.max_share:
                drop_log.drop(self.step, document, REASON, detail=f"{share:.0%}")
                continue
            drop_log.passed(document)
            yield document

    def _share(self, content: bytes) -> float:
        """The share of the bytes in counted lines that is in lines of the corpora."""
        total = found = 0
        for line in _counted(content, self.settings.min_line):
            total += len(line)
            found += len(line) if _hash(line) in self.seen else 0
        return found / total if total else 0.0


def _counted(content: bytes, min_line: int) -> Iterator[bytes]:
    return (line for each in content.splitlines() if len(line := each.strip()) >= min_line)


def _hash(line: bytes) -> bytes:
    return blake2b(line, digest_size=8).digest()


def _hashes(content: bytes, min_line: int) -> Iterator[bytes]:
    return map(_hash, _counted(content, min_line))


def _lines_of(path: Path, min_line: int) -> set[bytes]:
    return {
        line
        for (content,) in read_columns(path, ["content"])
        for line in _hashes(content, min_line)
    }
