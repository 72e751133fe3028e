"""Values as literals of each language, and reference code filled with them.

Values are plain data as from JSON. The code around a literal says its type, so in C, C++, Java and
Go a list is its items in braces: ``int posts[] = {1, 2};``, ``posts := []int{1, 2}``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from multiturn.core.errors import InputError, UnknownNameError

__all__ = ["fill_code_in", "literal", "shown"]

_PLACE = re.compile(r"<<([A-Za-z_]\w*)(?:\.(length|width))?>>")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_INT_MAX = 2**31 - 1


def literal(language: str, value: object) -> str:
    """A value as a literal of a language.

    Args:
        language: a key of the table of languages.
        value: plain data as from JSON.

    Raises:
        UnknownNameError: there is no such language.
        InputError: the language has no literal of such a value.

    Example:
        >>> literal("python", [True, "a"]), literal("javascript", [True, "a"])
        ("[True, 'a']", '[true, "a"]')
        >>> literal("cpp", [[1, 2], []]), literal("java", 2**40), literal("go", {"a": 0.5})
        ('{{1, 2}, {}}', '1099511627776L', '{"a": 0.5}')
    """
    if language not in _LITERALS:
        raise UnknownNameError("language", language, _LITERALS)
    return _LITERALS[language](value)


def shown(language: str, value: object) -> object:
    """A value as a prompt shows it to a person who writes in a language.

    Text stays as it is. Other values are what Python writes for Python, and JSON for the others.

    Example:
        >>> shown("python", [True, "a"]), shown("go", [True, "a"]), shown("go", "a")
        ([True, 'a'], '[true, "a"]', 'a')
    """
    if isinstance(value, str) or language == "python":
        return value
    return json.dumps(value, ensure_ascii=False)


def fill_code_in(language: str, template: str, variables: Mapping[str, object]) -> str:
    """Reference code with each ``<<name>>`` replaced by the value as a literal.

    ``<<name.length>>`` is the number of items of a list, and ``<<name.width>>`` that of its longest
    item.

    Raises:
        UnknownNameError: there is no such language.
        InputError: a variable is missing, has no length, or has no literal in the language.

    Example:
        >>> fill_code_in("c", "int n = <<xs.length>>, xs[] = <<xs>>;", {"xs": [3, 4]})
        'int n = 2, xs[] = {3, 4};'
    """

    def text(match: re.Match[str]) -> str:
        name, size = match[1], match[2]
        if name not in variables:
            raise InputError("reference code names no variable", got=name)
        value = variables[name]
        if size is None:
            return literal(language, value)
        if not isinstance(value, list):
            raise InputError(f"the variable {name} has no {size}", got=value)
        if size == "length":
            return str(len(value))
        return str(max((len(item) for item in value), default=0))

    return _PLACE.sub(text, template)


def _javascript(value: object) -> str:
    _check(value)
    return json.dumps(value, ensure_ascii=False)


def _c(value: object) -> str:
    """Objects have no literal: C has no such type."""
    return _in_braces(value)


def _cpp(value: object) -> str:
    return _in_braces(value, pair="{%s, %s}")


def _java(value: object) -> str:
    """Numbers beyond int have their suffix; objects have no literal."""
    return _in_braces(value, long="%dL")


def _go(value: object) -> str:
    return _in_braces(value, pair="%s: %s")


def _in_braces(value: object, *, pair: str = "", long: str = "%d") -> str:
    _check(value)
    if isinstance(value, list):
        return "{" + ", ".join(_in_braces(item, pair=pair, long=long) for item in value) + "}"
    if isinstance(value, dict) and pair:
        items = (
            (json.dumps(key), _in_braces(item, pair=pair, long=long)) for key, item in value.items()
        )
        return "{" + ", ".join(pair % item for item in items) + "}"
    if isinstance(value, dict) or value is None:
        raise InputError("the language has no literal of such a value", got=value)
    if type(value) is int and abs(value) > _INT_MAX:
        return long % value
    return json.dumps(value, ensure_ascii=False)


def _check(value: object) -> None:
    if isinstance(value, str) and _CONTROL.search(value):
        raise InputError("a text has characters that no literal has", got=value)
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError("a number is not finite", got=value)
    if isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            _check(item)


_LITERALS: Mapping[str, Callable[[object], str]] = MappingProxyType(
    {"python": repr, "javascript": _javascript, "java": _java, "c": _c, "cpp": _cpp, "go": _go}
)
