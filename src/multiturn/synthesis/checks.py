"""Checks of a step that the model writes itself: one assertion on each line."""

from __future__ import annotations

import ast

from multiturn.synthesis.parsing import parse_module
from multiturn.synthesis.records import Example
from multiturn.synthesis.trimming import longest_parsing_prefix

__all__ = ["checks_from", "checks_request"]


def checks_request(prompt: str, count: int) -> str:
    """A prompt that asks for checks of the step that `prompt` describes."""
    return (
        f"The next step will be: {prompt}\n"
        f"Do not write that step. Write {count} short assert statements, one on each line, that "
        "hold after it if it is right and fail if it is wrong. Use the program's variables and "
        "functions."
    )


def checks_from(text: str, max_count: int) -> tuple[Example, ...]:
    r"""The assertions at the top level of some text, as examples that hold if they pass.

    Example:
        >>> [check.expression for check in checks_from("assert x == 1\nassert y", 3)]
        ['bool(x == 1)', 'bool(y)']
    """
    if parse_module(text) is None:
        text = longest_parsing_prefix("", text)
    tree = parse_module(text)
    if tree is None:
        return ()
    tests = dict.fromkeys(
        ast.unparse(statement.test)
        for statement in tree.body
        if isinstance(statement, ast.Assert) and not isinstance(statement.test, ast.Constant)
    )
    return tuple(
        Example(expected=True, expression=f"bool({test})") for test in list(tests)[:max_count]
    )
