"""Parses Python text silently: None if it does not parse, and no warnings; and the names it binds.

The text comes from a model or a program, so odd escapes and the like are of no interest. Nothing is
executed.
"""

from __future__ import annotations

import ast
import threading
import warnings

__all__ = ["bound_names", "syntax_error_line", "parse_expression", "parse_module"]

MAX_SOURCE_CHARACTERS = 2_000_000
"""The parser needs about 100 times as many bytes."""

_one_at_a_time = threading.Lock()
"""Python 3.11 counts the depth of all trees under construction in one place, so two threads at once
end in a SystemError. The warning filters are global, too."""


def parse_module(source: str) -> ast.Module | None:
    """`source` as a program."""
    tree = _parsed(source, "exec")
    return tree if isinstance(tree, ast.Module) else None


def parse_expression(source: str) -> ast.Expression | None:
    """`source` as one expression; surrounding space is ignored."""
    tree = _parsed(source.strip(), "eval")
    return tree if isinstance(tree, ast.Expression) else None


def syntax_error_line(source: str) -> int | None:
    """The line of the syntax error in `source`, from 1; None if it parses.

    0 if the error has no line: the source is too long, too deep, or not text.
    """
    fault = _parse(source, "exec")
    if isinstance(fault, SyntaxError):
        return fault.lineno or 0
    return 0 if fault is None or isinstance(fault, Exception) else None


def bound_names(tree: ast.AST) -> set[str]:
    """The names that a program binds anywhere: a superset of what a step can use."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                found.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.add(name)
            case ast.ClassDef(name=name) | ast.arg(arg=name):
                found.add(name)
            case ast.alias(name=name, asname=asname):
                found.add(asname or name.split(".")[0])
            case ast.ExceptHandler(name=str(name)):
                found.add(name)
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                found.update(names)
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                found.add(name)
            case ast.MatchMapping(rest=str(name)):
                found.add(name)
    return found


def _parsed(source: str, mode: str) -> ast.AST | None:
    tree = _parse(source, mode)
    return tree if isinstance(tree, ast.AST) else None


def _parse(source: str, mode: str) -> ast.AST | Exception | None:
    """The tree or the error; None for a source that is too long to parse."""
    if len(source) > MAX_SOURCE_CHARACTERS:
        return None
    try:
        with _one_at_a_time, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return compile(source, "program.py", mode, ast.PyCF_ONLY_AST, dont_inherit=True)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as fault:
        return fault
