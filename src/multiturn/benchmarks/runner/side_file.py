"""A file beside the samples of a run, with a line for each sample, that is resumable.

The first line is a header: what all other lines depend on. A line is on disk before the next one
is made; a half-written last line is cut off.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from multiturn.benchmarks.runner.directory import LOCK, lock_of
from multiturn.benchmarks.runner.samples import Sample, SampleKey
from multiturn.core.errors import InputError, storage_errors

__all__ = ["SideFile", "add_missing_lines", "open_side_file"]

_BLOCK = 64
"""Samples that are examined side by side before their lines are written."""


class SideFile:
    """An open side file; see `open_side_file`.

    Attributes:
        done: the samples that have a line.
    """

    def __init__(self, out: TextIO, done: set[SampleKey]) -> None:
        self.done = done
        self._out = out

    def add(self, lines: Sequence[tuple[SampleKey, Mapping[str, Any]]]) -> None:
        """Write the lines of some samples."""
        for key, content in lines:
            line = {"item": key.item, "sample": key.sample, **content}
            self._out.write(json.dumps(line, allow_nan=False) + "\n")
        self._out.flush()
        os.fsync(self._out.fileno())
        self.done |= {key for key, _ in lines}


@contextmanager
def open_side_file(
    file: Path, header: Mapping[str, Any], *, fresh: bool, mismatch: str
) -> Iterator[SideFile]:
    """Open a side file to append to it; the run is locked meanwhile.

    Args:
        file: in the directory of the run.
        header: what the lines depend on.
        fresh: drop earlier lines.
        mismatch: the message about earlier lines with another header.

    Raises:
        InputError: the earlier lines have another header.
        StorageError: another process works on the run, or the file cannot be written.
    """
    was_locked = (file.parent / LOCK).exists()
    lock = lock_of(file.parent)
    try:
        done = _resume(file, json.dumps(header) + "\n", fresh=fresh, mismatch=mismatch)
        with storage_errors(file, "writing the file"), file.open("a", encoding="ascii") as out:
            yield SideFile(out, done)
    finally:
        lock.release()
        if not was_locked:
            (file.parent / LOCK).unlink(missing_ok=True)


def add_missing_lines(
    file: Path,
    header: Mapping[str, Any],
    samples: Sequence[Sample],
    examine: Callable[[Sequence[Sample]], Sequence[Mapping[str, Any]]],
    *,
    fresh: bool,
    mismatch: str,
    listen: Callable[[int, int], None],
) -> int:
    """Write a line for each sample that has none, block by block.

    Args:
        file: in the directory of the run.
        header: what the lines depend on.
        samples: those that are to have a line.
        examine: the contents of the lines of some samples.
        fresh: drop earlier lines.
        mismatch: the message about earlier lines with another header.
        listen: receives how many samples of how many have a line.

    Returns:
        How many lines are new.

    Raises:
        InputError: the earlier lines have another header.
        StorageError: another process works on the run, or the file cannot be written.
    """
    with open_side_file(file, header, fresh=fresh, mismatch=mismatch) as lines:
        left = [sample for sample in samples if sample.key not in lines.done]
        for begin in range(0, len(left), _BLOCK):
            listen(len(samples) - len(left) + begin, len(samples))
            block = left[begin : begin + _BLOCK]
            found = examine(block)
            lines.add([(sample.key, line) for sample, line in zip(block, found, strict=True)])
    listen(len(samples), len(samples))
    return len(left)


def _resume(file: Path, header: str, *, fresh: bool, mismatch: str) -> set[SampleKey]:
    """The samples that have lines; a half-written last line is cut off."""
    with storage_errors(file, "reading the file"):
        data = b"" if fresh or not file.exists() else file.read_bytes()
        complete = data[: data.rfind(b"\n") + 1]
        if not complete:
            file.write_text(header, encoding="ascii")
            return set()
        first, *lines = complete.split(b"\n")[:-1]
        if first + b"\n" != header.encode():
            raise InputError(
                mismatch,
                got=str(file),
                fix="use the same, or drop the earlier lines with --fresh",
            )
        if len(complete) < len(data):
            with file.open("r+b") as out:
                out.truncate(len(complete))
        try:
            found = [json.loads(line) for line in lines]
            return {SampleKey(line["item"], line["sample"]) for line in found}
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                "a line of the file is damaged", got=str(file), fix="drop it with --fresh"
            ) from error
