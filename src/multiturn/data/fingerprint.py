"""What a recipe consists of, as plain data, and its hash."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from multiturn.core.errors import InputError

__all__ = ["describe", "fingerprint"]


def describe(value: object) -> Any:
    """A frozen dataclass with the name of its class, all the way down, as JSON data.

    Raises:
        InputError: a part of it is not plain data, so that two runs could not be compared.

    Example:
        >>> from multiturn.data.source import Part
        >>> describe(Part("one"))
        {'kind': 'multiturn.data.source.Part', 'name': 'one', 'detail': {}}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        fields = {
            field.name: describe(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.metadata.get("described", True)
        }
        return {"kind": f"{kind.__module__}.{kind.__qualname__}", **fields}
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
