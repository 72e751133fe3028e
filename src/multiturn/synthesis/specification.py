"""Specifications: what a program should do, turn by turn, with what must come out of it.

docs/specifications.md describes the files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from multiturn.synthesis.session import Example

__all__ = [
    "ABSENT",
    "Case",
    "FilledCase",
    "FilledTurn",
    "Specification",
    "TurnTemplate",
    "read_specifications",
    "write_specifications",
]


class Absent(Enum):
    """The type of `ABSENT`."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT
"""Nothing is expected; None would mean that ``None`` is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnTemplate:
    """One turn of a specification.

    Attributes:
        prompt: plain language; ``{name}`` stands for a variable, ``{{`` and ``}}`` for braces.
        expect: what the program so far must print after this turn.
        examples: expressions and the values they must have after this turn.
    """

    prompt: str
    expect: object = ABSENT
    examples: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One table of variables, and what the finished program must print with it."""

    variables: Mapping[str, object] = field(default_factory=dict)
    expect: object = ABSENT


@dataclass(frozen=True, slots=True)
class FilledTurn:
    """A turn with its variables put in."""

    prompt: str
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class FilledCase:
    """A specification with one case's variables put in: ready to run."""

    number: int
    """Counts from 1."""
    turns: tuple[FilledTurn, ...]
    expect: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Specification:
    """What a program should do. One case, or `cases` of which each is a program of its own."""

    turns: tuple[str | TurnTemplate, ...]
    name: str = ""
    description: str = ""
    category: str = ""
    id: str = ""
    language: str = "python"
    header: str = "auto"
    max_tokens: int | None = None
    variables: Mapping[str, object] = field(default_factory=dict)
    """Of the only case; or shared by all `cases`."""
    expect: object = ABSENT
    cases: tuple[Case, ...] = ()

    def fill(self) -> tuple[FilledCase, ...]:
        """The cases, variables put into the turns."""
        raise NotImplementedError


def read_specifications(path: Path) -> tuple[Specification, ...]:
    """The specifications of a file: YAML (one, or several parted by ``---``), JSON, or JSONL
    (one a line; lines of the published benchmark's sample format are recognized).

    Raises:
        InputError: the file cannot be read, or something in it is wrong; names the place.
    """
    raise NotImplementedError


def write_specifications(path: Path, specifications: tuple[Specification, ...]) -> None:
    """Write the published benchmark's sample format, one line each, atomically."""
    raise NotImplementedError
