"""Python text parsed without a sound: None where it does not parse, and no warnings.

The text is a model's or a program's, so odd escapes and the like are no news. Nothing is run.
"""

from __future__ import annotations

import ast
import warnings

__all__ = ["parsed_expression", "parsed_module"]

LONGEST_SOURCE = 2_000_000
"""Characters; the parser takes some 100 times that in memory."""


def parsed_module(source: str) -> ast.Module | None:
    """`source` as a program."""
    tree = _parsed(source, "exec")
    return tree if isinstance(tree, ast.Module) else None


def parsed_expression(source: str) -> ast.Expression | None:
    """`source` as one expression; space around it does not count."""
    tree = _parsed(source.strip(), "eval")
    return tree if isinstance(tree, ast.Expression) else None


def _parsed(source: str, mode: str) -> ast.AST | None:
    if len(source) > LONGEST_SOURCE:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return compile(source, "program.py", mode, ast.PyCF_ONLY_AST, dont_inherit=True)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
