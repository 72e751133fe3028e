"""Fills templates with variables: prompts of problems and specifications, and reference code.

A problem file may come from anyone, and `str.format` gives its templates access to the attributes
of every value and allows gigabytes of padding. The published sampler uses ``str.format``, so
`format_template` gives exactly the same text for a template that only refers to its variables.
`fill_names` and `fill_code` replace names and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any

from multiturn.core.errors import InputError, nearest

__all__ = ["MAX_FILLED", "MAX_WIDTH", "fill_code", "fill_names", "format_template"]

MAX_WIDTH = 1000
"""Largest width and precision of a format specification."""

MAX_FILLED = 1_000_000
"""Maximum length of a filled template, in characters."""

_SPECIFICATION = re.compile(
    r"(?:.?[<>=^])?[-+ ]?z?#?0?(?P<width>\d*)[,_]?(?:\.(?P<precision>\d+))?[,_]?[a-zA-Z%]?",
    re.DOTALL,
)
_NAME = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}|[{}]")
_CODE_NAME = re.compile(r"<<([A-Za-z_]\w*)>>")
_PLAIN = (str, int, float, bool, type(None), list, dict)


def format_template(template: str, variables: Mapping[str, object]) -> str:
    """Fill a template with its variables.

    ``{name}`` gives the value as `str` does, ``{{`` and ``}}`` give braces. Conversions
    (``{name!r}``), items (``{name[0]}``, ``{name[key]}``) and format specifications
    (``{name:.2f}``, ``{name:>{width}}``) work as in `str.format`. Attributes (``{name.real}``),
    a width or precision above `MAX_WIDTH`, and a result above `MAX_FILLED` are refused.

    Args:
        template: the template of one prompt.
        variables: plain data, as in JSON, by name.

    Raises:
        InputError: a variable or an item is missing, the braces do not match, a value does not
            fit its format, or the template asks for something that is refused.

    Example:
        >>> format_template("Set {{x}} to {x[1]!r}, not {y:.2f}.", {"x": ["a", "b"], "y": 1})
        "Set {x} to 'b', not 1.00."
    """
    try:
        text = _SafeFormatter(template).vformat(template, (), variables)
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            "a filled prompt contains a lone surrogate, which UTF-8 cannot encode",
            got=template,
        ) from error
    except (KeyError, IndexError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise InputError(
            f"a prompt cannot be filled: {type(error).__name__}: {error}", got=template
        ) from error
    return text


def fill_names(template: str, variables: Mapping[str, object]) -> tuple[str, set[str]]:
    """The template with each ``{name}`` replaced by `str` of its value, and the names used.

    Lists and the like come out as Python writes them, as in the published benchmark. Only a
    name may stand between braces: no attribute, index or format.

    Raises:
        InputError: a variable has no value, or a brace is not paired.

    Example:
        >>> fill_names("Set {{x}} to {values}.", {"values": ["a", None]})
        ("Set {x} to ['a', None].", {'values'})
    """
    used: set[str] = set()

    def value(match: re.Match[str]) -> str:
        if match[0] in ("{{", "}}"):
            return match[0][0]
        name = match[1]
        if name is None:
            raise InputError(
                f"the brace at character {match.start() + 1} is not paired",
                got=template,
                allowed="{name} for a variable, {{ and }} for braces",
                fix=f"write {match[0] * 2}",
            )
        if name not in variables:
            near = nearest(name, variables, max_count=1)
            raise InputError(
                f"the variable {name!r} has no value",
                allowed=", ".join(sorted(variables)) or None,
                fix=f"did you mean {{{near[0]}}}?"
                if near
                else "add it under 'variables', or double the braces",
            )
        used.add(name)
        return str(variables[name])

    return _NAME.sub(value, template), used


def fill_code(template: str, variables: Mapping[str, object]) -> str:
    """Reference code with each ``<<name>>`` replaced by the value as a Python literal.

    Raises:
        InputError: a variable is missing.

    Example:
        >>> fill_code("x = <<x>>", {"x": "a"})
        "x = 'a'"
    """

    def literal(match: re.Match[str]) -> str:
        name = match[1]
        if name not in variables:
            raise InputError("reference code names no variable", got=name)
        return repr(variables[name])

    return _CODE_NAME.sub(literal, template)


class _SafeFormatter(Formatter):
    """`str.format` for plain data: items but no attributes, and limited padding."""

    def __init__(self, template: str) -> None:
        self._template = template
        self._size = 0

    def get_value(self, key: int | str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> object:
        del args
        if isinstance(key, str) and key in kwargs:
            return kwargs[key]
        if isinstance(key, int):
            raise InputError(
                "a prompt cannot be filled: a field has no name",
                got=self._template,
                allowed="{name} for a variable, {{ and }} for braces",
            )
        near = nearest(key, kwargs, max_count=1)
        raise InputError(
            f"a prompt cannot be filled: the variable {key!r} has no value",
            got=self._template,
            allowed=", ".join(map(str, kwargs)) or None,
            fix=f"did you mean {{{near[0]}}}?" if near else "double the braces",
        )

    def get_field(
        self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[Any, str]:
        first, _, _ = field_name.partition("[")
        if "." in first or re.search(r"\]\s*\.", field_name):
            raise InputError(
                "a prompt asks for an attribute of a value, which is not allowed",
                got=f"{{{field_name}}}",
                allowed="{name}, {name[0]}, {name[key]}",
            )
        value, used = super().get_field(field_name, args, kwargs)
        if not isinstance(value, _PLAIN):
            raise InputError("a variable is not plain data", got=type(value).__name__)
        return value, str(used)

    def format_field(self, value: Any, format_spec: str) -> str:
        match = _SPECIFICATION.fullmatch(format_spec)
        if match is None:
            raise ValueError(f"invalid format specification {format_spec[:40]!r}")
        for name in ("width", "precision"):
            digits = match[name] or "0"
            if len(digits) > len(str(MAX_WIDTH)) or int(digits) > MAX_WIDTH:
                raise InputError(
                    f"the {name} of a field is out of range",
                    got=f"{{:{format_spec}}}",
                    allowed=f"up to {MAX_WIDTH}",
                )
        text = str(super().format_field(value, format_spec))
        self._size += len(text)
        if self._size > MAX_FILLED:
            raise InputError(
                "a filled prompt is too long", allowed=f"up to {MAX_FILLED:,} characters"
            )
        return text
