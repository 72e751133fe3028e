"""Multi-turn problems and their JSON lines.

A line has the keys of the published Multi-Turn Programming Benchmark (`PublishedProblem`) and
those that this project adds: `references`, `leaves`, `single`, `generate`, `packages`,
`difficulty`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal, cast, get_args

from multiturn.core.errors import InputError, storage_errors
from multiturn.core.records import read_record, to_plain
from multiturn.synthesis.published_format import PublishedProblem
from multiturn.text.format_template import format_template
from multiturn.text.literals import fill_code_in, shown

__all__ = [
    "BIOINFORMATICS",
    "CATEGORIES",
    "INCLUDED_SETS",
    "OWN",
    "Category",
    "Difficulty",
    "FilledProblem",
    "IncludedSet",
    "Package",
    "Problem",
    "ProblemTurn",
    "header",
    "own_problems",
    "own_problems_path",
    "read_problems",
    "to_lines",
]

OwnCategory = Literal["array", "data science", "math", "string", "algorithm", "dict", "class"]
BioinformaticsCategory = Literal[
    "sequence", "translation", "reads", "alignment", "k-mer", "interval", "variant", "table"
]
Category = Literal[OwnCategory, BioinformaticsCategory]
Difficulty = Literal["easy", "medium", "hard"]
Package = Literal["numpy", "pandas"]

CATEGORIES: tuple[Category, ...] = get_args(Category)
"""Those of all included sets; each belongs to one set."""

_IMPORTS: dict[Package, str] = {
    "numpy": "import numpy as np",
    "pandas": "import pandas as pd",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemTurn:
    """One step of a problem.

    Attributes:
        prompt: a template for `format_template`: ``{name}`` stands for a variable, ``{{`` and
            ``}}`` for braces.
        reference: code that does it; ``<<name>>`` stands for a variable as a Python literal.
        leaves: the names that the prompt asks for and that must exist after the turn.
    """

    prompt: str
    reference: str
    leaves: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FilledProblem:
    """A problem with the variables of one case filled in."""

    prompts: tuple[str, ...]
    references: tuple[str, ...]
    single: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem. `inputs` and `outputs` are the fixed cases and their gold values.

    A published problem has no references, single specification, generator or difficulty: the
    texts are empty and `difficulty` is None. Its category is any text.
    """

    id: str
    """Unique in the set."""
    name: str
    """Short title."""
    description: str
    """One sentence."""
    category: str
    """Kind of problem."""
    difficulty: Difficulty | None
    """None if unknown."""
    packages: tuple[Package, ...]
    """Packages that the reference imports."""
    max_gen_length: int
    """Maximum number of new tokens per turn."""
    turns: tuple[ProblemTurn, ...]
    """The steps."""
    single: str
    """The problem as one specification."""
    generate: str
    """Python code that draws the variables of a new case."""
    inputs: tuple[Mapping[str, object], ...]
    """Variables of each case."""
    outputs: tuple[object, ...]
    """The expected value of each case."""
    language: str = "python"
    """Key of the language of the references."""
    helper: str = ""
    """Code above every program in another language than Python: what prints a value as JSON."""

    @property
    def header(self) -> str:
        """The lines above the reference: the imports of its packages."""
        return header(self.packages)

    def fill(self, variables: Mapping[str, object]) -> FilledProblem:
        """Fill the variables of a case into prompts and code.

        Raises:
            InputError: a variable is missing.
        """
        seen = {name: shown(self.language, value) for name, value in variables.items()}
        return FilledProblem(
            prompts=tuple(format_template(turn.prompt, seen) for turn in self.turns),
            references=tuple(
                fill_code_in(self.language, turn.reference, variables) for turn in self.turns
            ),
            single=format_template(self.single, seen),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _IncludedProblem(PublishedProblem):
    """A line of an included set: one of the published format, with more keys."""

    id: str
    name: str
    description: str
    category: Category
    max_gen_length: int
    references: tuple[str, ...]
    leaves: tuple[tuple[str, ...], ...]
    single: str
    generate: str
    packages: tuple[Package, ...]
    difficulty: Difficulty

    def __post_init__(self) -> None:
        PublishedProblem.__post_init__(self)
        if not len(self.prompts) == len(self.references) == len(self.leaves):
            raise InputError("prompts, references and leaves differ in length")
        if len(self.inputs) != len(self.outputs):
            raise InputError("inputs and outputs differ in length")


def header(packages: Iterable[Package]) -> str:
    """The import lines of some packages.

    Example:
        >>> header(["numpy"])
        'import numpy as np'
    """
    return "\n".join(_IMPORTS[package] for package in packages)


@dataclass(frozen=True, slots=True)
class IncludedSet:
    """A problem set that comes with the package."""

    name: str
    """Of the benchmark and of the file."""
    categories: tuple[Category, ...]
    """In the order of the file."""

    @property
    def path(self) -> Path:
        """The file of the set."""
        return Path(str(files("multiturn.benchmarks") / "data" / f"{self.name}.jsonl"))

    def problems(self) -> tuple[Problem, ...]:
        """The problems of the set, in the order of the file."""
        return read_problems(self.path)


OWN = IncludedSet("own", get_args(OwnCategory))
"""The general set: docs/problem-set.md."""
BIOINFORMATICS = IncludedSet("bioinformatics", get_args(BioinformaticsCategory))
"""The set of one domain: docs/bioinformatics.md."""
INCLUDED_SETS = {included.name: included for included in (OWN, BIOINFORMATICS)}
"""Every included set by its name. No two problems of them have the same id."""


def own_problems() -> tuple[Problem, ...]:
    """The general problem set of this project, as included in the package.

    docs/problem-set.md describes it.
    """
    return OWN.problems()


def own_problems_path() -> Path:
    """The file of this project's general problem set."""
    return OWN.path


def read_problems(path: Path) -> tuple[Problem, ...]:
    """Read a problem set.

    Raises:
        InputError: a line is invalid; names the line.
        StorageError: the file cannot be read.
    """
    with storage_errors(path, "reading the problem set"):
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    return tuple(
        _read_line(line, f"{path.name}: line {number}") for number, line in enumerate(lines, 1)
    )


def _read_line(text: str, where: str) -> Problem:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} is not JSON: {error}") from error
    line = read_record(data, _IncludedProblem, where=where)
    turns = zip(line.prompts, line.references, line.leaves, strict=True)
    return Problem(
        id=line.id,
        name=line.name,
        description=line.description,
        category=line.category,
        difficulty=line.difficulty,
        packages=line.packages,
        max_gen_length=line.max_gen_length,
        turns=tuple(ProblemTurn(prompt=p, reference=r, leaves=names) for p, r, names in turns),
        single=line.single,
        generate=line.generate,
        inputs=line.inputs,
        outputs=line.outputs,
    )


def to_lines(problems: Iterable[Problem]) -> str:
    """The problems as JSON lines: the inverse of `read_problems`, the same bytes every time."""
    return "".join(
        json.dumps(to_plain(_to_line(problem)), ensure_ascii=False, allow_nan=False) + "\n"
        for problem in problems
    )


def _to_line(problem: Problem) -> _IncludedProblem:
    if problem.difficulty is None:
        raise InputError(f"the problem {problem.id} has no difficulty, like every published one")
    return _IncludedProblem(
        id=problem.id,
        name=problem.name,
        description=problem.description,
        category=cast(Category, problem.category),
        prompts=tuple(turn.prompt for turn in problem.turns),
        inputs=problem.inputs,
        outputs=problem.outputs,
        max_gen_length=problem.max_gen_length,
        references=tuple(turn.reference for turn in problem.turns),
        leaves=tuple(turn.leaves for turn in problem.turns),
        single=problem.single,
        generate=problem.generate,
        packages=problem.packages,
        difficulty=problem.difficulty,
    )
