"""Multi-turn records as training data: the loss is on the code, not on the prompts.

The first token of a later prompt, its ``#``, is in the loss as well: it is what the model writes
when its code is complete, and where the engine stops it. Without it a tuned model continues with
statements that were not asked for.

A record is one JSON line, ``{"turns": [{"prompt": "...", "code": "..."}, ...]}`` with an
optional ``"id"`` and ``"header"``. It is laid out like a benchmark program: the header, such as
imports, then for each turn the prompt as comment lines, the code, and a blank line. A turn may have
``"begun"`` as well: code that is given, and that its code continues.
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
from multiturn.jaxformer.datasets.packed import TokenizedDocument
from multiturn.text.tokenizers import Tokenizer

__all__ = ["TrainingRecord", "RecordTurn", "read_records", "tokenize_record"]


@dataclass(frozen=True, slots=True)
class RecordTurn:
    """A request, and the code that fulfils it.

    Attributes:
        prompt: the request; empty where only code is given.
        code: what the model shall write.
        begun: code that is given, such as a signature with its docstring; `code` continues it as
            it stands.
    """

    prompt: str
    code: str
    begun: str = ""


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """A program written in turns."""

    turns: tuple[RecordTurn, ...]
    id: str = ""
    header: str = ""

    def __post_init__(self) -> None:
        if not self.turns:
            raise InputError("a record has no turns")


def read_records(path: Path) -> Iterator[TrainingRecord]:
    """The records of a JSONL file; one without an id gets ``FILE:LINE``.

    Raises:
        InputError: the file cannot be read, or a line is not a record; the message names it.
    """
    try:
        lines = split_lines(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError as error:
        raise InputError(
            "the file of the training records does not exist",
            got=str(path),
            fix="make it (docs/fine-tuning.md has the commands), or name another one with "
            "data.path= or data.held_out_path=",
        ) from error
    except OSError as error:
        raise InputError(
            f"the training records cannot be read: {error.strerror}", got=str(path)
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"the training records are not UTF-8 text: {error}", got=str(path)
        ) from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{path.name}:{number}"
        try:
            plain = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{where} is not JSON: {error}") from error
        record = read_record(plain, TrainingRecord, where=where)
        _check_text(record, where)
        yield replace(record, id=record.id or where)


def _check_text(record: TrainingRecord, where: str) -> None:
    """Refuse unpaired surrogates, which JSON can express."""
    turns = (text for turn in record.turns for text in (turn.prompt, turn.begun, turn.code))
    for text in (record.id, record.header, *turns):
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InputError(
                f"{where} has half of a surrogate pair, which is not text",
                got=text.encode("utf-8", "backslashreplace").decode("utf-8"),
                fix="correct or remove the line",
            ) from error


def tokenize_record(record: TrainingRecord, tokenizer: Tokenizer) -> TokenizedDocument:
    """A record as tokens; what the model shall write is in the loss, what is given is not."""
    ids: list[int] = []
    loss_mask: list[float] = []
    size = 0
    for part in _parts(record):
        piece = tokenizer.encode(part.text)
        ids += piece
        loss_mask += [1.0 if part.is_code else 0.0] * len(piece)
        if part.ends_code and piece:
            loss_mask[-len(piece)] = 1.0
        size += len(part.text.encode("utf-8"))
    end = list(tokenizer.end_of_text[:1])
    return TokenizedDocument(
        record.id,
        np.asarray(ids + end, np.int32),
        size,
        np.asarray(loss_mask + [1.0] * len(end), np.float32),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of a record's text.

    Attributes:
        text: the piece.
        is_code: whether the model shall write it.
        ends_code: whether its first token ends the code before it.
    """

    text: str
    is_code: bool = False
    ends_code: bool = False


def _parts(record: TrainingRecord) -> Iterator[_Part]:
    """The text of a record in parts."""
    if record.header.strip():
        yield _Part(f"# Import libraries.\n\n{record.header.strip()}\n\n")
    for number, turn in enumerate(record.turns):
        if turn.prompt or not turn.begun:
            comment = "".join(f"# {line}".rstrip() + "\n" for line in turn.prompt.split("\n"))
            yield _Part(comment, ends_code=number > 0)
        code = turn.code.rstrip("\n")
        if turn.begun:
            yield _Part(turn.begun)
        else:
            code = code.lstrip("\n")
        yield _Part(f"{code}\n\n", is_code=True)
