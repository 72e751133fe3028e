"""Where a run is kept: nothing counts before it is on the disk, and nothing counts twice.

    run.json               what is run, written first (`RunConfig`)
    samples.partial.jsonl  the samples so far, in the order in which they were finished
    samples.jsonl          all of them in the order of the task: there when the run is complete
    timings.jsonl          seconds and cached tokens of each sample; may lack some after a crash
    sittings.jsonl         one line for each time the runner was at work, with its figures
    verdicts.N.jsonl       verdicts that a rejudging, counted from 0, has replaced
    rejudged.jsonl         one line for each rejudging: by which oracles, and how much it changed
    turns.partial.jsonl    texts of dialogues that are not finished (`GenerationCache`)
    lock                   held by the process that is at work

A kill can come at any moment. A line of the partial file that is torn is dropped and its
sample made again. The complete file takes its name in one step, after which the partial one
is only in the way. A run that is asked for more problems, cases or samples than before goes the
other way first: its complete file is the partial one of the larger run.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout

from multiturn.benchmarks.runner.config import RunConfig, differences, only_extends
from multiturn.benchmarks.runner.generation_cache import GenerationCache
from multiturn.benchmarks.runner.samples import Sample, SampleKey, read_sample, to_line
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
_MOST_DIFFERENCES = 5


def _unknown(record: Mapping[str, Any]) -> None:
    """Nothing is known of the samples of a record."""
    del record


class BenchmarkDirectory:
    """The directory of one run, held by this process alone; see `open`.

    Attributes:
        path: the directory.
        found: the samples that are on the disk.
        passed: how many of them each oracle passed.
        turns: texts of dialogues that are not finished.
        extended: how many samples the run had to have before more were asked for; 0 where the
            directory was this very run's.
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
        """Begin a run in `path`, or go on with it.

        Args:
            path: made if need be.
            config: what is run; must be what the directory holds already, or more of it.
            keys: all samples of the run, in the order of the complete file.
            fresh: throw away what another run, or this one, has left there.
            planned: the samples of the run of a record that was found there; None where they
                cannot be told.

        Raises:
            InputError: the directory belongs to another run, or is none of a run.
            StorageError: another process is at work there, or it cannot be written.
        """
        with storage_errors(path, "making the directory of the run"):
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
        """Whether every sample is there."""
        return len(self.found) == len(self._order)

    def missing(self) -> list[SampleKey]:
        """The samples that are still to be made, in the task's order."""
        return [key for key in self._order if key not in self.found]

    def append(self, samples: Sequence[Sample]) -> None:
        """Write finished samples and wait until they are on the disk.

        Raises:
            StorageError: the disk is full or fails. None of them counts as written.
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
        """Add lines to a side file, on which nothing depends."""
        text = "".join(json.dumps(line) + "\n" for line in lines)
        with (
            storage_errors(self.path / name, "writing timings"),
            (self.path / name).open("a", encoding="ascii") as file,
        ):
            file.write(text)

    def finish(self) -> None:
        """Put the complete file in its place.

        Raises:
            StorageError: the disk is full or fails. The samples are still there, as before.
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
        """Let others work here. Safe to call twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _is_missing(self, key: SampleKey) -> bool:
        return key in self._order and key not in self.found

    def _claim(
        self, fresh: bool, planned: Callable[[Mapping[str, Any]], Sequence[SampleKey] | None]
    ) -> None:
        """Make sure that the directory is this run's."""
        saved = self.path / CONFIG
        for name in (CONFIG, COMPLETE, PARTIAL, TURNS):
            # What a kill has left of a file that was to be written whole.
            self._remove(*(left.name for left in self.path.glob(f".{name}.*")))
        if saved.exists() and fresh:
            # The record goes last: until then the directory is known for what it was.
            replaced = (left.name for left in self.path.glob("verdicts.*.jsonl*"))
            self._remove(COMPLETE, PARTIAL, TURNS, TIMINGS, SITTINGS, *replaced, REJUDGED, CONFIG)
        if saved.exists():
            self._compare(saved, planned)
            return
        strangers = sorted(each.name for each in self.path.iterdir() if each.name != LOCK)
        if strangers:
            raise InputError(
                f"the directory holds {strangers[0]!r} and no {CONFIG}, so it is none of a run",
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
                fix="begin again with --fresh, or name another directory",
            ) from error
        theirs = theirs if isinstance(theirs, dict) else {}
        found = differences(theirs, self.config)
        earlier = planned(theirs) if found and only_extends(theirs, self.config) else None
        if earlier is not None:
            self._extend(earlier)
        elif found:
            old = all(each.startswith("versions.oracle ") for each in found)
            more = len(found) - _MOST_DIFFERENCES
            listed = ", ".join(found[:_MOST_DIFFERENCES]) + (
                f" and {more} more" if more > 0 else ""
            )
            raise InputError(
                f"the directory belongs to another run: {listed}",
                got=str(self.path),
                fix="say the same as that run, name another directory, or throw it away with "
                "--fresh"
                + (f"; `multiturn bench rejudge {self.path}` judges it again" if old else ""),
            )

    def _extend(self, earlier: Sequence[SampleKey]) -> None:
        """Make the run that is here a part of this one.

        Raises:
            InputError: it has samples that this one does not ask for.
        """
        left_out = sum(key not in self._order for key in earlier)
        if left_out:
            raise InputError(
                f"the run that is kept there has {len(earlier)} samples, of which {left_out} are "
                "not asked for now",
                got=str(self.path),
                fix="ask for at least the same problems, cases and samples, which extends the run; "
                "or name another directory, or throw it away with --fresh",
            )
        with storage_errors(self.path, "extending the run"):
            if (self.path / COMPLETE).exists():
                (self.path / COMPLETE).replace(self.path / PARTIAL)
                fsync_directory(self.path)
        # A kill before this line leaves the earlier run as it was, to be completed or extended.
        self._write_config()
        self.extended = len(earlier)

    def _recover(self) -> None:
        """Find out what is there, and mend what a crash has torn."""
        if (self.path / COMPLETE).exists():
            self._remove(PARTIAL)
            for sample, _ in self._whole_lines(COMPLETE):
                self._count(sample)
            if not self.complete:
                raise InputError(
                    f"{COMPLETE} holds {len(self.found)} of {len(self._order)} samples; it was "
                    "changed by other hands",
                    got=str(self.path),
                    fix="begin again with --fresh, or name another directory",
                )
        elif (self.path / PARTIAL).exists():
            kept = []
            for sample, line in self._whole_lines(PARTIAL):
                if sample.key not in self.found:
                    self._count(sample)
                    kept.append(line)
            self._mend(self.path / PARTIAL, b"".join(kept))

    def _count(self, sample: Sample) -> None:
        self.found.add(sample.key)
        self.passed.update(name for name, verdict in sample.verdicts.items() if verdict.passed)

    def _mend(self, partial: Path, kept: bytes) -> None:
        """Leave only the whole lines in the partial file."""
        with storage_errors(partial, "mending the samples"):
            there = partial.read_bytes()
            if there == kept:
                return
            if there.startswith(kept):
                # The usual case, a torn end: it can be cut off on a full disk too.
                with partial.open("r+b") as file:
                    file.truncate(len(kept))
                    os.fsync(file.fileno())
                return
        write_atomically(partial, kept)

    def _whole_lines(self, name: str) -> Iterator[tuple[Sample, bytes]]:
        """The lines that are samples of this run, each also as it stands."""
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
    """The lock of a run's directory, held from now on.

    Raises:
        StorageError: another process is at work there, or it cannot be written.
    """
    lock = FileLock(path / LOCK, timeout=0, thread_local=False)
    with storage_errors(path, "locking the directory of the run"):
        try:
            lock.acquire()
        except Timeout as error:
            raise StorageError(
                "another process is at work on this run",
                got=str(path),
                fix="wait for its end, or name another directory",
            ) from error
    return lock


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
