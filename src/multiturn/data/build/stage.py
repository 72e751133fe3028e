"""What happens to a corpus as a whole: deduplication, decontamination, packing.

A stage reads the finished folder of the stage before it and writes a folder of its own. The
pipeline runs it when there is no completion marker of the same fingerprint, and writes the
marker afterwards (see `pipeline`), so a finished stage is never run again. Within a stage that
takes long, the stage keeps markers of its own, and goes on from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from multiturn.data.build.drop_log import Counts
from multiturn.data.build.executors.local import Executor
from multiturn.data.build.progress import BuildListener

__all__ = ["CorpusStage", "StageContext", "document_files"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageContext:
    """What a stage is given.

    Attributes:
        before: the folder of the stage before; its files of documents are
            `document_files(before)`.
        after: the folder to write; it exists, perhaps with what an interrupted run left.
        fingerprint: of all that decides the result: the recipe up to this stage, and the plan.
            Markers of the stage's own belong to it.
        seed: of the recipe.
        executor: runs the pieces.
        progress: is told of each finished piece.
        keep_drops: write dropped documents down, under `after` / ``drops``.
    """

    before: Path
    after: Path
    fingerprint: str
    seed: int
    executor: Executor
    progress: BuildListener
    keep_drops: bool


class CorpusStage(Protocol):
    """Work on the whole corpus. Implementations are frozen dataclasses, like steps."""

    @property
    def name(self) -> str:
        """The name of its folder, and what its drops are filed under: ``deduplicated``."""
        ...

    def run(self, context: StageContext) -> Counts:
        """Do it, within bounded memory, and return what was kept, dropped and counted.

        A stage whose result is again documents writes ``part-*.parquet`` with
        `document_files.write_documents`, one for each file it read, so that the order of the
        corpus stays. The result does not depend on the executor.
        """
        ...


def document_files(folder: Path) -> list[Path]:
    """The files of documents in the folder of a stage, in the order of the corpus."""
    return sorted(folder.glob("part-*.parquet"))
