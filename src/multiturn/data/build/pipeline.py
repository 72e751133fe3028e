"""Building a corpus: sources and steps into files of documents, then the stages.

    OUT/
      plan.json                  the recipe as plain data, and the parts of its sources
      documents/                 what passed the steps
        part-00000.parquet         documents of one part
        part-00000.json            its completion marker: fingerprint, hash of the file, counts
        drops/part-00000.jsonl.zst   with `keep_drops`: what was dropped, with reasons
        complete.json              the marker of the stage: fingerprint, files, counts
      deduplicated/ ...          a folder for each stage of the recipe, with `complete.json`

A marker is written after what it marks is on the disk. Whatever has a marker of the right
fingerprint is not made again; whatever has none, or another, is. So a build that was killed
goes on with the same command and loses what was in flight, and a changed recipe makes anew
what the change touches.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from multiturn import __version__
from multiturn.core.errors import StoreError, storage_errors
from multiturn.core.files import sha256_file, write_atomically
from multiturn.data.build.drop_log import Counts, DropFile, DropLog
from multiturn.data.build.executors.local import Executor
from multiturn.data.build.fingerprint import describe, fingerprint
from multiturn.data.build.progress import BuildListener, BuildProgress, silent
from multiturn.data.build.source import Part, Source, SourceError
from multiturn.data.build.stage import CorpusStage, StageContext
from multiturn.data.build.transform import DocumentTransform, run_transforms
from multiturn.data.documents.files import write_documents
from multiturn.data.recipe import CorpusRecipe

__all__ = ["COMPLETE", "DOCUMENTS", "Work", "build", "read_marker", "stage_names"]

SCHEMA = 1
"""Of the files in a build's folder. A build of another schema is made anew."""
DOCUMENTS = "documents"
COMPLETE = "complete.json"
_REASONS_TOLD = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One part to read: plain data, for a process on this or another machine."""

    number: int
    source: Source
    part: Part
    steps: tuple[DocumentTransform, ...]
    folder: Path
    downloads: Path
    keep_drops: bool

    @property
    def fingerprint(self) -> str:
        """Of all that decides the result, the version of this program included."""
        return fingerprint(
            (SCHEMA, __version__, self.source, self.part, self.steps, self.keep_drops)
        )

    @property
    def output(self) -> Path:
        """The file of documents."""
        return self.folder / f"part-{self.number:05d}.parquet"


def build(
    recipe: CorpusRecipe,
    out: Path,
    *,
    executor: Executor,
    downloads: Path,
    keep_drops: bool = False,
    progress: BuildListener = silent,
) -> Counts:
    """Build the corpus of a recipe, or what is still missing of it.

    Args:
        recipe: what to build.
        out: the folder of the build; made when missing.
        executor: runs the pieces.
        downloads: where files from the network are kept between builds.
        keep_drops: write dropped documents down.
        progress: is told of each finished piece.

    Returns:
        the counts of the last stage.

    Raises:
        SourceError: a source cannot be had, or every document was dropped. What was finished
            stays.
        StoreError: another build is at work in the folder.
        StorageError: the disk is full or a place cannot be written.
    """
    with storage_errors(out, "making the folder of the corpus"):
        (out / DOCUMENTS).mkdir(parents=True, exist_ok=True)
    with _alone(out):
        _sweep(out / DOCUMENTS)
        works = _plan(recipe, out, downloads, keep_drops)
        counts, mark = _read_parts(works, out / DOCUMENTS, executor, progress)
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
            counts = _run_stage(stage, context)
            before = context.after
    return counts


def read_work(work: Work) -> tuple[Counts, str]:
    """Read one part into its file of documents, unless that is done already.

    Returns:
        the counts of the part, and the SHA-256 of the file.
    """
    marker_path = work.output.with_suffix(".json")
    marker = read_marker(marker_path)
    if marker is not None and marker["fingerprint"] == work.fingerprint and work.output.exists():
        return Counts.from_plain(marker["tally"]), marker["sha256"]
    if work.keep_drops:
        with DropFile(work.folder / "drops" / f"part-{work.number:05d}.jsonl.zst") as drops:
            counts = _write_part(work, DropLog(drops))
    else:
        counts = _write_part(work, DropLog())
    digest = sha256_file(work.output)
    # Only now: everything that the marker speaks of is on the disk under its own name.
    _mark(marker_path, work.fingerprint, counts, part=work.part.name, sha256=digest)
    return counts, digest


def _check_left(counts: Counts) -> None:
    """Raise where nothing is left: whoever builds a corpus does not mean an empty one."""
    if counts.documents.total():
        return
    total = counts.drops.total()
    often = counts.drops.most_common(_REASONS_TOLD)
    reasons = "; ".join(f"{count} by {step}: {reason}" for (step, reason), count in often)
    raise SourceError(
        f"nothing is left of the sources: all of {total} documents were dropped"
        if total
        else "there are no documents in the sources",
        got=reasons or None,
        fix="look at the recipe: the columns of a table, the languages and licences that it keeps; "
        "--keep-drops writes down each drop",
    )


def read_marker(path: Path) -> dict[str, Any] | None:
    """A completion marker; None where there is none, or none of this schema.

    Raises:
        StoreError: it is no marker at all.
    """
    try:
        marker = json.loads(path.read_bytes())
        if marker["schema"] != SCHEMA:
            return None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StoreError(
            "a completion marker cannot be read", got=str(path), fix="delete it and build again"
        ) from error
    return dict(marker)


def stage_names(out: Path) -> list[str]:
    """The finished stages of a build, in order; `documents` is the first.

    Raises:
        StoreError: there is no build in this folder.
    """
    plan = read_marker(out / "plan.json")
    if plan is None:
        raise StoreError(
            "no corpus in this folder", got=str(out), fix="`multiturn data build RECIPE` makes one"
        )
    names = [DOCUMENTS, *plan["stages"]]
    return [name for name in names if (out / name / COMPLETE).exists()]


def _run_stage(stage: CorpusStage, context: StageContext) -> Counts:
    """Run a stage, unless its marker says that this was done already."""
    after = context.after
    marker = read_marker(after / COMPLETE)
    if marker is not None and marker["fingerprint"] == context.fingerprint:
        return Counts.from_plain(marker["tally"])
    with storage_errors(after, "making the folder of a stage"):
        after.mkdir(exist_ok=True)
        (after / COMPLETE).unlink(missing_ok=True)
    counts = stage.run(context)
    _mark(after / COMPLETE, context.fingerprint, counts, files=_hashes(after))
    return counts


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Keep a second build out of the folder."""
    try:
        with FileLock(out / ".lock", timeout=0):
            yield
    except Timeout as error:
        raise StoreError(
            "another build is at work in this folder", got=str(out), fix="wait for it, or stop it"
        ) from error


