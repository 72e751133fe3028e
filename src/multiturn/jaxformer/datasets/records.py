"""Multi-turn records as training data: the loss is on the code, not on the prompts.

A record is one JSON line, ``{"turns": [{"prompt": "...", "code": "..."}, ...]}`` with an
optional ``"id"`` and ``"header"``, and is read in the benchmark's layout: the header, such as
imports, and then of each turn its prompt as comment lines, its code, and a blank line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from multiturn.core.errors import InputError
from multiturn.core.lines import split_lines
from multiturn.core.records import read_record
from multiturn.jaxformer.datasets.packed import Document
from multiturn.text.tokenizers import Tokenizer

__all__ = ["Record", "RecordTurn", "read_records", "tokenize_record"]


@dataclass(frozen=True, slots=True)
class RecordTurn:
    """What was asked for, and the code that does it."""

    prompt: str
    code: str


@dataclass(frozen=True, slots=True)
class Record:
    """A program written in turns."""

    turns: tuple[RecordTurn, ...]
    id: str = ""
    header: str = ""

    def __post_init__(self) -> None:
        if not self.turns:
            raise InputError("a record has no turns")


def read_records(path: Path) -> Iterator[Record]:
    """The records of a JSONL file, each with an id, ``FILE:LINE`` where it has none itself.

    Raises:
        InputError: the file cannot be read, or a line is no record; the message names it.
    """
    try:
        lines = split_lines(path.read_bytes().decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the records cannot be read: {error}", got=str(path)) from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{path.name}:{number}"
        try:
            plain = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{where} is no JSON: {error}") from error
        record = read_record(plain, Record, where=where)
        _check_text(record, where)
        yield replace(record, id=record.id or where)


def _check_text(record: Record, where: str) -> None:
    """Raise where a text is none: JSON can carry half of a surrogate pair."""
    turns = (text for turn in record.turns for text in (turn.prompt, turn.code))
    for text in (record.id, record.header, *turns):
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InputError(
                f"{where} holds half of a surrogate pair, which is no text",
                got=text.encode("utf-8", "backslashreplace").decode("utf-8"),
                fix="correct the line, or take it out",
            ) from error


def tokenize_record(record: Record, tokenizer: Tokenizer) -> Document:
    """One record as tokens; code and what ends it count, header and prompts do not."""
    ids: list[int] = []
    weights: list[float] = []
    size = 0
    for text, weight in _weighted_parts(record):
        piece = tokenizer.encode(text)
        ids += piece
        weights += [weight] * len(piece)
        size += len(text.encode("utf-8"))
    end = list(tokenizer.end_of_text[:1])
    return Document(
        record.id,
        np.asarray(ids + end, np.int32),
        size,
        np.asarray(weights + [1.0] * len(end), np.float32),
    )


def _weighted_parts(record: Record) -> Iterator[tuple[str, float]]:
    """The text of a record in parts, each with how much its tokens count."""
    if record.header.strip():
        yield f"# Import libraries.\n\n{record.header.strip()}\n\n", 0.0
    for turn in record.turns:
        yield "".join(f"# {line}".rstrip() + "\n" for line in turn.prompt.split("\n")), 0.0
        yield turn.code.strip("\n") + "\n\n", 1.0
