"""A recipe as plain data, and the fingerprint of that data."""

from __future__ import annotations

import dataclasses
import enum
import functools
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from multiturn.core.errors import InputError

__all__ = ["describe", "fingerprint", "formerly"]

T = TypeVar("T")

_FORMER_KINDS = {
    "multiturn.data.build.source.Part": "multiturn.data.source.Part",
    "multiturn.data.packing.fim.FillInTheMiddle": "multiturn.data.packing.shaping.FillInTheMiddle",
    "multiturn.data.sources.file_filter.FileFilter": "multiturn.data.sources.wanted.Wanted",
}
"""Classes that moved since corpora were first built keep their names in plans and fingerprints."""


def formerly(**former: str) -> Callable[[type[T]], type[T]]:
    """Decorate a dataclass whose fields were renamed.

    Recipes may use the former names, and plans and fingerprints do, so that builds of an earlier
    version continue.

    Args:
        former: the former name of each renamed field.
    """

    def decorate(kind: type[T]) -> type[T]:
        make = kind.__init__

        @functools.wraps(make)
        def initialize(self: T, *positional: Any, **named: Any) -> None:
            for name, before in former.items():
                if before in named and name not in named:
                    named[name] = named.pop(before)
            make(self, *positional, **named)

        setattr(kind, "__init__", initialize)  # noqa: B010 - a method of a class cannot be assigned
        setattr(kind, "__former_names__", former)  # noqa: B010
        return kind

    return decorate


def describe(value: object) -> Any:
    """A dataclass as JSON data, with the names of the classes of all its parts.

    Raises:
        InputError: a part of it is not plain data, which has no fingerprint.

    Example:
        >>> from multiturn.data.build.source import Part
        >>> describe(Part("one"))
        {'kind': 'multiturn.data.source.Part', 'name': 'one', 'detail': {}}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        former = getattr(kind, "__former_names__", {})
        fields = {
            former.get(field.name, field.name): describe(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.metadata.get("described", True)
        }
        name = f"{kind.__module__}.{kind.__qualname__}"
        return {"kind": _FORMER_KINDS.get(name, name), **fields}
    match value:
        case enum.Enum():
            return describe(value.value)
        case None | bool() | int() | float() | str():
            return value
        case bytes():
            return value.hex()
        case Path():
            return str(value)
        case re.Pattern():
            return describe(value.pattern)
        case Mapping():
            return {str(key): describe(item) for key, item in value.items()}
        case set() | frozenset():
            return sorted((describe(item) for item in value), key=str)
        case list() | tuple():
            return [describe(item) for item in value]
    raise InputError(
        "a setting of the recipe is not plain data",
        got=type(value).__name__,
        allowed="dataclasses, text, numbers, paths, and lists and mappings of them",
    )


def fingerprint(value: object) -> str:
    """SHA-256 of `describe(value)`, in hexadecimal.

    Example:
        >>> fingerprint((1, 2)) == fingerprint([1, 2]) != fingerprint([2, 1])
        True
    """
    plain = json.dumps(describe(value), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(plain.encode()).hexdigest()
