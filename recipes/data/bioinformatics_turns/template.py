"""Templates of multi-turn programs, and the notation that they are written in.

A template is a function that computes the answer, under a text with the turns. Each line that
starts with ``?`` is a prompt; prompts below each other are paraphrases of the same turn, of which
one is drawn. The other lines are the code of the turn above. ``$x`` is the name or the value `x`:
a name in quotes or bare and a value as a literal in the prompts, and both as Python in the code.
``${x}`` is the bare text of either.
"""

from __future__ import annotations

import inspect
import itertools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from textwrap import dedent
from typing import Any

from recipes.data.bioinformatics_turns.drawing import Draw, Drawn

__all__ = ["TEMPLATES", "Filled", "Template", "literal", "template"]

_PLACE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_FORMULA_BEFORE = re.compile(r"(?:\w\(|[(*/+<>=-] ?|\[)$")
_FORMULA_AFTER = re.compile(r"\(|\[| (?:[*/+=-]|<=) ")
_ASSIGNMENT = re.compile(r"(\$\w+) = (\$\w+)")
_SHORT = 7
"""Words of a prompt that says no more than that a name gets a value."""
_ASSIGNING = (
    "Define a variable {0} with the value {1}.",
    "Initialize {0} as {1}.",
    "Save {1} in {0}.",
    "Set {0} equal to {1}.",
)
"""More paraphrases of such a prompt."""
_NAME_STYLES = ["double"] * 5 + ["bare"] * 4 + ["first"] * 2 + ["single", "backtick"]
_QUOTES = {"double": '"', "first": '"', "single": "'", "backtick": "`", "bare": ""}


class Name(str):
    """The name of a variable or function."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A program in turns with its answer."""

    turns: tuple[tuple[str, str], ...]
    """Prompt and code of each turn."""
    answer: object
    names: frozenset[str] = frozenset()
    """The names that were drawn."""


@dataclass(frozen=True, slots=True)
class Template:
    """A program to draw.

    Attributes:
        name: that of its function.
        theme: the file that it is in.
        turns: paraphrases of the prompt, and the code.
        draws: by name: options of a name with ``|`` between them, or how a value is drawn.
        answer: computes the answer from values, in another way than the code.
    """

    name: str
    theme: str
    turns: tuple[tuple[tuple[str, ...], str], ...]
    draws: Mapping[str, str | Drawn]
    answer: Callable[..., object]

    def fill(self, draw: Draw) -> Filled:
        """A program with names, values and wording that are drawn."""
        for key, how in self.draws.items():
            draw.values[key] = _name(draw, how) if isinstance(how, str) else how(draw)
        style, single = draw.choice(_NAME_STYLES), draw.random() < 0.25
        seen: set[str] = set()
        turns = []
        for prompts, code in self.turns:
            prompt = _fill(
                draw.choice(prompts),
                lambda key, before, after: _shown(draw[key], before, after, style, single, seen),
                draw,
            )
            turns.append((prompt, _fill(code, lambda key, *_: _code(draw[key], single), draw)))
        wanted = inspect.signature(self.answer).parameters
        answer = self.answer(**{key: draw[key] for key in wanted})
        names = frozenset(str(value) for value in draw.values.values() if isinstance(value, Name))
        return Filled(tuple(turns), answer, names)


TEMPLATES: dict[str, Template] = {}
"""All templates by name, in the order of their files."""


def template(text: str, /, **draws: str | Drawn) -> Callable[[Callable[..., Any]], Template]:
    """Makes a template of the function that computes its answer.

    Args:
        text: the turns.
        draws: what is drawn, in this order.
    """

    def made(answer: Callable[..., Any]) -> Template:
        name, theme = answer.__name__, answer.__module__.rpartition(".")[2]
        if name in TEMPLATES:
            raise ValueError(f"two templates are called {name}")
        TEMPLATES[name] = Template(name, theme, _turns(text), draws, answer)
        return TEMPLATES[name]

    return made


def literal(value: object, *, single: bool = False) -> str:
    r"""A value as Python, with double quotes or with single ones.

    Example:
        >>> literal({"a": [1, ("b\n", 0.5)]}), literal(["a"], single=True)
        ('{"a": [1, ("b\\n", 0.5)]}', "['a']")
    """
    if isinstance(value, str) and not single:
        return json.dumps(value)
    if single or not isinstance(value, list | tuple | dict):
        return repr(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(k)}: {literal(v)}" for k, v in value.items()) + "}"
    inside = ", ".join(map(literal, value))
    if isinstance(value, list):
        return f"[{inside}]"
    return f"({inside},)" if len(value) == 1 else f"({inside})"


def _turns(text: str) -> tuple[tuple[tuple[str, ...], str], ...]:
    lines = dedent(text).strip().split("\n")
    blocks = [list(found) for _, found in itertools.groupby(lines, lambda line: line[:2] == "? ")]
    turns = []
    for prompts, code in zip(blocks[::2], blocks[1::2], strict=True):
        asks = [line[2:] for line in prompts]
        assigned = _ASSIGNMENT.fullmatch("\n".join(code))
        if assigned and min(len(ask.split()) for ask in asks) <= _SHORT:
            asks += [text.format(*assigned.groups()) for text in _ASSIGNING]
        turns.append((tuple(asks), "\n".join(code).rstrip()))
    return tuple(turns)


def _name(draw: Draw, options: str) -> Name:
    used = {value for value in draw.values.values() if isinstance(value, Name)}
    return Name(draw.choice([each for each in options.split("|") if each not in used]))


def _fill(text: str, shown: Callable[[str, str, str], str], draw: Draw) -> str:
    """The text with its places filled; `shown` gets a key and the text before and after it."""

    def fill(match: re.Match[str]) -> str:
        bare, key = match.groups()
        if bare:
            return str(draw[bare])
        return shown(key, text[: match.start()], text[match.end() :])

    return _PLACE.sub(fill, text)


def _shown(value: object, before: str, after: str, style: str, single: bool, seen: set[str]) -> str:
    """A value in a prompt: a name has quotes except in a formula or a call."""
    if not isinstance(value, Name):
        return literal(value, single=single)
    quote = "" if style == "first" and value in seen else _QUOTES[style]
    seen.add(value)
    if _FORMULA_BEFORE.search(before) or _FORMULA_AFTER.match(after):
        quote = ""
    elif before.endswith(f" {value} "):
        quote = quote or '"'
    return f"{quote}{value}{quote}"


def _code(value: object, single: bool) -> str:
    return str(value) if isinstance(value, Name) else literal(value, single=single)
