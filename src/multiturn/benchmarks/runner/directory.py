"""The directory of a run: a sample counts once it is on disk, and never twice.

    run.json               the record of the run, written first (`RunConfig`)
    samples.partial.jsonl  the samples so far, in the order in which they were finished
    samples.jsonl          all samples in the order of the task; exists when the run is complete
    timings.jsonl          seconds and cached tokens of each sample; may be incomplete after a crash
    sittings.jsonl         one line for each invocation of the runner, with its figures
    verdicts.N.jsonl       verdicts that rejudging number N, from 0, has replaced
    rejudged.jsonl         one line for each rejudging: the oracles, and how much it changed
    turns.partial.jsonl    generations of unfinished samples (`GenerationCache`)
    perplexity.jsonl       scores of prompts and references (`side_file`)
    variables.jsonl        where programs go wrong (`side_file`)
    endings.jsonl          which failed programs pass if they end earlier (`side_file`)
    lock                   held by the process that uses the directory

A kill can come at any moment. A torn line of the partial file is dropped and its sample repeated.
The complete file is renamed into place in one step, after which the partial one is obsolete. When
a run is extended with problems, cases or samples, its complete file first becomes the partial file
of the larger run.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from multiturn.benchmarks.runner.config import RunConfig, differences, only_extends
from multiturn.benchmarks.runner.generation_cache import GenerationCache
from multiturn.benchmarks.runner.samples import Sample, SampleKey, read_sample, to_line
from multiturn.core.closing import Closing
from multiturn.core.errors import InputError, StorageError, storage_errors
from multiturn.core.files import fsync_directory, write_atomically
from multiturn.core.lines import split_lines
from multiturn.core.records import to_plain

__all__ = [
    "COMPLETE",
    "CONFIG",
    "LOCK",
    "PARTIAL",
    "REJUDGED",
    "SITTINGS",
    "TIMINGS",
    "BenchmarkDirectory",
    "lock_of",
]

CONFIG = "run.json"
PARTIAL = "samples.partial.jsonl"
COMPLETE = "samples.jsonl"
TIMINGS = "timings.jsonl"
SITTINGS = "sittings.jsonl"
REJUDGED = "rejudged.jsonl"
TURNS = "turns.partial.jsonl"
LOCK = "lock"
_MAX_DIFFERENCES = 5


def _unknown(record: Mapping[str, Any]) -> None:
    """The samples of a record are unknown."""
    del record


class BenchmarkDirectory(Closing):
    """The directory of one run, locked by this process; see `open`.

    Attributes:
        path: the directory.
        found: the samples that are on disk.
        passed: how many of them passed, by oracle.
        turns: generations of unfinished samples.
        extended: the number of samples of the run before it was extended; 0 if it was not.
    """

    def __init__(
        self, path: Path, config: RunConfig, keys: Sequence[SampleKey], lock: FileLock
    ) -> None:
        self.path = path
        self.config = config
        self.found: set[SampleKey] = set()
        self.passed: Counter[str] = Counter()
        self._order = {key: place for place, key in enumerate(keys)}
        self._lock = lock
        self._descriptor: int | None = None
        self._size = 0
        self.extended = 0
        self.turns: GenerationCache

    @classmethod
    def open(
        cls,
        path: Path,
        config: RunConfig,
        keys: Sequence[SampleKey],
        *,
        fresh: bool = False,
        planned: Callable[[Mapping[str, Any]], Sequence[SampleKey] | None] = _unknown,
    ) -> BenchmarkDirectory:
        """Start a run in `path`, or continue it.

        Args:
            path: created if necessary.
            config: the run; it must equal the run in the directory, or extend it.
            keys: all samples of the run, in the order of the complete file.
            fresh: delete the results of this or another run first.
            planned: gives the samples of a record that was found there; None if unknown.

        Raises:
            InputError: the directory belongs to another run, or is not the directory of a run.
            StorageError: another process uses the directory, or it cannot be written.
        """
        with storage_errors(path, "creating the directory of the run"):
            path.mkdir(parents=True, exist_ok=True)
        lock = lock_of(path)
        opened = cls(path, config, keys, lock)
        try:
            opened._claim(fresh, planned)
            opened._recover()
            opened.turns = GenerationCache(path / TURNS, opened._is_missing)
        except BaseException:
            opened.close()
            raise
        return opened

    @property
    def complete(self) -> bool:
        """Whether all samples are on disk."""
        return len(self.found) == len(self._order)

    def missing(self) -> list[SampleKey]:
        """The missing samples, in the order of the task."""
        return [key for key in self._order if key not in self.found]

    def append(self, samples: Sequence[Sample]) -> None:
        """Write finished samples and wait until they are on disk.

        Raises:
            StorageError: the disk is full or fails. None of the samples counts as written.
        """
        data = "".join(map(to_line, samples)).encode("ascii")
        if self._descriptor is None:
            self._descriptor = self._open_partial()
        with storage_errors(self.path / PARTIAL, "writing samples"):
            try:
                self._write_synced(self._descriptor, data)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not self.turns.give_way():
                    raise
                self._write_synced(self._descriptor, data)
        self._size += len(data)
        for sample in samples:
            self._count(sample)
        self.turns.forget(sample.key for sample in samples)

    def _write_synced(self, descriptor: int, data: bytes) -> None:
        try:
            _write_all(descriptor, data)
            os.fsync(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, self._size)
            raise

    def note(self, name: str, lines: Iterable[Mapping[str, Any]]) -> None:
        """Append lines to an auxiliary file, on which nothing depends."""
        text = "".join(json.dumps(line) + "\n" for line in lines)
        with (
            storage_errors(self.path / name, "writing timings"),
            (self.path / name).open("a", encoding="ascii") as file,
        ):
            file.write(text)

    def finish(self) -> None:
        """Write the complete file.

        Raises:
            StorageError: the disk is full or fails. The partial file is unchanged.
        """
        partial = self.path / PARTIAL
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        if not partial.exists():
            return
        with storage_errors(partial, "reading samples"):
            lines = split_lines(partial.read_bytes(), keepends=True)
        lines.sort(key=lambda line: self._order[read_sample(line, where=PARTIAL).key])
        write_atomically(self.path / COMPLETE, b"".join(lines))
        self._remove(PARTIAL)
        self.turns.clear()

    def close(self) -> None:
        """Release the lock. Can be called twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        self._lock.release()

    def _is_missing(self, key: SampleKey) -> bool:
        return key in self._order and key not in self.found

    def _claim(
        self, fresh: bool, planned: Callable[[Mapping[str, Any]], Sequence[SampleKey] | None]
    ) -> None:
        """Check that the directory belongs to this run, or make it so."""
        saved = self.path / CONFIG
        for name in (CONFIG, COMPLETE, PARTIAL, TURNS):
            # Temporary files of an atomic write that was killed.
            self._remove(*(left.name for left in self.path.glob(f".{name}.*")))
        if saved.exists() and fresh:
            # The record is removed last, so that the directory stays recognizable until then.
            replaced = (left.name for left in self.path.glob("verdicts.*.jsonl*"))
            self._remove(COMPLETE, PARTIAL, TURNS, TIMINGS, SITTINGS, *replaced, REJUDGED, CONFIG)
        if saved.exists():
            self._compare(saved, planned)
            return
        strangers = sorted(each.name for each in self.path.iterdir() if each.name != LOCK)
        if strangers:
            raise InputError(
                f"the directory contains {strangers[0]!r} and no {CONFIG}, so it is not that of a "
                "run",
                got=str(self.path),
                fix="name another directory",
            )
        self._write_config()

    def _write_config(self) -> None:
        write_atomically(self.path / CONFIG, json.dumps(to_plain(self.config), indent=1) + "\n")

    def _compare(
        self, saved: Path, planned: Callable[[Mapping[str, Any]], Sequence[SampleKey] | None]
    ) -> None:
        try:
            with storage_errors(saved, "reading the record of the run"):
                theirs = json.loads(saved.read_bytes())
        except ValueError as error:
            raise InputError(
                f"the record of the run cannot be read ({error})",
                got=str(saved),
                fix="start again with --fresh, or name another directory",
            ) from error
        theirs = theirs if isinstance(theirs, dict) else {}
        found = differences(theirs, self.config)
        earlier = planned(theirs) if found and only_extends(theirs, self.config) else None
        if earlier is not None:
            self._extend(earlier)
        elif found:
            old = all(each.startswith("versions.oracle ") for each in found)
            more = len(found) - _MAX_DIFFERENCES
            listed = ", ".join(found[:_MAX_DIFFERENCES]) + (f" and {more} more" if more > 0 else "")
            raise InputError(
                f"the directory belongs to another run: {listed}",
                got=str(self.path),
                fix="use the settings of that run, name another directory, or delete it with "
                "--fresh"
                + (f"; `multiturn bench rejudge {self.path}` judges it again" if old else ""),
            )

    def _extend(self, earlier: Sequence[SampleKey]) -> None:
        """Make the earlier run a part of this one.

        Raises:
            InputError: it has samples that this one does not have.
        """
        left_out = sum(key not in self._order for key in earlier)
        if left_out:
            raise InputError(
                f"the run in the directory has {len(earlier)} samples, of which {left_out} are "
                "not requested now",
                got=str(self.path),
                fix="request at least the same problems, cases and samples, which extends the run; "
                "or name another directory, or delete it with --fresh",
            )
        with storage_errors(self.path, "extending the run"):
            if (self.path / COMPLETE).exists():
                (self.path / COMPLETE).replace(self.path / PARTIAL)
                fsync_directory(self.path)
        # A kill before this line leaves the earlier run unchanged, to be completed or extended.
        self._write_config()
        self.extended = len(earlier)

    def _recover(self) -> None:
        """Find the samples on disk, and repair what a crash has torn."""
        if (self.path / COMPLETE).exists():
            self._remove(PARTIAL)
            for sample, _ in self._complete_lines(COMPLETE):
                self._count(sample)
            if not self.complete:
                raise InputError(
                    f"{COMPLETE} has {len(self.found)} of {len(self._order)} samples; another "
                    "program changed it",
                    got=str(self.path),
                    fix="start again with --fresh, or name another directory",
                )
        elif (self.path / PARTIAL).exists():
            complete = []
            for sample, line in self._complete_lines(PARTIAL):
                if sample.key not in self.found:
                    self._count(sample)
                    complete.append(line)
            self._repair(self.path / PARTIAL, b"".join(complete))

    def _count(self, sample: Sample) -> None:
        self.found.add(sample.key)
        self.passed.update(name for name, verdict in sample.verdicts.items() if verdict.passed)

    def _repair(self, partial: Path, complete: bytes) -> None:
        """Remove torn lines from the partial file."""
        with storage_errors(partial, "repairing the samples"):
            there = partial.read_bytes()
            if there == complete:
                return
            if there.startswith(complete):
                # The usual case, a torn end, can be truncated even on a full disk.
                with partial.open("r+b") as file:
                    file.truncate(len(complete))
                    os.fsync(file.fileno())
                return
        write_atomically(partial, complete)

    def _complete_lines(self, name: str) -> Iterator[tuple[Sample, bytes]]:
        """The lines that are samples of this run, parsed and raw."""
        with storage_errors(self.path / name, "reading the samples"):
            lines = split_lines((self.path / name).read_bytes(), keepends=True)
        for line in lines:
            if line.endswith(b"\n"):
                with contextlib.suppress(InputError):
                    sample = read_sample(line, where=name)
                    if sample.key in self._order:
                        yield sample, line

    def _open_partial(self) -> int:
        partial = self.path / PARTIAL
        with storage_errors(partial, "writing samples"):
            descriptor = os.open(partial, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            fsync_directory(self.path)
            self._size = os.fstat(descriptor).st_size
        return descriptor

    def _remove(self, *names: str) -> None:
        with storage_errors(self.path, "clearing the directory of the run"):
            for name in names:
                (self.path / name).unlink(missing_ok=True)
            fsync_directory(self.path)


def lock_of(path: Path) -> FileLock:
    """Acquire the lock of a run's directory.

    Raises:
        StorageError: another process holds it, or the directory cannot be written.
    """
    lock = FileLock(path / LOCK, timeout=0, thread_local=False)
    with storage_errors(path, "locking the directory of the run"):
        try:
            lock.acquire()
        except Timeout as error:
            raise StorageError(
                "another process is working on this run",
                got=str(path),
                fix="wait until it ends, or name another directory",
            ) from error
    return lock


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
