"""The format of the published benchmark: one problem per line of JSON.

Keys: `id`, `name`, `description`, `category`, `prompts` (templates), `inputs` (one table of
variables per case), `outputs` (one value per case), `max_gen_length` (256 if absent). Source: the
Multi-Turn Programming Benchmark, github.com/salesforce/CodeGen.

The published sampler needs `id`, `prompts`, `inputs` and `outputs`, and otherwise reads only
`max_gen_length`. Files that it reads may have anything under the other keys.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from multiturn.core.errors import InputError
from multiturn.core.records import read_record, to_plain
from multiturn.synthesis.program_text import as_comment
from multiturn.synthesis.specification import (
    ABSENT,
    Case,
    PublishedSpecification,
    Specification,
)

__all__ = [
    "DEFAULT_MAX_TOKENS",
    "PublishedProblem",
    "published_prompt",
    "read_published_problem",
    "published_line",
]

DEFAULT_MAX_TOKENS = 256
"""Tokens per turn if a problem gives no number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedProblem:
    """One problem, with the names of the format.

    Inputs and outputs are paired like ``zip`` does: a surplus of either is ignored.
    """

    id: str | int = ""
    name: str = ""
    description: str = ""
    category: str = ""
    prompts: tuple[str, ...]
    inputs: tuple[Mapping[str, object], ...]
    outputs: tuple[object, ...]
    max_gen_length: int = DEFAULT_MAX_TOKENS

    def __post_init__(self) -> None:
        if not self.prompts:
            raise InputError("there are no prompts", fix="add one")
        if not self.cases:
            raise InputError(
                "there is no case, which is an input with its output",
                got=f"{len(self.inputs)} inputs and {len(self.outputs)} outputs",
                fix="add one of each; the input is {} where there are no variables",
            )
        if self.max_gen_length < 1:
            raise InputError(
                "max_gen_length is out of range", got=self.max_gen_length, allowed="1 or more"
            )

    @property
    def cases(self) -> tuple[tuple[Mapping[str, object], object], ...]:
        """Each input with its output."""
        return tuple(zip(self.inputs, self.outputs, strict=False))

    def to_specification(self) -> Specification:
        """The problem as a specification; each input with its output becomes a case.

        Raises:
            InputError: a variable of a prompt is missing in an input.
        """
        return PublishedSpecification(
            turns=self.prompts,
            name=self.name,
            description=self.description,
            category=self.category,
            id=str(self.id),
            max_tokens=self.max_gen_length,
            cases=tuple(
                Case(variables=variables, expect=expected) for variables, expected in self.cases
            ),
            unused_variables=True,
        )

    @classmethod
    def from_specification(cls, specification: Specification) -> PublishedProblem:
        """A specification in the format.

        Raises:
            InputError: a case expects nothing, or a turn has examples, which the format lacks.
        """
        at = f"the specification {specification.name!r}" if specification.name else "it"
        if any(turn.examples or turn.expect is not ABSENT for turn in specification.templates):
            raise InputError(
                f"{at} has turns with examples, which the benchmark's format does not have",
                fix="remove them, or keep it as YAML",
            )
        cases = specification.cases or (Case(expect=specification.expect),)
        if any(case.expect is ABSENT for case in cases):
            raise InputError(
                f"{at} does not say what is expected, which the benchmark's format needs",
                fix="add 'expect'",
            )
        return cls(
            prompts=tuple(
                turn.prompt
                if isinstance(specification, PublishedSpecification)
                else published_prompt(turn.prompt)
                for turn in specification.templates
            ),
            inputs=tuple({**specification.variables, **case.variables} for case in cases),
            outputs=tuple(case.expect for case in cases),
            id=specification.id,
            name=specification.name,
            description=specification.description,
            category=specification.category,
            max_gen_length=specification.max_tokens or DEFAULT_MAX_TOKENS,
        )


def read_published_problem(data: object, *, where: str) -> PublishedProblem:
    """A problem from plain data.

    Args:
        data: as JSON gives it. If a key that the sampler ignores has a value other than text, the
            value becomes JSON text. Keys outside the format are ignored, unless one looks like the
            misspelt name of a missing key.
        where: the place of the data, named in errors.

    Raises:
        InputError: the data is not a problem; names the place.
    """
    if not isinstance(data, Mapping):
        return read_record(data, PublishedProblem, where=where)  # reports the error
    known = [field.name for field in fields(PublishedProblem)]
    found = {key: value for key, value in data.items() if key in known}
    for key in data.keys() - found.keys():
        _refuse_misspelt(str(key), known, found, where)
    for name in ("name", "description", "category"):
        value = found.get(name, "")
        if not isinstance(value, str):
            found[name] = "" if value is None else json.dumps(value)
    if found.get("id", "") is None:
        del found["id"]
    if "max_gen_length" in found:
        found["max_gen_length"] = _length(found["max_gen_length"])
    return read_record(found, PublishedProblem, where=where)


def _refuse_misspelt(key: str, known: list[str], found: Mapping[str, object], where: str) -> None:
    """Refuse a key outside the format that looks misspelt."""
    near = difflib.get_close_matches(key.casefold(), known, n=1, cutoff=0.8)
    missing = [name for name in known if name not in found]
    near = near or difflib.get_close_matches(key.casefold(), missing, n=1, cutoff=0.5)
    if near:
        raise InputError(
            f"{where}: unknown key",
            got=key,
            allowed=", ".join(known),
            fix=f"did you mean {near[0]!r}?",
        )


def _length(value: object) -> object:
    """A number of tokens, also if written as 128.0 or "128"; null is the default."""
    if value is None:
        return DEFAULT_MAX_TOKENS
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 10:
        return int(value)
    return value


def published_prompt(turn: str) -> str:
    r"""A turn as a prompt of the published format, where later lines have their own ``# ``.

    Example:
        >>> published_prompt("Print:\n- a\n- b\n")
        'Print:\n# - a\n# - b'
    """
    return as_comment(turn.strip()).removeprefix("# ").removesuffix("\n")


def published_line(sample: PublishedProblem) -> str:
    """The problem as one line of JSON, with its line end."""
    data: dict[str, Any] = to_plain(sample)
    order = ("prompts", "inputs", "outputs", "max_gen_length", "category", "name")
    return json.dumps({key: data[key] for key in (*order, "description", "id")}) + "\n"
