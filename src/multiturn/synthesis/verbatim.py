"""Checks that the turns of a specification say what its file shows.

YAML may split a turn (``Print this: the sum`` is a mapping), and a number may be printed
differently than it is written (``1.50`` becomes ``1.5``). Neither happens silently.
"""

from __future__ import annotations

from typing import Any

import yaml

from multiturn.core.errors import InputError, nearest, truncate_repr
from multiturn.core.yaml_scalars import MAX_DIGITS, quoted
from multiturn.core.yaml_text import NodePath, YamlText, is_plain

__all__ = [
    "check_verbatim",
    "comment_may_follow",
    "read_json_float",
    "read_json_int",
    "plain_numbers",
]

_TURN_KEYS = ("prompt", "expect", "examples")
_LISTS_OF_TURNS = ("turns", "prompts")
_CODE_OR_CHOICE = ("header", "language")


def check_verbatim(source: YamlText, path: NodePath, node: yaml.Node) -> None:
    """Refuse a turn that YAML split, and a variable that would be printed differently.

    Raises:
        InputError: gives the line and the correct form.
    """
    shape = tuple("*" if isinstance(step, int) else step for step in path)
    if len(shape) == 2 and shape[0] in _LISTS_OF_TURNS and shape[1] == "*":
        _check_turn(source, path, node)
    elif shape == ("turns", "*", "prompt") and not isinstance(node, yaml.ScalarNode):
        raise _split_turn(source, node)
    if _is_variable(path) and isinstance(node, yaml.ScalarNode) and is_plain(node):
        _check_variable(source, node)


def comment_may_follow(path: NodePath) -> bool:
    """Whether a comment may follow the text at a path, because it cannot be part of it."""
    return len(path) == 1 and path[0] in _CODE_OR_CHOICE


def _check_turn(source: YamlText, path: NodePath, node: yaml.Node) -> None:
    if isinstance(node, yaml.SequenceNode):
        raise _split_turn(source, node)
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if not set(keys) & set(_TURN_KEYS):
            raise _split_turn(source, node, keys)
        return
    if not isinstance(node, yaml.ScalarNode) or not is_plain(node) or not node.value:
        return
    value = source.read_plain(node)
    if not isinstance(value, str):
        kind = {bool: "true or false", type(None): "nothing"}.get(type(value), "a number")
        if isinstance(value, int) and not isinstance(value, bool):
            kind = "a whole number"
        line = node.start_mark.line + 1
        raise InputError(
            f"{source.where}: {path[0]}[{path[1]}]: expected text or a mapping, got {kind} "
            f"{node.value} (line {line})",
            fix=f"write {quoted(node.value)}",
        )


def _split_turn(source: YamlText, node: yaml.Node, keys: list[str] | None = None) -> InputError:
    flow = bool(node.flow_style) if isinstance(node, yaml.CollectionNode) else False
    became = "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"
    sign = "brackets" if flow else "': '" if keys is not None else "'- '"
    fix = f"write {quoted(source.written(node))}"
    near = nearest(keys[0], _TURN_KEYS, max_count=1) if keys else []
    if near:
        fix += f"; did you mean {near[0]!r}?"
    return source.fault(
        node.start_mark,
        f"a turn is text, and {sign} made {became} of it",
        got=source.written(node),
        allowed="text, or a mapping with prompt, expect, examples",
        fix=fix,
    )


def _is_variable(path: NodePath) -> bool:
    return (
        (len(path) >= 2 and path[0] == "variables")
        or (len(path) >= 4 and path[0] == "cases" and path[2] == "variables")
        or (len(path) >= 3 and path[0] == "inputs")
    )


def _check_variable(source: YamlText, node: yaml.ScalarNode) -> None:
    if not node.value:
        return
    value = source.read_plain(node)
    if isinstance(value, str) or node.value in ("null", "true", "false", str(value)):
        return
    word = _yaml_word(value)
    raise source.fault(
        node.start_mark,
        f"the turn would say {value!r} where the file says {node.value}",
        fix=f"write {quoted(node.value)} for the text"
        + (f", or {word} for the value" if "e+" not in word and "e-" not in word else ""),
    )


def _yaml_word(value: object) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else repr(value)


class LiteralInt(int):
    """A whole number of a JSON file, with its original text."""

    written: str


class LiteralFloat(float):
    """A number of a JSON file, with its original text."""

    written: str


def read_json_int(text: str) -> LiteralInt:
    """A whole number, for `json.loads`.

    Raises:
        ValueError: it has too many digits.
    """
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a whole number has {len(text):,} digits, allowed are {MAX_DIGITS:,}")
    number = LiteralInt(text)
    number.written = text
    return number


def read_json_float(text: str) -> LiteralFloat:
    """A number with a point or an exponent, for `json.loads`."""
    number = LiteralFloat(text)
    number.written = text
    return number


def plain_numbers(data: Any, path: NodePath = (), *, where: str, variables: bool = True) -> Any:
    """The data with plain numbers; refuses variables that would be printed differently.

    Args:
        data: from `json.loads` with `read_json_int` and `read_json_float`.
        path: the place of the data.
        where: names the file in errors.
        variables: whether to check variables.

    Raises:
        InputError: a number among the variables is not written as Python prints it.
    """
    if isinstance(data, dict):
        return {
            key: plain_numbers(item, (*path, key), where=where, variables=variables)
            for key, item in data.items()
        }
    if isinstance(data, list):
        return [
            plain_numbers(item, (*path, number), where=where, variables=variables)
            for number, item in enumerate(data)
        ]
    if not isinstance(data, LiteralInt | LiteralFloat):
        return data
    number = int(data) if isinstance(data, LiteralInt) else float(data)
    if variables and _is_variable(path) and str(number) != data.written:
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
        raise InputError(
            f"{where}: {place.lstrip('.')}: the turn would say {number} where the file says "
            f"{truncate_repr(data.written, max_length=40)}",
            fix=f'write "{data.written}" for the text, or {number} for the number',
        )
    return number
