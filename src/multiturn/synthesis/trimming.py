"""Trims code: reduces truncated code to what parses, and removes repeated code."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

from multiturn.synthesis.parsing import parse_module, syntax_error_line
from multiturn.text.grammar import longest_parsing_step, step_parses
from multiturn.text.languages import Language
from multiturn.text.step_parts import divide

__all__ = [
    "finished_part",
    "longest_parsing_prefix",
    "parses",
    "strip_repeated_history",
    "strip_repeated_steps",
]


def parses(source: str) -> bool:
    """Whether `source` is Python."""
    return parse_module(source) is not None


def finished_part(written_in: Language, program: Callable[[str], str], text: str) -> str | None:
    """The longest beginning of an unfinished step that parses.

    Args:
        written_in: the language.
        program: the program so far with a step at its end.
        text: the step.

    Returns:
        None if the step parses as it is, or nothing of it does.

    Raises:
        MissingDependencyError: the package of the language's grammar is not installed.
    """
    if written_in.grammar is not None:
        shorter = None if step_parses(written_in, text) else longest_parsing_step(written_in, text)
    elif parses(program(text)):
        return None
    else:
        shorter = longest_parsing_prefix(program("").rstrip("\n") + "\n", text)
    return shorter if shorter is not None and shorter.strip() else None


def longest_parsing_prefix(before: str, text: str) -> str:
    r"""The longest prefix of complete lines of `text` that parses after `before`; may be empty.

    Example:
        >>> longest_parsing_prefix("", "x = 1\nprint(x\n")
        'x = 1'
    """
    lines = text.split("\n")
    lines_before = before.count("\n")
    count = len(lines)
    while count > 0:
        prefix = "\n".join(lines[:count]).rstrip()
        fault = syntax_error_line(f"{before}{prefix}\n")
        if fault is None:
            return prefix
        # The parser reads from the top: no prefix that includes the error line parses.
        count = min(count - 1, fault - lines_before - 1) if fault else count - 1
    return ""


def strip_repeated_history(text: str, history: list[str]) -> str:
    r"""`text` without a repetition of the program so far at its start.

    Instruct models often answer with the complete program. Only a complete repetition is removed:
    every statement of `history` in order, where prints and imports may be missing. Running a part
    of the program again may be what the turn asks for.

    Example:
        >>> answer, history = "x = [2, 1]\nx.sort()\nprint(x)", ["x = [2, 1]", "x.sort()\nprint(x)"]
        >>> strip_repeated_history(answer, history)
        'print(x)'
    """
    known, written = parse_module("\n".join(history)), parse_module(text)
    if known is None or written is None or not known.body:
        return text
    at = 0
    for statement in known.body:
        if at < len(written.body) and _same(statement, written.body[at]):
            at += 1
        elif not _may_be_missing(statement):
            return text
    if at == 0:
        return text
    if at == len(written.body):
        # A print that ends both the history and the answer is the answer, not a repetition.
        # If nothing is new, running everything again does no harm.
        if not _may_be_missing(written.body[-1]) or at == 1:
            return text
        at -= 1
    lines = text.split("\n")
    first = written.body[at]
    decorators = getattr(first, "decorator_list", [])
    start = min([first.lineno, *(decorator.lineno for decorator in decorators)]) - 1
    end_before = written.body[at - 1].end_lineno or 0
    if end_before > start:  # two statements on one line: leave them alone
        return text
    return "\n".join(lines[end_before:]).strip("\n")


def strip_repeated_steps(written_in: Language, text: str, history: list[str]) -> str:
    """Like `strip_repeated_history`, for a language that has a grammar.

    Raises:
        MissingDependencyError: the package of the grammar is not installed.
    """
    known, written = _statements(written_in, "\n".join(history)), _statements(written_in, text)
    if not known or not written:
        return text
    at = 0
    for statement, _, needed in known:
        if at < len(written) and written[at][0] == statement:
            at += 1
        elif needed:
            return text
    if at == len(written):
        if written[-1][2] or at == 1:
            return text
        at -= 1
    if at == 0:
        return text
    return text.encode()[written[at - 1][1] :].decode().strip("\n")


def _statements(written_in: Language, code: str) -> list[tuple[str, int, bool]]:
    """The parts of a step: the text of each, where it ends, and whether a repetition has it."""
    parts = divide(written_in, code)
    if parts is None or parts.unwrapped:
        return []
    offset = len(written_in.grammar.around[0].encode()) if written_in.grammar else 0
    imports = written_in.grammar.imports if written_in.grammar else frozenset()
    return [
        (
            re.sub(r"\s+", "", text := node.text.decode()),
            node.end_byte - offset,
            node.type not in imports and re.match(written_in.prints, text) is None,
        )
        for node in parts.tree.nodes
        if node.is_named
    ]


def _same(one: ast.stmt, other: ast.stmt) -> bool:
    return ast.dump(one) == ast.dump(other)


def _may_be_missing(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return True
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Name(id="print"))):
            return True
        case _:
            return False
