"""Stages of a corpus: deduplication, decontamination, packing.

A stage reads the finished folder of the stage before it and writes a folder of its own. The
pipeline runs it as a resumable task, so a finished stage is never run again. A stage that takes
long consists of resumable tasks itself, and continues with the unfinished ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from multiturn.core.errors import StoreError
from multiturn.data.build.drop_log import Counts
from multiturn.data.build.executors.local import Executor
from multiturn.data.build.progress import BuildListener
from multiturn.data.build.resumable import ResumableTask, read_marker

__all__ = [
    "COMPLETE",
    "DOCUMENTS",
    "CorpusStage",
    "PartTask",
    "StageContext",
    "document_files",
    "read_plan",
    "stage_names",
]

COMPLETE = "complete.json"
"""The marker in the folder of each stage."""
DOCUMENTS = "documents"
"""The folder of the documents that passed the steps, as the first stage."""

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class StageContext:
    """What a stage is given.

    Attributes:
        before: the folder of the stage before; `document_files` lists its documents.
        after: the folder to write. It exists, perhaps with files of an interrupted run.
        fingerprint: of all that decides the result: the plan, and the recipe up to this stage.
            The tasks of the stage use it too.
        seed: of the recipe.
        executor: runs the tasks.
        progress: called after each finished task.
        keep_drops: write dropped documents down, under `after` / ``drops``.
    """

    before: Path
    after: Path
    fingerprint: str
    seed: int
    executor: Executor
    progress: BuildListener
    keep_drops: bool

    def drops_of(self, documents: Path) -> Path | None:
        """Where the drops from a file of documents go; None where they are not written."""
        name = f"{documents.stem}.jsonl.zst"
        return self.after / "drops" / name if self.keep_drops else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartTask(ResumableTask[R]):
    """A task that reads one file of documents and writes another.

    Attributes:
        documents: the file to read.
        output: the file to write.
        drops: where dropped documents go; None where they are not written.
        step: the name of the drops.
    """

    documents: Path
    output: Path
    drops: Path | None
    step: str

    @property
    def outputs(self) -> tuple[Path, ...]:
        """See `ResumableTask`."""
        return (self.output,)

    @property
    def marker(self) -> Path:
        """See `ResumableTask`."""
        return self.output.with_suffix(".json")

    @property
    def files(self) -> tuple[Path, ...]:
        """See `ResumableTask`."""
        return self.output, self.marker, *(() if self.drops is None else (self.drops,))


class CorpusStage(Protocol):
    """Work that needs all documents. Implementations are frozen dataclasses, like steps."""

    @property
    def name(self) -> str:
        """The name of its folder and of its drops: ``deduplicated``."""
        ...

    def run(self, context: StageContext) -> Counts:
        """Do the work within bounded memory; return what passed, was dropped and was counted.

        A stage whose result is documents again writes a ``part-*.parquet`` with
        `documents.files.write_documents` for each file that it reads, so that the order of the
        corpus stays. The result does not depend on the executor.
        """
        ...


def document_files(folder: Path) -> list[Path]:
    """The files of documents in the folder of a stage, in the order of the corpus."""
    return sorted(folder.glob("part-*.parquet"))


def read_plan(out: Path) -> dict[str, Any]:
    """The plan of the build in a folder.

    Raises:
        StoreError: there is no build in this folder.
    """
    plan = read_marker(out / "plan.json")
    if plan is None:
        raise StoreError(
            "no corpus in this folder", got=str(out), fix="`multiturn data build RECIPE` makes one"
        )
    return plan


def stage_names(out: Path) -> list[str]:
    """The finished stages of a build, in order; `documents` is the first.

    Raises:
        StoreError: there is no build in this folder.
    """
    names = [DOCUMENTS, *read_plan(out)["stages"]]
    return [name for name in names if (out / name / COMPLETE).exists()]
