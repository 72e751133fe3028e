"""Taking the problems of benchmarks out of a corpus, with an account of each find.

    decontaminated/
      part-00000.parquet ...      the documents that stay
      part-00000.json             marker of the part: fingerprint, hash, counts, problems found
      finds/part-00000.jsonl      a line for each find: document, its hash, file, problem, n-gram
      problems.json               for each file of problems: how many, and which were found

`problems.json` is what splits a benchmark's score into clean and contaminated problems.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal

from multiturn.core.errors import InputError, storage_errors
from multiturn.core.files import sha256_file, write_atomically
from multiturn.data.build.drop_log import Counts, DropFile, DropLog
from multiturn.data.build.resumable import TaskProgress, finished, keep_only, mark, run_tasks
from multiturn.data.build.stage import StageContext, document_files
from multiturn.data.decontamination.ngrams import NgramIndex
from multiturn.data.decontamination.problems import read_problems
from multiturn.data.documents.files import read_documents, write_documents
from multiturn.data.documents.record import Document

__all__ = ["Decontaminate"]

REASON = "the text of a benchmark"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decontaminate:
    """A stage that looks for the problems of benchmarks in every document.

    Attributes:
        problems: files of them (see `problems`).
        words: a document is contaminated when it shares so many words in a row with a problem.
        action: ``drop`` contaminated documents, or ``record`` what was found and keep them.
        problems_hash: of the files and their names, worked out here; where they lie does not
            matter.
    """

    problems: tuple[Path, ...] = field(metadata={"described": False})
    words: int = 10
    action: Literal["drop", "record"] = "drop"
    name: str = "decontaminated"
    problems_hash: str = field(init=False, default="")

    def __post_init__(self) -> None:
        if not self.problems:
            raise InputError("no problems to look for", fix="name a file of problems")
        if self.words < 2:
            raise InputError(
                "Decontaminate.words is too small", got=self.words, allowed="2 or more"
            )
        hasher = hashlib.sha256()
        for path in self.problems:
            read_problems(path)  # says at once what is wrong with it
            hasher.update(f"{path.name} {sha256_file(path)}\n".encode())
        # Frozen: the only way to set a field. Changed problems are another recipe.
        object.__setattr__(self, "problems_hash", hasher.hexdigest())

    def run(self, context: StageContext) -> Counts:
        """See `CorpusStage`."""
        pieces = [
            DecontaminateTask(
                documents=path,
                output=context.after / path.name,
                finds=context.after / "finds" / f"{path.stem}.jsonl",
                drops=context.after / "drops" / f"{path.stem}.jsonl.zst"
                if context.keep_drops
                else None,
                stage=self,
                fingerprint=context.fingerprint,
            )
            for path in document_files(context.before)
        ]
        progress = TaskProgress(context, self.name, len(pieces))
        counts: Counts = Counts()
        found: Counter[tuple[str, str]] = Counter()
        for of_part, problems in run_tasks(context, _look, pieces, progress):
            counts.add(of_part)
            for file, problem, documents in problems:
                found[file, problem] += documents
        summary = context.after / "problems.json"
        write_atomically(summary, json.dumps(self._summary(found), indent=1, sort_keys=True))
        keep_only(context.after, {summary, *(path for piece in pieces for path in piece.outputs)})
        return counts

    def _summary(self, found: Counter[tuple[str, str]]) -> dict[str, object]:
        files: dict[str, object] = {}
        for path in self.problems:
            problems = read_problems(path)
            files[path.name] = {
                "sha256": sha256_file(path),
                "problems": len(problems),
                # Of these nothing can be found: no text of theirs is long enough.
                "too_short": sorted(
                    p.name for p in problems if not len(NgramIndex([p], self.words))
                ),
                "documents_by_problem": {
                    problem: count for (file, problem), count in found.items() if file == path.name
                },
            }
        return {"words": self.words, "action": self.action, "files": files}


@dataclass(frozen=True, slots=True, kw_only=True)
class DecontaminateTask:
    """One file of documents."""

    documents: Path
    output: Path
    finds: Path
    drops: Path | None
    stage: Decontaminate
    fingerprint: str

    @property
    def label(self) -> str:
        return self.documents.stem

    @property
    def outputs(self) -> Iterable[Path]:
        drops = () if self.drops is None else (self.drops,)
        return self.output, self.output.with_suffix(".json"), self.finds, *drops


_Problems = list[tuple[str, str, int]]


def _look(piece: DecontaminateTask) -> tuple[Counts, _Problems]:
    marker = piece.output.with_suffix(".json")
    done = finished(marker, piece.fingerprint, *piece.outputs)
    if done is not None:
        return Counts.from_plain(done["tally"]), [tuple(row) for row in done["problems"]]
    if piece.drops is None:
        counts, problems = _look_with(piece, DropLog())
    else:
        with DropFile(piece.drops) as file:
            counts, problems = _look_with(piece, DropLog(file))
    mark(
        marker,
        piece.fingerprint,
        sha256=sha256_file(piece.output),
        tally=counts.to_plain(),
        problems=problems,
    )
    return counts, problems


def _look_with(piece: DecontaminateTask, drop_log: DropLog) -> tuple[Counts, _Problems]:
    index = _index(piece.stage.problems, piece.stage.words, piece.stage.problems_hash)
    found: Counter[tuple[str, str]] = Counter()
    lines: list[str] = []

    def staying() -> Iterator[Document]:
        for document in read_documents(piece.documents):
            finds = list(index.find(document.content))
            found.update({(find.file, find.problem) for find in finds})
            for find in finds:
                row = {
                    "document": document.id,
                    "sha256": document.sha256,
                    "file": find.file,
                    "problem": find.problem,
                    "ngram": find.ngram,
                }
                lines.append(json.dumps(row, ensure_ascii=True) + "\n")
            if finds and piece.stage.action == "drop":
                detail = f"{finds[0].file} {finds[0].problem}"
                drop_log.drop(piece.stage.name, document, REASON, detail=detail)
                continue
            if finds:
                drop_log.count(piece.stage.name, "documents with the text of a benchmark")
            drop_log.kept(document)
            yield document

    write_documents(piece.output, staying())
    with storage_errors(piece.finds, "writing what was found"):
        piece.finds.parent.mkdir(exist_ok=True)
    write_atomically(piece.finds, "".join(lines))
    return drop_log.counts, [(*key, count) for key, count in sorted(found.items())]


@lru_cache(maxsize=1)
def _index(paths: tuple[Path, ...], words: int, problems_hash: str) -> NgramIndex:
    del problems_hash  # only told apart by it
    return NgramIndex((problem for path in paths for problem in read_problems(path)), words)
