"""Reads specifications: YAML, JSON, JSONL, and problems of the published benchmark."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from multiturn.core.errors import InputError
from multiturn.core.records import read_record
from multiturn.core.yaml_text import read_yaml
from multiturn.synthesis.published_format import read_published_problem
from multiturn.synthesis.specification import Specification
from multiturn.synthesis.verbatim import (
    check_verbatim,
    comment_may_follow,
    plain_numbers,
    read_json_float,
    read_json_int,
)

__all__ = ["parse_specifications", "read_specifications"]

MAX_FILE_BYTES = 16 << 20
SUFFIXES = (".yaml", ".yml", ".json", ".jsonl")


def read_specifications(path: Path) -> tuple[Specification, ...]:
    """The specifications of a file.

    YAML may contain several, separated by ``---``; JSON one or a list; JSONL one on each line. An
    object with the key ``prompts`` is a problem of the published benchmark.

    Args:
        path: a .yaml, .yml, .json or .jsonl file.

    Raises:
        InputError: the file cannot be read or is invalid; names the place.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InputError(
                "the specification is too large", got=str(path), allowed=f"{MAX_FILE_BYTES:,} bytes"
            )
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            "the specification is not UTF-8 text", got=str(path), fix="save it as UTF-8"
        ) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(
            f"the specification cannot be read, {reason}", got=str(path), fix="check the path"
        ) from error
    return parse_specifications(text, suffix=path.suffix.lower(), where=path.name)


def parse_specifications(text: str, *, suffix: str, where: str) -> tuple[Specification, ...]:
    """The specifications in a text.

    Args:
        text: the content of a file.
        suffix: the format: ``.yaml``, ``.yml``, ``.json`` or ``.jsonl``.
        where: names the file in errors.

    Raises:
        InputError: the text is invalid; names the place.
    """
    readers = {".yaml": _yaml, ".yml": _yaml, ".json": _json, ".jsonl": _json_lines}
    if suffix not in readers:
        raise InputError(
            "a specification of unknown format",
            got=where,
            allowed=", ".join(SUFFIXES),
            fix="give the file the suffix of its format",
        )
    found = tuple(_specification(data, where=place) for place, data in readers[suffix](text, where))
    if not found:
        raise InputError(f"{where}: there is no specification in it", fix="add 'turns'")
    return found


LocatedData = Iterator[tuple[str, Any]]
"""Plain data, each with its place for error messages."""


def _specification(data: Any, *, where: str) -> Specification:
    _refuse_odd_values(data, where)
    if isinstance(data, Mapping) and "prompts" in data:
        try:
            return read_published_problem(data, where=where).to_specification()
        except InputError as error:
            raise _placed(error, where) from error
    return read_record(data, Specification, where=where)


def _yaml(text: str, where: str) -> LocatedData:
    documents = read_yaml(text, where=where, check=check_verbatim, free=comment_may_follow)
    for number, document in enumerate(documents, start=1):
        yield (where if len(documents) == 1 else f"{where}, document {number}"), document


def _json(text: str, where: str) -> LocatedData:
    data = _loads(text, where)
    if not isinstance(data, list):
        yield where, data
        return
    for number, item in enumerate(data):
        yield f"{where}: [{number}]", item


def _json_lines(text: str, where: str) -> LocatedData:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield f"{where}:{number}", _loads(line, f"{where}:{number}")


def _loads(text: str, where: str) -> Any:
    try:
        data = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_int=read_json_int,
            parse_float=read_json_float,
        )
    except json.JSONDecodeError as error:
        raise InputError(
            f"{where}: not JSON, {error.msg.lower()} (line {error.lineno}, column {error.colno})"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not JSON, {error}") from error
    items = data if isinstance(data, list) else [data]
    plain = [_plain_numbers(item, where) for item in items]
    return plain if isinstance(data, list) else plain[0]


def _plain_numbers(data: Any, where: str) -> Any:
    # Problems of the published benchmark are read like its own programs read them.
    published = isinstance(data, dict) and "prompts" in data
    return plain_numbers(data, where=where, variables=not published)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} occurs twice")
        found[key] = value
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _refuse_odd_values(data: Any, where: str) -> None:
    """Refuse what no program prints: YAML's ``.nan`` and JSON's ``1e999``, which is infinite."""
    stack = [data]
    while stack:
        value = stack.pop()
        if isinstance(value, Mapping):
            stack += value.keys()
            stack += value.values()
        elif isinstance(value, list):
            stack += value
        elif isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"{where}: a number is not finite", got=value, fix="quote it")
        elif isinstance(value, str) and any(0xD800 <= ord(sign) < 0xE000 for sign in value):
            raise InputError(
                f"{where}: a text contains half a character", got=value, fix="write the character"
            )


def _placed(error: InputError, where: str) -> InputError:
    if error.what.startswith(where):
        return error
    return InputError(f"{where}: {error.what}", got=error.got, allowed=error.allowed, fix=error.fix)
