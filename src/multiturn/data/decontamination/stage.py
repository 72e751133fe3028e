"""Taking the problems of benchmarks out of a corpus, with a record of each find.

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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from multiturn.core.errors import InputError, storage_errors
from multiturn.core.files import sha256_file, write_atomically
from multiturn.data.build.drop_log import Counts, DropLog, open_drop_log
from multiturn.data.build.resumable import TaskProgress, delete_except, run_tasks
from multiturn.data.build.stage import PartTask, StageContext, document_files
from multiturn.data.decontamination.ngrams import NgramIndex
from multiturn.data.decontamination.problems import read_problems
from multiturn.data.documents.files import read_documents, write_documents
from multiturn.data.documents.record import Document

__all__ = ["Decontaminate"]

REASON = "the text of a benchmark"

_Problems = list[tuple[str, str, int]]
"""File and name of each problem that was found, and the number of documents with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decontaminate:
    """A stage that searches every document for the problems of benchmarks.

    Attributes:
        problems: files of problems (see `problems`).
        words: a document is contaminated when it shares so many words in a row with a problem.
        action: ``drop`` contaminated documents, or ``record`` the finds and leave the documents.
        problems_hash: of the files and their names, computed here; where they are stored does not
            matter.
    """

    problems: tuple[Path, ...] = field(metadata={"described": False})
    words: int = 10
    action: Literal["drop", "record"] = "drop"
    name: str = "decontaminated"
    problems_hash: str = field(init=False, default="")

    def __post_init__(self) -> None:
        if not self.problems:
            raise InputError("Decontaminate.problems is empty", fix="name a file of problems")
        if self.words < 2:
            raise InputError(
                "Decontaminate.words is too small", got=self.words, allowed="2 or more"
            )
        hasher = hashlib.sha256()
        for path in self.problems:
            read_problems(path)  # raises where the file is wrong, before the build begins
            hasher.update(f"{path.name} {sha256_file(path)}\n".encode())
        # Frozen: the only way to set a field. Changed problems are another recipe.
        object.__setattr__(self, "problems_hash", hasher.hexdigest())

    def run(self, context: StageContext) -> Counts:
        """See `CorpusStage`."""
        tasks = [
            DecontaminateTask(
                fingerprint=context.fingerprint,
                documents=path,
                output=context.after / path.name,
                drops=context.drops_of(path),
                step=self.name,
                finds=context.after / "finds" / f"{path.stem}.jsonl",
                settings=self,
            )
            for path in document_files(context.before)
        ]
        progress = TaskProgress(context.progress, self.name, len(tasks))
        counts = Counts()
        found: Counter[tuple[str, str]] = Counter()
        for of_part, problems in run_tasks(context.executor, tasks, progress):
            counts.add(of_part)
            for file, problem, documents in problems:
                found[file, problem] += documents
        summary = context.after / "problems.json"
        write_atomically(summary, json.dumps(self._summary(found), indent=1, sort_keys=True))
        delete_except(context.after, {summary, *(path for task in tasks for path in task.files)})
        return counts

    def _summary(self, found: Counter[tuple[str, str]]) -> dict[str, object]:
        files: dict[str, object] = {}
        for path in self.problems:
            problems = read_problems(path)
            files[path.name] = {
                "sha256": sha256_file(path),
                "problems": len(problems),
                # These cannot be found, since no text of theirs is long enough.
                "too_short": sorted(
                    p.name for p in problems if not len(NgramIndex([p], self.words))
                ),
                "documents_by_problem": {
                    problem: count for (file, problem), count in found.items() if file == path.name
                },
            }
        return {"words": self.words, "action": self.action, "files": files}


@dataclass(frozen=True, slots=True, kw_only=True)
class DecontaminateTask(PartTask[tuple[Counts, _Problems]]):
    """Searches one file of documents.

    Attributes:
        finds: the file of what was found.
        settings: of the search.
    """

    finds: Path
    settings: Decontaminate

    @property
    def outputs(self) -> tuple[Path, ...]:
        """See `ResumableTask`."""
        drops = () if self.drops is None else (self.drops,)
        return self.output, self.finds, *drops

    @property
    def files(self) -> tuple[Path, ...]:
        """See `ResumableTask`."""
        return *self.outputs, self.marker

    def run(self) -> tuple[Counts, _Problems]:
        """See `ResumableTask`."""
        found: Counter[tuple[str, str]] = Counter()
        lines: list[str] = []
        with open_drop_log(self.drops) as drop_log:
            write_documents(self.output, self._staying(found, lines, drop_log))
            with storage_errors(self.finds, "writing the finds"):
                self.finds.parent.mkdir(exist_ok=True)
            write_atomically(self.finds, "".join(lines))
        return drop_log.counts, [(*key, count) for key, count in sorted(found.items())]

    def to_plain(self, result: tuple[Counts, _Problems]) -> dict[str, object]:
        """See `ResumableTask`."""
        counts, problems = result
        return {
            "sha256": sha256_file(self.output),
            "tally": counts.to_plain(),
            "problems": problems,
        }

    def from_plain(self, plain: Mapping[str, Any]) -> tuple[Counts, _Problems]:
        """See `ResumableTask`."""
        return Counts.from_plain(plain["tally"]), [tuple(row) for row in plain["problems"]]

    def _staying(
        self, found: Counter[tuple[str, str]], lines: list[str], drop_log: DropLog
    ) -> Iterator[Document]:
        """The documents that stay; adds what the documents share with problems to the others."""
        settings = self.settings
        index = _index(settings.problems, settings.words, settings.problems_hash)
        for document in read_documents(self.documents):
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
            if finds and settings.action == "drop":
                detail = f"{finds[0].file} {finds[0].problem}"
                drop_log.drop(self.step, document, REASON, detail=detail)
                continue
            if finds:
                drop_log.count(self.step, "documents with the text of a benchmark")
            drop_log.passed(document)
            yield document


@lru_cache(maxsize=1)
def _index(paths: tuple[Path, ...], words: int, problems_hash: str) -> NgramIndex:
    del problems_hash  # a part of the cache's key alone
    return NgramIndex((problem for path in paths for problem in read_problems(path)), words)
