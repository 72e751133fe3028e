"""A problem as its author writes it: one small YAML file.

docs/problem-set.md describes the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from multiturn.benchmarks.problem_set import (
    Category,
    Difficulty,
    IncludedSet,
    Package,
    Problem,
    ProblemTurn,
)
from multiturn.core.errors import InputError, storage_errors
from multiturn.core.records import read_record
from multiturn.core.yaml_text import read_yaml

__all__ = [
    "AuthoredProblem",
    "Mutation",
    "of_set",
    "problems_directory",
    "read_authored",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """An edit of the reference that makes a plausible wrong program.

    Attributes:
        replace: the text to replace, wherever it occurs; the complete turn by default.
        by: the replacement.
        turn: the turn to change, counted from 1; every turn by default.
    """

    by: str
    replace: str | None = None
    turn: int | None = None

    def __post_init__(self) -> None:
        if self.replace is None and self.turn is None:
            raise InputError("a change names neither a text nor a turn", fix="add replace or turn")

    def apply(self, references: tuple[str, ...]) -> tuple[str, ...]:
        """The turns of the wrong program.

        Raises:
            InputError: the text does not occur, or there is no such turn.
        """
        if self.turn is not None and not 1 <= self.turn <= len(references):
            raise InputError("no such turn", got=self.turn, allowed=f"1 to {len(references)}")
        changed = tuple(
            self._apply(code) if self.turn in (None, number) else code
            for number, code in enumerate(references, 1)
        )
        if changed == references:
            raise InputError("a change changes nothing", got=self.replace, fix="correct its text")
        return changed

    def _apply(self, code: str) -> str:
        return self.by if self.replace is None else code.replace(self.replace, self.by)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthoredProblem:
    """The content of one problem file.

    Attributes:
        name: a short title.
        description: what the program does, in one sentence; not in any prompt.
        category: one of those of a set; it says which set the problem belongs to.
        difficulty: as judged by the author while solving it.
        packages: what the reference needs beyond the standard library.
        max_gen_length: maximum tokens per turn.
        turns: the steps; the last one prints the answer.
        single: the same task as one specification in prose.
        generate: the body of a Python function of `rng`, a `random.Random`, that returns a new
            table of variables.
        others: complete programs that do the same in another way, perhaps with another type of
            answer that a reader accepts, such as a tuple.
        cases: the fixed tables of variables.
        wrong: plausible mistakes, written by hand.
        mutated: further mistakes, made by rule (another comparison, a constant off by one).
    """

    name: str
    description: str
    category: Category
    difficulty: Difficulty
    turns: tuple[ProblemTurn, ...]
    single: str
    generate: str
    cases: tuple[Mapping[str, object], ...]
    wrong: tuple[Mutation, ...]
    mutated: tuple[Mutation, ...] = ()
    others: tuple[str, ...] = ()
    packages: tuple[Package, ...] = ()
    max_gen_length: int = 128

    def problem(self, identity: str) -> Problem:
        """The problem without its wrong programs and without gold values."""
        return Problem(
            id=identity,
            name=self.name,
            description=self.description,
            category=self.category,
            difficulty=self.difficulty,
            packages=self.packages,
            max_gen_length=self.max_gen_length,
            turns=tuple(
                replace(turn, prompt=turn.prompt.strip(), reference=turn.reference.strip())
                for turn in self.turns
            ),
            single=self.single.strip(),
            generate=self.generate.strip(),
            inputs=self.cases,
            outputs=(),
        )

    def wrong_programs(self) -> tuple[tuple[str, ...], ...]:
        """The turns of every wrong program, with placeholders.

        Raises:
            InputError: a change does not apply.
        """
        references = tuple(turn.reference.strip() for turn in self.turns)
        return tuple(change.apply(references) for change in (*self.wrong, *self.mutated))


def problems_directory() -> Path:
    """The directory of the problem files of all sets."""
    return Path(__file__).with_name("problems")


def of_set(
    authored: Mapping[str, AuthoredProblem], included: IncludedSet
) -> dict[str, AuthoredProblem]:
    """Those problems that belong to a set, by their category."""
    return {
        identity: problem
        for identity, problem in authored.items()
        if problem.category in included.categories
    }


def read_authored(paths: Iterable[Path]) -> dict[str, AuthoredProblem]:
    """Read problem files, by identity: the name of the file without its suffix.

    Raises:
        InputError: a file is not YAML or is invalid; names the place.
        StorageError: a file cannot be read.
    """
    found: dict[str, AuthoredProblem] = {}
    for path in sorted(paths, key=lambda path: path.stem):
        with storage_errors(path, "reading a problem"):
            text = path.read_text(encoding="utf-8")
        documents = read_yaml(text, where=path.name)
        if len(documents) != 1:
            raise InputError(
                f"{path.name}: a problem file has one document", got=len(documents), allowed="1"
            )
        if path.stem in found:
            raise InputError("two problems have the same file name", got=path.stem)
        found[path.stem] = read_record(documents[0], AuthoredProblem, where=path.name)
    return found
