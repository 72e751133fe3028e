"""Building a corpus: sources and steps into files of documents, then the stages.

    OUT/
      plan.json                  the recipe as plain data, and the parts of its sources
      documents/                 what passed the steps
        part-00000.parquet         documents of one part
        part-00000.json            its marker: fingerprint, hash of the file, counts
        drops/part-00000.jsonl.zst   with `keep_drops`: what was dropped, with reasons
        complete.json              the marker of the stage: fingerprint, files, counts
      deduplicated/ ...          a folder for each stage of the recipe, with `complete.json`

All work is in resumable tasks (see `resumable`): the same command continues a build that was
killed and repeats only what was in flight, and a changed recipe repeats what the change affects.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from multiturn import __version__
from multiturn.core.errors import StoreError, storage_errors
from multiturn.core.files import sha256_file, write_atomically
from multiturn.data.build.drop_log import Counts, open_drop_log
from multiturn.data.build.executors.local import Executor
from multiturn.data.build.fingerprint import describe, fingerprint
from multiturn.data.build.progress import BuildListener, silent
from multiturn.data.build.recipe import CorpusRecipe
from multiturn.data.build.resumable import (
    SCHEMA,
    ResumableTask,
    TaskProgress,
    read_marker,
    run_tasks,
    write_marker,
)
from multiturn.data.build.source import Part, Source, SourceError
from multiturn.data.build.stage import COMPLETE, DOCUMENTS, CorpusStage, StageContext
from multiturn.data.build.transform import DocumentTransform, run_transforms
from multiturn.data.documents.files import write_documents

__all__ = ["build"]

_REASONS_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadTask(ResumableTask[tuple[Counts, str]]):
    """Reads one part of a source into its file of documents.

    Attributes:
        number: of the part, over all sources.
        source: reads the part.
        part: what to read.
        steps: what each document passes.
        folder: of the files.
        downloads: where files from the network are stored.
        keep_drops: write dropped documents down.
    """

    number: int
    source: Source
    part: Part
    steps: tuple[DocumentTransform, ...]
    folder: Path
    downloads: Path
    keep_drops: bool

    @property
    def label(self) -> str:
        """See `ResumableTask`."""
        return self.part.name

    @property
    def output(self) -> Path:
        """The file of documents."""
        return self.folder / f"part-{self.number:05d}.parquet"

    @property
    def outputs(self) -> tuple[Path, ...]:
        """See `ResumableTask`."""
        return (self.output,)

    @property
    def marker(self) -> Path:
        """See `ResumableTask`."""
        return self.output.with_suffix(".json")

    def run(self) -> tuple[Counts, str]:
        """The counts of the part, and the SHA-256 of its file."""
        drops = self.folder / "drops" / f"{self.output.stem}.jsonl.zst"
        with open_drop_log(drops if self.keep_drops else None) as drop_log:
            documents = self.source.read(self.part, drop_log, self.downloads)
            write_documents(self.output, run_transforms(documents, self.steps, drop_log))
        return drop_log.counts, sha256_file(self.output)

    def to_plain(self, result: tuple[Counts, str]) -> dict[str, object]:
        """See `ResumableTask`."""
        counts, digest = result
        return {"part": self.part.name, "sha256": digest, "tally": counts.to_plain()}

    def from_plain(self, plain: Mapping[str, Any]) -> tuple[Counts, str]:
        """See `ResumableTask`."""
        return Counts.from_plain(plain["tally"]), plain["sha256"]

    def size_of(self, result: tuple[Counts, str]) -> int:
        """See `ResumableTask`."""
        return result[0].bytes.total()


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTask(ResumableTask[Counts]):
    """Runs a stage, and records the hash of every file that it leaves.

    Attributes:
        stage: to run.
        context: of the stage.
    """

    stage: CorpusStage
    context: StageContext

    @property
    def marker(self) -> Path:
        """See `ResumableTask`."""
        return self.context.after / COMPLETE

    def run(self) -> Counts:
        """See `ResumableTask`."""
        return self.stage.run(self.context)

    def to_plain(self, result: Counts) -> dict[str, object]:
        """See `ResumableTask`."""
        after = self.context.after
        paths = sorted(path for path in after.rglob("*") if path.is_file())
        files = {path.relative_to(after).as_posix(): sha256_file(path) for path in paths}
        return {"files": files, "tally": result.to_plain()}

    def from_plain(self, plain: Mapping[str, Any]) -> Counts:
        """See `ResumableTask`."""
        return Counts.from_plain(plain["tally"])


def build(
    recipe: CorpusRecipe,
    out: Path,
    *,
    executor: Executor,
    downloads: Path,
    keep_drops: bool = False,
    progress: BuildListener = silent,
) -> Counts:
    """Build the corpus of a recipe, or what an interrupted build left to do.

    Args:
        recipe: what to build.
        out: the folder of the build; made when missing.
        executor: runs the tasks.
        downloads: where files from the network are stored between builds.
        keep_drops: write dropped documents down.
        progress: called after each finished task.

    Returns:
        the counts of the last stage.

    Raises:
        SourceError: a source is not available, or every document was dropped. Finished tasks
            stay finished.
        StoreError: another build is running in the folder.
        StorageError: the disk is full or a folder is not writable.
    """
    with storage_errors(out, "making the folder of the corpus"):
        (out / DOCUMENTS).mkdir(parents=True, exist_ok=True)
    with _locked(out):
        _delete_partial(out / DOCUMENTS)
        tasks = _plan(recipe, out, downloads, keep_drops)
        counts, mark = _read_parts(tasks, out / DOCUMENTS, executor, progress)
        _check_left(counts)
        before = out / DOCUMENTS
        for stage in recipe.stages:
            mark = fingerprint((SCHEMA, mark, stage, recipe.seed, keep_drops))
            context = StageContext(
                before=before,
                after=out / stage.name,
                fingerprint=mark,
                seed=recipe.seed,
                executor=executor,
                progress=progress,
                keep_drops=keep_drops,
            )
            counts = StageTask(fingerprint=mark, stage=stage, context=context).complete()
            before = context.after
    return counts


def _check_left(counts: Counts) -> None:
    """Raise where nothing is left, since no recipe is meant to give an empty corpus."""
    if counts.documents.total():
        return
    total = counts.drops.total()
    often = heapq.nlargest(_REASONS_SHOWN, counts.drops.items(), key=itemgetter(1))
    reasons = "; ".join(f"{count} by {step}: {reason}" for (step, reason), count in often)
    raise SourceError(
        f"all {total} documents of the sources were dropped"
        if total
        else "the sources contain no documents",
        got=reasons or None,
        fix="check the recipe: columns of tables, languages and licences; "
        "--keep-drops writes down each drop",
    )


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Refuse a second build in the folder."""
    try:
        with FileLock(out / ".lock", timeout=0):
            yield
    except Timeout as error:
        raise StoreError(
            "another build is running in this folder", got=str(out), fix="wait for it, or stop it"
        ) from error


