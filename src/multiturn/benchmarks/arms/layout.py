r"""The published layout: prompts as comments in a program that grows.

    # Import libraries.\n\nimport numpy as np\n\n
    # PROMPT\n
    COMPLETION\n\n

Source: Nijkamp et al., the sampler of the published Multi-Turn Programming Benchmark. Prompts are
unchanged: blanks at their ends stay, and the author of a prompt with several lines has put ``# ``
before each but the first.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping

from multiturn.benchmarks.problem_set import FilledProblem, Package, Problem, header
from multiturn.benchmarks.task import HeaderStyle
from multiturn.core.errors import InputError
from multiturn.synthesis.parsing import parse_module

__all__ = [
    "NEXT_TURN",
    "SEPARATOR",
    "fill_case",
    "header_text",
    "imports_of",
    "unlisted_item",
    "require_references",
]

SEPARATOR = "\n\n"
"""Follows every completion."""

NEXT_TURN = re.compile(f"(?<={SEPARATOR})# ")
"""The beginning of a turn after the program so far."""

_ALWAYS: tuple[Package, ...] = ("numpy",)
_COMMENT = "# Import libraries.\n\n"


def header_text(problem: Problem, style: HeaderStyle) -> str:
    r"""The beginning of the program.

    ``published`` imports numpy for every problem, like the published sampler, and whatever else
    the problem needs; ``packages`` only what it needs.
    """
    if style == "none":
        return ""
    packages: Iterable[Package] = problem.packages
    if style == "published":
        packages = (*_ALWAYS, *(package for package in packages if package not in _ALWAYS))
    imports = header(packages)
    return f"{_COMMENT}{imports}{SEPARATOR}" if imports else ""


def unlisted_item(count: int) -> re.Pattern[str]:
    r"""Matches the beginning of an item beyond the end of a numbered list in a comment.

    Example:
        >>> opening = unlisted_item(3)
        >>> bool(opening.search("# 4. Print it.")), bool(opening.search("# 3. Sort it."))
        (True, False)
    """
    known = "|".join(str(number) for number in range(1, count + 1))
    return re.compile(rf"^# (?!(?:{known})\. )\d{{1,4}}\. ", re.MULTILINE)


def fill_case(problem: Problem, case: int) -> FilledProblem:
    """The problem with the variables of one case filled in.

    Raises:
        InputError: there is no such case, or a variable is missing.
    """
    if not 0 <= case < len(problem.inputs):
        raise InputError(
            f"the problem {problem.id} has no such case",
            got=case,
            allowed=f"0 to {len(problem.inputs) - 1}",
        )
    variables: Mapping[str, object] = problem.inputs[case]
    try:
        return problem.fill(variables)
    except InputError as error:
        raise InputError(
            f"the problem {problem.id}, case {case}: {error.what}",
            got=error.got,
            allowed=error.allowed,
            fix=error.fix,
        ) from error


def require_references(problem: Problem, arm: str) -> None:
    """Check that the problem has a reference solution for every turn.

    Raises:
        InputError: it does not; published problems never do.
    """
    if not all(turn.reference for turn in problem.turns):
        raise InputError(
            f"the problem {problem.id} has no reference solutions, which the arm {arm} needs",
            fix="choose another arm, or the project's own problem set",
        )


def imports_of(code: str) -> str:
    r"""The import statements at the top level of some code, one per line.

    Example:
        >>> imports_of("import re\nx = re.compile('a')")
        'import re\n'
    """
    tree = parse_module(code)
    found = [] if tree is None else tree.body
    return "".join(
        ast.unparse(statement) + "\n"
        for statement in found
        if isinstance(statement, ast.Import | ast.ImportFrom)
    )
