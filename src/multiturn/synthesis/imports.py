"""Specifications read from files: YAML, JSON, JSONL, and the published benchmark's samples."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import yaml

from multiturn.core.errors import InputError
from multiturn.core.records import read_record
from multiturn.synthesis.samples import Sample
from multiturn.synthesis.specification import Specification

__all__ = ["parse_specifications", "read_specifications"]

LARGEST_FILE = 16 << 20
SUFFIXES = (".yaml", ".yml", ".json", ".jsonl")


def read_specifications(path: Path) -> tuple[Specification, ...]:
    """The specifications of a file.

    YAML may hold several, parted by ``---``; JSON one, or a list; JSONL one on each line. An
    object with the key ``prompts`` is a sample of the published benchmark.

    Raises:
        InputError: the file cannot be read, or something in it is wrong; names the place.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(
                "the specification is too large", got=str(path), allowed=f"{LARGEST_FILE:,} bytes"
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
        suffix: which format it has: ``.yaml``, ``.yml``, ``.json`` or ``.jsonl``.
        where: what to call it in errors.

    Raises:
        InputError: something in it is wrong; names the place.
    """
    readers = {".yaml": _yaml, ".yml": _yaml, ".json": _json, ".jsonl": _json_lines}
    if suffix not in readers:
        raise InputError(
            "a specification of unknown format",
            got=where,
            allowed=", ".join(SUFFIXES),
            fix="name the file by its format",
        )
    found = tuple(_specification(data, where=place) for place, data in readers[suffix](text, where))
    if not found:
        raise InputError(f"{where}: there is no specification in it", fix="add 'turns'")
    return found


Places = Iterator[tuple[str, Any]]
"""Pairs of a place, for errors, and the plain data found there."""


def _specification(data: Any, *, where: str) -> Specification:
    _refuse_odd_values(data, where)
    if isinstance(data, Mapping) and "prompts" in data:
        try:
            return read_record(data, Sample, where=where).to_specification()
        except InputError as error:
            raise _placed(error, where) from error
    return read_record(data, Specification, where=where)


def _yaml(text: str, where: str) -> Places:
    try:
        documents = list(yaml.load_all(text, Loader=_StrictLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{where}: line {mark.line + 1}, column {mark.column + 1}" if mark else where
        raise InputError(
            f"{place}: not YAML, {error.problem or error.context}",
            fix="mend that line; text with a colon, a brace or a # in it needs quotes",
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{where}: not YAML, {error}") from error
    documents = [document for document in documents if document is not None]
    for number, document in enumerate(documents, start=1):
        yield (where if len(documents) == 1 else f"{where}, document {number}"), document


def _json(text: str, where: str) -> Places:
    data = _loads(text, where)
    if not isinstance(data, list):
        yield where, data
        return
    for number, item in enumerate(data):
        yield f"{where}: [{number}]", item


def _json_lines(text: str, where: str) -> Places:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield f"{where}:{number}", _loads(line, f"{where}:{number}")


def _loads(text: str, where: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{where}: not JSON, {error.msg.lower()} (line {error.lineno}, column {error.colno})"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not JSON, {error}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} stands twice")
        found[key] = value
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


class _StrictLoader(yaml.SafeLoader):
    """YAML without what makes a specification read otherwise than it looks.

    A key that stands twice is refused, and so are anchors and aliases, with which a small
    file can stand for an endless one.
    """

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise yaml.MarkedYAMLError(
                problem="anchors and aliases are not read here", problem_mark=event.start_mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str | int | float | bool | None):
                raise yaml.MarkedYAMLError(
                    problem="a key is not plain text", problem_mark=key_node.start_mark
                )
            if key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key!r} stands twice", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _refuse_odd_values(data: Any, where: str) -> None:
    """YAML reads an unquoted date as a date and ``.nan`` as a number; JSON has neither."""
    waiting = [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"{where}: a number is not finite", got=value, fix="quote it")
        elif value is not None and not isinstance(value, str | int | float | bool):
            raise InputError(
                f"{where}: a value is a {type(value).__name__}, not text, number, list or mapping",
                got=str(value),
                fix="put it in quotes",
            )


def _placed(error: InputError, where: str) -> InputError:
    if error.what.startswith(where):
        return error
    return InputError(f"{where}: {error.what}", got=error.got, allowed=error.allowed, fix=error.fix)
