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
import textwrap
from collections.abc import Iterable, Mapping, Sequence

from multiturn.benchmarks.problem_set import FilledProblem, Package, Problem, header
from multiturn.benchmarks.task import HeaderStyle
from multiturn.core.errors import InputError
from multiturn.synthesis.parsing import parse_module
from multiturn.synthesis.program_text import verbatim_comment
from multiturn.text.assembly import assemble
from multiturn.text.languages import language

__all__ = [
    "NEXT_TURN",
    "SEPARATOR",
    "comment_of",
    "fill_case",
    "finished_program",
    "header_text",
    "imports_of",
    "in_main",
    "next_turn",
    "opened_main",
    "require_python",
    "require_references",
    "turn_comment",
    "unlisted_item",
]

SEPARATOR = "\n\n"
"""Follows every completion."""

NEXT_TURN = re.compile(f"(?<={SEPARATOR})# ")
"""The beginning of a turn after a Python program so far."""

_ALWAYS: tuple[Package, ...] = ("numpy",)
_COMMENT = "# Import libraries.\n\n"


def header_text(problem: Problem, style: HeaderStyle) -> str:
    r"""The beginning of the program.

    ``published`` imports numpy for every problem, like the published sampler, and whatever else
    the problem needs; ``packages`` only what it needs. In another language than Python both are the
    header of the language and the function that prints a value.
    """
    if style == "none":
        return ""
    entry = language(problem.language)
    if entry.grammar is not None:
        return f"{entry.header}{problem.helper}{SEPARATOR}"
    packages: Iterable[Package] = problem.packages
    if style == "published":
        packages = (*_ALWAYS, *(package for package in packages if package not in _ALWAYS))
    imports = header(packages)
    return f"{_COMMENT}{imports}{SEPARATOR}" if imports else ""


def comment_of(problem: Problem, prompt: str) -> str:
    """A prompt as a comment in the language of a problem."""
    entry = language(problem.language)
    return verbatim_comment(prompt) if entry.grammar is None else entry.as_comment(prompt)


def opened_main(problem: Problem) -> str:
    """What stands between the header and the first turn: the beginning of `main`, if there is one.

    A model that does not see it writes a complete program for each turn, or only comments.
    """
    return language(problem.language).main_opened


def turn_comment(problem: Problem, prompt: str) -> str:
    """The prompt of a turn as a comment in the language of a problem, in `main` if there is one."""
    return in_main(problem, comment_of(problem, prompt))


def in_main(problem: Problem, text: str) -> str:
    """Lines as they stand in `main`, if the language of a problem has one."""
    return textwrap.indent(text, language(problem.language).step_indent)


def finished_program(problem: Problem, text: str, header: str, steps: Sequence[str]) -> str:
    """The program that is judged.

    In Python that is the text itself. In other languages the parts of the steps go where the
    language wants them: imports to the top, functions and types outside `main`.

    Args:
        problem: has the language.
        text: what the model has read and written.
        header: the beginning of the text, as `header_text` gives it.
        steps: the rest: the comment and the code of each step.
    """
    if language(problem.language).grammar is None:
        return text
    return assemble(problem.language, header, [("", step) for step in steps])


def next_turn(problem: Problem) -> re.Pattern[str]:
    """Matches the beginning of a turn after the program so far, in the language of a problem."""
    comment = re.escape(language(problem.language).comment)
    return re.compile(f"(?<={SEPARATOR})[ \\t]*{comment} ")


def unlisted_item(count: int, comment: str = "#") -> re.Pattern[str]:
    r"""Matches the beginning of an item beyond the end of a numbered list in a comment.

    Args:
        count: the items of the list.
        comment: the start of a line comment.

    Example:
        >>> opening = unlisted_item(3)
        >>> bool(opening.search("# 4. Print it.")), bool(opening.search("# 3. Sort it."))
        (True, False)
    """
    known = "|".join(str(number) for number in range(1, count + 1))
    return re.compile(rf"^{re.escape(comment)} (?!(?:{known})\. )\d{{1,4}}\. ", re.MULTILINE)


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


def require_python(problem: Problem, arm: str) -> None:
    """Check that the programs of a problem are in Python.

    Raises:
        InputError: they are not.
    """
    entry = language(problem.language)
    if entry.grammar is not None:
        raise InputError(
            f"the arm {arm} is for Python alone", got=entry.name,
            fix="choose another arm, such as turns",
        )  # fmt: skip


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
