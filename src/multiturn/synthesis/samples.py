"""The published benchmark's sample format: one problem on a line of JSON.

Keys: `id`, `name`, `description`, `category`, `prompts` (templates), `inputs` (one table of
variables for each case), `outputs` (one value for each case), `max_gen_length` (256 where
absent). Source: the Multi-Turn Programming Benchmark, github.com/salesforce/CodeGen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from multiturn.core.errors import InputError
from multiturn.core.records import to_plain
from multiturn.synthesis.specification import ABSENT, Case, Specification

__all__ = ["Sample", "sample_line"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One problem, with the format's own names."""

    prompts: tuple[str, ...]
    inputs: tuple[Mapping[str, object], ...]
    outputs: tuple[object, ...]
    id: str | int = ""
    name: str = ""
    description: str = ""
    category: str = ""
    max_gen_length: int = 256

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.outputs):
            raise InputError(
                "inputs and outputs are not equally many",
                got=f"{len(self.inputs)} and {len(self.outputs)}",
            )
        if not self.inputs:
            raise InputError("there are no inputs", fix="add one, {} where there are no variables")

    def to_specification(self) -> Specification:
        """The problem as a specification; each input with its output becomes a case.

        Raises:
            InputError: a variable of a prompt is in no input.
        """
        return Specification(
            turns=self.prompts,
            name=self.name,
            description=self.description,
            category=self.category,
            id=str(self.id),
            max_tokens=self.max_gen_length,
            cases=tuple(
                Case(variables=variables, expect=expected)
                for variables, expected in zip(self.inputs, self.outputs, strict=True)
            ),
            unused_variables=True,
        )

    @classmethod
    def from_specification(cls, specification: Specification) -> Sample:
        """A specification in the format; what it has no place for is refused.

        Raises:
            InputError: a case expects nothing, or a turn has examples of its own.
        """
        at = f"the specification {specification.name!r}" if specification.name else "it"
        if any(turn.examples or turn.expect is not ABSENT for turn in specification.templates):
            raise InputError(
                f"{at} has turns with examples, for which the benchmark's format has no place",
                fix="remove them, or keep it as YAML",
            )
        cases = specification.cases or (Case(expect=specification.expect),)
        if any(case.expect is ABSENT for case in cases):
            raise InputError(
                f"{at} does not say what is expected, as the benchmark's format must",
                fix="add 'expect'",
            )
        return cls(
            prompts=tuple(turn.prompt for turn in specification.templates),
            inputs=tuple({**specification.variables, **case.variables} for case in cases),
            outputs=tuple(case.expect for case in cases),
            id=specification.id,
            name=specification.name,
            description=specification.description,
            category=specification.category,
            max_gen_length=specification.max_tokens or 256,
        )


def sample_line(sample: Sample) -> str:
    """The problem as one line of JSON, with its line end."""
    data: dict[str, Any] = to_plain(sample)
    order = ("prompts", "inputs", "outputs", "max_gen_length", "category", "name")
    return json.dumps({key: data[key] for key in (*order, "description", "id")}) + "\n"