def _delete_partial(folder: Path) -> None:
    """Delete the temporary files of a build that was killed."""
    with storage_errors(folder, "deleting what an earlier build left unfinished"):
        for path in folder.rglob(".part-*"):
            path.unlink()


def _plan(recipe: CorpusRecipe, out: Path, downloads: Path, keep_drops: bool) -> list[ReadTask]:
    """A task for each part of each source.

    Parts stay as they were resolved when the build began, unless a source changes.
    """
    path = out / "plan.json"
    described = describe(recipe.sources)
    saved = read_marker(path)
    if saved is not None and saved["sources"] == described:
        parts = [
            (recipe.sources[index], Part(name, detail)) for index, name, detail in saved["parts"]
        ]
    else:
        parts = [(source, part) for source in recipe.sources for part in source.parts(downloads)]
    indices = {id(source): index for index, source in enumerate(recipe.sources)}
    plan = {
        "schema": SCHEMA,
        "multiturn": __version__,
        "recipe": recipe.name,
        "seed": recipe.seed,
        "sources": described,
        "steps": describe(recipe.steps),
        "stages": [stage.name for stage in recipe.stages],
        "stage_settings": describe(recipe.stages),
        "parts": [
            [indices[id(source)], part.name, describe(part.detail)] for source, part in parts
        ],
    }
    write_atomically(path, json.dumps(plan, indent=1, sort_keys=True))
    return [
        ReadTask(
            # Of all that decides the result, the version of this program included.
            fingerprint=fingerprint((SCHEMA, __version__, source, part, recipe.steps, keep_drops)),
            number=number,
            source=source,
            part=part,
            steps=recipe.steps,
            folder=out / DOCUMENTS,
            downloads=downloads,
            keep_drops=keep_drops,
        )
        for number, (source, part) in enumerate(parts)
    ]


def _read_parts(
    tasks: list[ReadTask], folder: Path, executor: Executor, listener: BuildListener
) -> tuple[Counts, str]:
    """Read all parts; returns their counts and the fingerprint of the files."""
    progress = TaskProgress(listener, DOCUMENTS, len(tasks))
    results = run_tasks(executor, tasks, progress)
    _delete_others(folder, {task.output for task in tasks})
    counts = Counts()
    for of_part, _ in results:
        counts.add(of_part)
    digests = [digest for _, digest in results]
    mark = fingerprint((SCHEMA, digests))
    files = {task.output.name: digest for task, digest in zip(tasks, digests, strict=True)}
    write_marker(folder / COMPLETE, mark, files=files, tally=counts.to_plain())
    return counts, mark


def _delete_others(folder: Path, outputs: set[Path]) -> None:
    """Delete the parts of an earlier, longer plan."""
    with storage_errors(folder, "deleting parts of an earlier plan"):
        for path in folder.glob("part-*.parquet"):
            if path not in outputs:
                path.with_suffix(".json").unlink(missing_ok=True)
                (folder / "drops" / f"{path.stem}.jsonl.zst").unlink(missing_ok=True)
                path.unlink()