def _sweep(folder: Path) -> None:
    """Delete what a build that was killed had begun to write."""
    with storage_errors(folder, "deleting what an earlier build left unfinished"):
        for path in folder.rglob(".part-*"):
            path.unlink()


def _write_part(work: Work, drop_log: DropLog) -> Counts:
    documents = work.source.read(work.part, drop_log, work.downloads)
    write_documents(work.output, run_transforms(documents, work.steps, drop_log))
    return drop_log.counts


def _plan(recipe: CorpusRecipe, out: Path, downloads: Path, keep_drops: bool) -> list[Work]:
    """The parts of all sources: as they were resolved when the build began, else as of now."""
    path = out / "plan.json"
    described = describe(recipe.sources)
    saved = read_marker(path)
    if saved is not None and saved["sources"] == described:
        parts = [
            (recipe.sources[index], Part(name, detail)) for index, name, detail in saved["parts"]
        ]
    else:
        parts = [(source, part) for source in recipe.sources for part in source.parts(downloads)]
        saved = None
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
        Work(
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
    works: Sequence[Work], folder: Path, executor: Executor, progress: BuildListener
) -> tuple[Counts, str]:
    """Read all parts; returns their counts and the fingerprint of what they gave."""
    counts, digests = Counts(), [""] * len(works)
    size = 0
    progress(BuildProgress(stage=DOCUMENTS, done=0, total=len(works)))
    for done, (index, (of_part, digest)) in enumerate(executor.map(read_work, works), 1):
        counts.add(of_part)
        digests[index] = digest
        size += of_part.bytes.total()
        progress(
            BuildProgress(
                stage=DOCUMENTS,
                done=done,
                total=len(works),
                note=works[index].part.name,
                bytes=size,
            )
        )
    _forget_others(folder, {work.output for work in works})
    mark = fingerprint((SCHEMA, digests))
    files = {work.output.name: digest for work, digest in zip(works, digests, strict=True)}
    _mark(folder / COMPLETE, mark, counts, files=files)
    return counts, mark


def _hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file that a stage left, by its path in the folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in paths}


def _forget_others(folder: Path, wanted: set[Path]) -> None:
    """Delete the parts that an earlier, longer plan left behind."""
    with storage_errors(folder, "deleting parts of an earlier plan"):
        for path in folder.glob("part-*.parquet"):
            if path not in wanted:
                path.with_suffix(".json").unlink(missing_ok=True)
                (folder / "drops" / f"{path.stem}.jsonl.zst").unlink(missing_ok=True)
                path.unlink()


def _mark(path: Path, mark: str, counts: Counts, **more: object) -> None:
    plain = {"schema": SCHEMA, "fingerprint": mark, "tally": counts.to_plain(), **more}
    write_atomically(path, json.dumps(plain, indent=1, sort_keys=True))
