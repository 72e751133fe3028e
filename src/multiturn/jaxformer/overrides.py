"""Parsing of ``key=value`` overrides from the command line."""

from __future__ import annotations

import types
from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from multiturn.core.errors import InputError
from multiturn.core.yaml_scalars import read_plain_1_2
from multiturn.core.yaml_text import read_yaml

__all__ = ["parse_overrides", "parse_value"]


def parse_overrides(assignments: Iterable[str]) -> dict[str, str]:
    """The texts of ``key=value`` arguments by their keys.

    Raises:
        InputError: an argument is not ``key=value``, or a key repeats, as after brace expansion.
    """
    found: dict[str, str] = {}
    before = ""
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise _not_an_override(assignment, before)
        if found.get(key, text) != text:
            raise InputError(
                f"the setting {key} was given twice",
                got=f"{found[key]} and {text}",
                fix=f"give it once; where the shell expanded {{...}}, write '{key}=...' in quotes",
            )
        found[key] = text
        before = key
    return found


def _not_an_override(assignment: str, before: str) -> InputError:
    if before and Path(assignment).exists():
        # `data.pattern= **/*.py`: the shell has expanded the pattern to file names.
        return InputError(
            "a setting is not key=value: the shell expanded a pattern to file names",
            got=assignment,
            fix=f"write the pattern in quotes and without a space: '{before}=**/*.py'",
        )
    return InputError(
        "a setting is not key=value",
        got=assignment,
        fix=f"write {assignment}=VALUE, with quotes around it where VALUE has spaces",
    )


def parse_value(key: str, text: str, kind: Any) -> object:
    """The value of a setting, as plain data.

    Args:
        key: the setting, for errors.
        text: the text after the ``=``.
        kind: the type of the setting.

    Raises:
        InputError: the text cannot be read.
    """
    options = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    if type(None) in options and text in ("null", "~", ""):
        return None
    if any(_is_text(option) for option in options):
        return _text(key, text)
    if text[:1] not in ("[", "{", "'", '"'):
        return _number(read_plain_1_2(text.strip()), options)
    return _yaml(key, text)


def _is_text(kind: Any) -> bool:
    """Whether values of a type are written as text."""
    is_enum = isinstance(kind, type) and issubclass(kind, Enum)
    return kind is str or get_origin(kind) is Literal or is_enum


def _number(value: object, options: tuple[Any, ...]) -> object:
    # Python parses some numbers, such as `1_000`, that are text in YAML 1.2.
    if isinstance(value, str) and (int in options or float in options):
        try:
            return int(value) if int in options else float(value)
        except ValueError:
            return value
    return value


def _text(key: str, text: str) -> object:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return _yaml(key, text)
    return text


def _yaml(key: str, text: str) -> object:
    try:
        [value] = read_yaml(text, where=f"the value of {key}", scalar=read_plain_1_2)
    except (InputError, ValueError) as error:
        raise InputError(
            f"the value of {key} cannot be read",
            got=text,
            fix="write it as YAML; in a list, text with * or & in it needs quotes: "
            f"'{key}=[\"*.py\"]'"
            if text[:1] == "["
            else "write it as YAML",
        ) from error
    return value
