"""Python text parsed without a sound: None where it does not parse, and no warnings.

The text is a model's or a program's, so odd escapes and the like are no news. Nothing is run.
"""

from __future__ import annotations

import ast
import threading
import warnings

__all__ = ["syntax_error_line", "parse_expression", "parse_module"]

MAX_SOURCE_CHARACTERS = 2_000_000
"""Characters; the parser takes some 100 times that in memory."""

_one_at_a_time = threading.Lock()
"""Python 3.11 counts the depth of all trees that are being built in one place: two threads at
once end in a SystemError. Nor may two threads change the filters of warnings at once."""


def parse_module(source: str) -> ast.Module | None:
    """`source` as a program."""
    tree = _parsed(source, "exec")
    return tree if isinstance(tree, ast.Module) else None


def parse_expression(source: str) -> ast.Expression | None:
    """`source` as one expression; space around it does not count."""
    tree = _parsed(source.strip(), "eval")
    return tree if isinstance(tree, ast.Expression) else None


def syntax_error_line(source: str) -> int | None:
    """The line, from 1, at which `source` stops being a program; None where it parses.

    0 where the fault has no line: the source is too long, too deep, or no text of a program.
    """
    fault = _parse(source, "exec")
    if isinstance(fault, SyntaxError):
        return fault.lineno or 0
    return 0 if fault is None or isinstance(fault, Exception) else None


def _parsed(source: str, mode: str) -> ast.AST | None:
    tree = _parse(source, mode)
    return tree if isinstance(tree, ast.AST) else None


def _parse(source: str, mode: str) -> ast.AST | Exception | None:
    """The tree, or the fault; None for a source that is too long to be looked at."""
    if len(source) > MAX_SOURCE_CHARACTERS:
        return None
    try:
        with _one_at_a_time, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return compile(source, "program.py", mode, ast.PyCF_ONLY_AST, dont_inherit=True)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as fault:
        return fault
