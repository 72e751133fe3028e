"""Specifications: what a program should do, turn by turn, and the expected results.

docs/specifications.md describes the files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from multiturn.core.errors import InputError
from multiturn.engines.sampling_parameters import check_sampling
from multiturn.synthesis.parsing import parse_expression
from multiturn.synthesis.records import Example
from multiturn.synthesis.turn_text import validate_turn
from multiturn.text.format_template import fill_names, format_template
from multiturn.text.languages import language

__all__ = [
    "ABSENT",
    "Absent",
    "Case",
    "FilledCase",
    "FilledTurn",
    "PublishedSpecification",
    "Specification",
    "TurnTemplate",
]

MAX_TURNS = 100


class Absent(Enum):
    """The type of `ABSENT`."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT
"""Nothing is expected; None would mean the value ``None``."""


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

    def __post_init__(self) -> None:
        for expression in self.examples:
            if parse_expression(expression) is None:
                raise InputError(
                    "an example is no Python expression", got=expression, fix="e.g. area(2, 3): 6"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One table of variables, and the expected output of the finished program."""

    variables: Mapping[str, object] = field(default_factory=dict)
    expect: object = ABSENT


@dataclass(frozen=True, slots=True)
class FilledTurn:
    """A turn with its variables filled in."""

    prompt: str
    examples: tuple[Example, ...]
    verbatim: bool = False
    """Whether blank space at the ends of the prompt is significant."""


@dataclass(frozen=True, slots=True)
class FilledCase:
    """A specification with the variables of one case filled in, ready to run."""

    number: int
    """Counts from 1."""
    turns: tuple[FilledTurn, ...]
    expect: object
    """What the finished program must print, or `ABSENT`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Specification:
    """What a program should do: one case, or several `cases`, each for a separate program.

    Raises:
        InputError: there are no turns, a turn is empty or too long, a brace is not paired, or a
            variable has no value or is unused.
    """

    turns: tuple[str | TurnTemplate, ...]
    """Prompts, or prompts with an expectation and examples."""
    name: str = ""
    """Label."""
    description: str = ""
    """Label."""
    category: str = ""
    """Label."""
    id: str = ""
    """Label."""
    language: str = "python"
    """A key of the table of languages, or another name for one."""
    header: str = "auto"
    """As in `SessionSettings`."""
    max_tokens: int | None = None
    """Per turn; by default that of the session."""
    variables: Mapping[str, object] = field(default_factory=dict)
    """Of the only case, or shared by all `cases`."""
    expect: object = ABSENT
    """What the finished program must print, unless there are `cases`, which have their own."""
    cases: tuple[Case, ...] = ()
    """Each is a separate program."""
    unused_variables: bool = False
    """Whether unused variables are allowed; the published format has some."""

    def __post_init__(self) -> None:
        if not self.turns:
            raise InputError("the specification has no turns", fix="add one under 'turns'")
        if len(self.turns) > MAX_TURNS:
            raise InputError(
                "the specification has too many turns",
                got=len(self.turns),
                allowed=f"up to {MAX_TURNS}",
            )
        object.__setattr__(self, "language", language(self.language).key)
        self.check_language(self.language)
        check_sampling(self)
        if self.cases and self.expect is not ABSENT:
            raise InputError(
                "'expect' and 'cases' exclude each other", fix="give each case its own"
            )
        if len(self.cases) > 1 and any(turn.expect is not ABSENT for turn in self.templates):
            raise InputError(
                "a turn's 'expect' cannot hold for several cases",
                fix="give each case an 'expect' for the complete program",
            )
        self.fill()

    def check_language(self, key: str) -> None:
        """Refuse examples that are expressions where values cannot be read.

        Raises:
            InputError: there is one.
        """
        entry = language(key)
        expressions = [each for turn in self.templates for each in turn.examples]
        if expressions and not entry.inspects:
            raise InputError(
                f"the values of a {entry.name} program cannot be read, only what it prints",
                got=f"the example {expressions[0]}",
                fix="use 'expect' instead of 'examples'",
            )

    @property
    def templates(self) -> tuple[TurnTemplate, ...]:
        """The turns as records, including those that are plain text."""
        return tuple(
            TurnTemplate(prompt=turn) if isinstance(turn, str) else turn for turn in self.turns
        )

    def fill(self) -> tuple[FilledCase, ...]:
        """The cases, with the variables filled into the turns."""
        cases = self.cases or (Case(expect=self.expect),)
        return tuple(self._filled(case, number) for number, case in enumerate(cases, start=1))

    def _filled(self, case: Case, number: int) -> FilledCase:
        variables = {**self.variables, **case.variables}
        at = f"cases[{number - 1}]: " if self.cases else ""
        turns, used = [], set[str]()
        for turn_number, turn in enumerate(self.templates, start=1):
            try:
                prompt, names = self._prompt(turn.prompt, variables)
            except InputError as error:
                raise InputError(
                    f"{at}turn {turn_number}: {error.what}",
                    got=error.got,
                    allowed=error.allowed,
                    fix=error.fix,
                ) from error
            used |= names
            examples = [
                Example(expression=expression, expected=expected)
                for expression, expected in turn.examples.items()
            ]
            if turn.expect is not ABSENT:
                examples.append(Example(expected=turn.expect))
            turns.append(FilledTurn(prompt, tuple(examples), self._verbatim))
        unused = sorted(set(variables) - used)
        if unused and not self.unused_variables:
            raise InputError(
                f"{at}no turn uses the variable {unused[0]!r}",
                fix=f"write {{{unused[0]}}} in a turn, or remove the variable",
            )
        return FilledCase(number, tuple(turns), case.expect)

    @property
    def _verbatim(self) -> bool:
        return False

    def _prompt(self, template: str, variables: Mapping[str, object]) -> tuple[str, set[str]]:
        """A turn with its variables filled in, and the names that it uses."""
        text, names = fill_names(template, variables)
        return validate_turn(text), names


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedSpecification(Specification):
    """A problem of the published benchmark's format.

    Its prompts are templates of `str.format`, laid out like in the published sampler: ``# `` before
    the first character, nothing stripped.
    """

    @property
    def _verbatim(self) -> bool:
        return True

    def _prompt(self, template: str, variables: Mapping[str, object]) -> tuple[str, set[str]]:
        return validate_turn(format_template(template, variables), verbatim=True), set()
