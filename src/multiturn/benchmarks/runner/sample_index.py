"""The samples of a run by number, without holding them: for a browser of large runs.

The file is read once; after that a sample is one read at its place. A run that is still written is
read on from where the last reading ended.
"""

from __future__ import annotations

import io
import json
import lzma
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from sys import intern
from typing import Any, BinaryIO, cast

from multiturn.benchmarks.runner.directory import PARTIAL
from multiturn.benchmarks.runner.results import samples_file
from multiturn.benchmarks.runner.samples import Sample, read_sample
from multiturn.core.closing import Closing
from multiturn.core.errors import InputError, storage_errors
from multiturn.sandbox.oracles.verdicts import Judgement, Verdict

__all__ = ["IndexEntry", "SampleIndex", "failure_label", "matches_text"]

_EXCEPTION = re.compile(r"(?:\w+\.)*(\w+)(?::|$)")
_BLOCK_BYTES = 1 << 20
_MAX_LINE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """What is known of a sample without reading it."""

    number: int
    """Its place in the run, from 0."""
    offset: int
    """Of its line in the file, in bytes."""
    length: int
    """Of the line, in bytes."""
    item: str
    """The id of the item."""
    problem: str
    """The id of the problem."""
    sample: int
    """Which of the item's samples, from 0."""
    labels: tuple[str, ...]
    """The `failure_label` by each oracle of the run; empty text where it passed."""


def failure_label(verdict: Verdict) -> str:
    """Why a sample failed, in one word: the exception, how the run ended, or the judgement.

    Empty text for a sample that passed.
    """
    outcome = verdict.outcome
    if outcome is None:
        return _label(verdict.judgement.value)
    return _label(verdict.judgement.value, outcome.status.value, outcome.error)


def _label(judgement: str, status: str | None = None, error: str | None = None) -> str:
    if judgement == Judgement.PASSED.value:
        return ""
    if judgement == Judgement.PREVENTED.value and status is not None:
        match = _EXCEPTION.match(error or "")
        return match[1] if match else status
    return judgement


class SampleIndex(Closing):
    """The samples of one run. For several threads.

    Args:
        path: the directory of the run.
        oracles: of the run, in the order of its record.
    """

    def __init__(self, path: Path, oracles: tuple[str, ...]) -> None:
        self.path = path
        self.oracles = oracles
        self.entries: list[IndexEntry] = []
        self.unreadable = 0
        """Lines that are no samples."""
        self._lock = threading.RLock()
        self._file: BinaryIO | None = None
        self._opened: tuple[object, ...] = ()
        self._end = 0
        self._seen: set[tuple[str, int]] = set()

    def update(self) -> None:
        """Read what was written since the last time.

        Raises:
            InputError: the compressed samples are damaged.
            StorageError: the file cannot be read.
        """
        with self._lock, storage_errors(self.path, "reading the samples"):
            file = samples_file(self.path)
            if not file.exists():
                self._forget()
                return
            about = file.stat()
            key: tuple[object, ...] = (file.name, about.st_dev, about.st_ino)
            if file.name != PARTIAL:
                key = (*key, about.st_size, about.st_mtime_ns)
            if key != self._opened or about.st_size < self._end:
                self._forget()
                self._file, self._opened = _open(file), key
            self._read_on(only_ended=file.name == PARTIAL)

    def read(self, number: int) -> Sample:
        """The sample with that number.

        Raises:
            InputError: there is none, or its line has changed.
            StorageError: the file cannot be read.
        """
        if not 0 <= number < len(self.entries):
            raise InputError(
                "there is no such sample", got=number, allowed=f"0 to {len(self.entries) - 1}"
            )
        return read_sample(self.line(self.entries[number]), where=f"sample {number}")

    def line(self, entry: IndexEntry) -> bytes:
        """The line of a sample, as it stands in the file."""
        with self._lock, storage_errors(self.path, "reading the samples"):
            assert self._file is not None  # there are entries
            return os.pread(self._file.fileno(), entry.length, entry.offset)

    def close(self) -> None:
        """Close the file. Can be called twice."""
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file, self._opened, self._end = None, (), 0
        self.entries, self.unreadable, self._seen = [], 0, set()

    def _read_on(self, *, only_ended: bool) -> None:
        assert self._file is not None
        found = list(self.entries)
        for offset, line in self._lines(only_ended=only_ended):
            self._end = offset + len(line)
            entry = self._entry(len(found), offset, line)
            if entry is None:
                self.unreadable += bool(line.strip())
            elif (entry.item, entry.sample) not in self._seen:
                self._seen.add((entry.item, entry.sample))
                found.append(entry)
        self.entries = found  # replaced, because other threads read the list

    def _lines(self, *, only_ended: bool) -> Iterator[tuple[int, bytes]]:
        assert self._file is not None
        reader = io.BufferedReader(
            io.FileIO(os.dup(self._file.fileno()), closefd=True), _BLOCK_BYTES
        )
        with reader:
            offset = reader.seek(self._end)
            while line := reader.readline(_MAX_LINE_BYTES):
                if only_ended and not line.endswith(b"\n"):
                    return  # being written right now
                yield offset, line
                offset += len(line)

    def _entry(self, number: int, offset: int, line: bytes) -> IndexEntry | None:
        # Not as a record, which takes five times as long; one that is shown is read as such.
        try:
            data = json.loads(line)
            item, verdicts = data["item"], data["verdicts"]
            labels = [_label_of(verdicts.get(name)) for name in self.oracles]
            return IndexEntry(
                number=number,
                offset=offset,
                length=len(line),
                item=intern(item["id"]),
                problem=intern(item["problem"]),
                sample=int(data["sample"]),
                labels=tuple(map(intern, labels)),
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None


def _label_of(verdict: Any) -> str:
    if verdict is None:
        return "not judged"
    outcome = verdict.get("outcome") or {}
    return _label(verdict["judgement"], outcome.get("status"), outcome.get("error"))


def _open(file: Path) -> BinaryIO:
    """The file; decompressed into a nameless one where it is compressed."""
    if file.suffix != ".xz":
        return file.open("rb")
    plain = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - it stays open
    try:
        with lzma.open(file) as packed:
            shutil.copyfileobj(cast(BinaryIO, packed), plain, _BLOCK_BYTES)
        plain.flush()
    except (lzma.LZMAError, EOFError) as error:
        plain.close()
        raise InputError(f"{file} cannot be decompressed: {error}") from error
    except BaseException:
        plain.close()
        raise
    return plain


def matches_text(line: bytes, words: str) -> bool:
    """Whether the line of a sample has some words, whatever the case of ASCII letters."""
    return json.dumps(words)[1:-1].lower().encode("ascii") in line.lower()
