"""The lines of a file of samples, read one at a time."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import lzma
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO, cast

import msgspec

from multiturn.core.errors import InputError, storage_errors

__all__ = ["COMPLETE_FILES", "PARTIAL_FILE", "FullLine", "LightLine", "SampleLines", "full_line"]

COMPLETE_FILES = ("samples.jsonl", "samples.jsonl.xz", "samples.jsonl.gz")
PARTIAL_FILE = "samples.partial.jsonl"

_Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 40)]
"""Larger than any count, and a sum of them fits 64 bits."""


@dataclass(slots=True)
class ItemPart:
    """What a sample is of; see the records of `multiturn.benchmarks`."""

    id: str
    problem: str
    case: _Count = 0
    turn: _Count | None = None
    category: str | None = None
    turns: _Count | None = None
    difficulty: str | None = None


@dataclass(slots=True)
class OutcomePart:
    """How a program ended."""

    status: str
    error: str | None = None
    line: int | None = None
    signal: str | None = None
    compiling: bool = False


@dataclass(slots=True)
class VerdictPart:
    """What an oracle found."""

    judgement: str
    difference: str | None = None
    outcome: OutcomePart | None = None


@dataclass(slots=True)
class LightStep:
    """A generation without its texts."""

    cut_by: str | None = None
    finish_reason: str = ""
    prompt_tokens: _Count = 0
    new_tokens: _Count = 0


@dataclass(slots=True)
class FullStep(LightStep):
    """A generation."""

    text: str = ""
    raw_text: str = ""
    turn: _Count | None = None
    """The turn, for arms that generate several texts for one."""
    chosen: bool | None = None
    """Whether this text is the one in the program; None if there is only one."""


@dataclass(slots=True)
class LightLine:
    """A sample without its texts, which are skipped and never built."""

    item: ItemPart
    sample: _Count
    verdicts: dict[str, VerdictPart]
    steps: list[LightStep]


@dataclass(slots=True)
class FullLine:
    """A sample."""

    item: ItemPart
    sample: _Count
    verdicts: dict[str, VerdictPart]
    steps: list[FullStep]
    program: str


_light = msgspec.json.Decoder(LightLine)
_full = msgspec.json.Decoder(FullLine)


def full_line(line: bytes) -> FullLine:
    """Read a line with its texts.

    Raises:
        ValueError: it is not a sample.
    """
    return cast(FullLine, _decoded(_full, line))


def _decoded(decoder: Any, line: bytes) -> Any:
    """Decode a line.

    Raises:
        ValueError: it is not a sample.
    """
    try:
        return decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        if b"\\ud" not in line.lower():
            raise ValueError(str(error)) from error
    # A model may write half a character, which records hold as an escape.
    try:
        text = json.dumps(json.loads(line), ensure_ascii=False)
        return decoder.decode(text.encode("utf-8", errors="replace"))
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from error


@dataclass(slots=True)
class SampleLines:
    """An iterator over the samples of a run, with what was wrong in the file.

    Args:
        path: the directory of the run.

    Attributes:
        file: the file that is read; None if the run has no sample.
        complete: whether it is the file of a complete run.
        others: names of files that look like samples and are not read.
        torn: whether the last line is half-written, as after a crash.
        unreadable: how many other lines are no samples.
        first_unreadable: the number of the first of them, from 1.
    """

    path: Path
    file: Path | None = None
    complete: bool = False
    torn: bool = False
    unreadable: int = 0
    first_unreadable: int | None = None
    others: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in (*COMPLETE_FILES, PARTIAL_FILE):
            if (self.path / name).is_file():
                self.file = self.path / name
                self.complete = name != PARTIAL_FILE
                return
        self.others = tuple(sorted(each.name for each in self.path.glob("samples*")))

    def __iter__(self) -> Iterator[tuple[LightLine, bytes]]:
        """The samples, each with its line.

        Raises:
            InputError: a compressed file is damaged.
            StorageError: the file cannot be read.
        """
        if self.file is None:
            return
        with storage_errors(self.file, "reading the samples"), self._open() as file:
            number = 0
            try:
                for line in file:
                    number += 1
                    if number == 1:
                        line = line.removeprefix(codecs.BOM_UTF8)
                    if not line.endswith(b"\n"):
                        # Even if it is complete JSON: a number at its end may lack digits.
                        self.torn = True
                        return
                    try:
                        yield _decoded(_light, line), line
                    except ValueError:
                        self.unreadable += 1
                        self.first_unreadable = self.first_unreadable or number
            except (lzma.LZMAError, zlib.error, gzip.BadGzipFile, EOFError) as error:
                raise InputError(
                    f"{self.file} is damaged after {number} lines: {error}",
                    fix="restore the file, or leave this run out",
                ) from error

    def _open(self) -> BinaryIO:
        if self.file is None:
            raise ValueError("no file")
        openers: dict[str, Any] = {".xz": lzma.open, ".gz": gzip.open}
        opener = openers.get(self.file.suffix)
        if opener is not None:
            return cast(BinaryIO, io.BufferedReader(opener(self.file, "rb"), 1 << 20))
        return self.file.open("rb", buffering=1 << 20)
