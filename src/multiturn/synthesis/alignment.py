r"""Completes a step that misses the name, or the print, that its prompt asks for.

A small model often does the work of a step but stores it under another name, leaves the value as
a bare expression as in a notebook, or forgets to print it. Where there is exactly one way to read
the step as what was asked for, it is completed; otherwise it stays as it is.
"""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Sequence

from multiturn.synthesis.parsing import parse_module

__all__ = [
    "align_step",
    "asks_to_print",
    "missing_names",
    "names_asked_for",
    "names_made",
    "unused_names",
]

_QUOTED = re.compile(r"""["'`\u201c\u2018]([A-Za-z_]\w*)(?:\([^()"'`]*\))?["'`\u201d\u2019]""")
_CALLED = re.compile(
    r"\b(?:named|called|name it|call it|function|method|class|variable|as)\s+([A-Za-z_]\w*)"
    r"(?=\s*\()|\b(?:named|called)\s+([A-Za-z_]\w*)\b"
)
_ASKS_TO_PRINT = re.compile(
    r"(?:^\W*|[.;:,]\s+|\band\s+)(?:and\s+|then\s+|finally,?\s+)*"
    r"print\b(?P<a_list>\s+(?:a|the)\s+list\b)?",
    re.IGNORECASE,
)
_DEFINES = re.compile(r"\b(?:function|method|class)\b", re.IGNORECASE)


def names_asked_for(prompt: str) -> tuple[str, ...]:
    """The names in a prompt: quoted, or after words such as "named".

    Example:
        >>> names_asked_for('Define a function "gap" of p, and call its result "best".')
        ('gap', 'best')
        >>> names_asked_for("Make a list named prices with 3 and 4.")
        ('prices',)
    """
    found = [match[1] for match in _QUOTED.finditer(prompt)]
    found += [match[1] or match[2] for match in _CALLED.finditer(prompt)]
    return tuple(
        dict.fromkeys(name for name in found if name.isidentifier() and not keyword.iskeyword(name))
    )


def align_step(prompt: str, code: str, known: Sequence[str]) -> str:
    r"""The code of a step, completed where one way to do so is left.

    Args:
        prompt: what the step was to do.
        code: the step.
        known: the names that the program had before.

    Example:
        >>> print(align_step("Sort x and store it in \"y\".", "sorted(x)", ["x"]))
        y = sorted(x)
        >>> print(align_step("Define \"twice\" of n.", "def double(n):\n    return 2 * n", []))
        def double(n):
            return 2 * n
        twice = double
        >>> print(align_step("Print the sum of x.", "sum(x)", ["x"]))
        print(sum(x))
        >>> print(align_step("Sum x and print the sum.", "s = sum(x)", ["x"]))
        s = sum(x)
        print(s)
    """
    tree = parse_module(code)
    if tree is None or not tree.body:
        return code
    made = _names_made(tree)
    missing = [name for name in names_asked_for(prompt) if name not in made and name not in known]
    last = tree.body[-1]
    value = last.value if isinstance(last, ast.Expr) else None
    asked = _print_asked_for(prompt)
    if asked and asked["a_list"] and value is not None and _prints_several(value):
        listed = ast.unparse(ast.List(value.args, ast.Load()))  # type: ignore[attr-defined]
        return _replaced(code, last, f"print({listed})")
    bare = value is not None and not _is_print(value) and _is_value(value)
    if value is None or not bare:
        renamed = _renamed(prompt, code, tree, missing, known)
        stored = _stored(last)
        if asked and stored and renamed == code and not _prints(tree):
            return f"{code.rstrip()}\nprint({stored})"
        return renamed
    if asked and not _prints(tree):
        return _replaced(code, last, f"print({ast.unparse(value)})")
    if made:
        return _renamed(prompt, code, tree, missing, known)
    if len(missing) == 1:
        return _replaced(code, last, f"{missing[0]} = {ast.unparse(value)}")
    changed = _receiver(value)
    if not missing and changed in known and changed in names_asked_for(prompt):
        return _replaced(code, last, f"{changed} = {ast.unparse(value)}")
    return code


def _renamed(
    prompt: str, code: str, tree: ast.Module, missing: Sequence[str], known: Sequence[str]
) -> str:
    """The step, with the one new name that it makes bound to the one that was asked for too."""
    if len(missing) != 1:
        return code
    others = [
        name
        for name in _names_made(tree)
        if name not in known and name not in names_asked_for(prompt) and name not in _imported(tree)
    ]
    if len(others) == 1 and not _is_loop_variable(tree, others[0]):
        return f"{code.rstrip()}\n{missing[0]} = {others[0]}"
    return code


def missing_names(prompt: str, code: str, known: Sequence[str]) -> tuple[str, ...]:
    """The names that a prompt asks for and the program with the step does not make.

    A quoted word that the step has as a text, such as a key or an answer, is no missing name.
    Code that does not parse lacks nothing: it fails anyway.

    Args:
        prompt: what the step was to do.
        code: the step.
        known: the names that the program had before.

    Example:
        >>> missing_names('Store the sum of "x" in "total".', "t = sum(x)", ["x"])
        ('total',)
        >>> missing_names('Print "yes" if "x" is 1.', "print('yes')", ["x"])
        ()
    """
    tree = parse_module(code)
    if tree is None:
        return ()
    made = {*_names_made(tree), *known}
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return tuple(name for name in names_asked_for(prompt) if name not in made and name not in texts)


def unused_names(prompt: str, code: str, known: Sequence[str]) -> tuple[str, ...]:
    """The names of the program that a prompt refers to, if a step touches none of them.

    Such a step does not compute what was asked for: a small model likes to write down a result
    that it has worked out by itself.

    Args:
        prompt: what the step was to do.
        code: the step.
        known: the names that the program had before.

    Example:
        >>> unused_names('Store the sum of "x" in "total".', "total = 6", ["x"])
        ('x',)
        >>> unused_names('Store the sum of "x" in "total".', "total = sum(x)", ["x"])
        ()
    """
    tree = parse_module(code)
    if tree is None:
        return ()
    touched = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    named = [name for name in names_asked_for(prompt) if name in known]
    return () if touched.intersection(named) else tuple(named)


def asks_to_print(prompt: str) -> bool:
    """Whether a prompt asks for a print by the step itself, not by a function that it defines.

    Example:
        >>> asks_to_print("Count the odd ones and print the count.")
        True
        >>> asks_to_print("Write a function that takes a name, and print it there.")
        False
    """
    return _print_asked_for(prompt) is not None


def _print_asked_for(prompt: str) -> re.Match[str] | None:
    found = _ASKS_TO_PRINT.match(prompt)
    if found is None and not _DEFINES.search(prompt):
        found = _ASKS_TO_PRINT.search(prompt)
    return found


def _replaced(code: str, statement: ast.stmt, by: str) -> str:
    """The code with its last statement replaced."""
    lines = code.split("\n")
    before = lines[: statement.lineno - 1]
    if statement.col_offset:  # after a semicolon
        return code
    return "\n".join([*before, by])


def names_made(source: str) -> list[str]:
    """The names that the top level of a program binds, imports included."""
    tree = parse_module(source)
    return [] if tree is None else _names_made(tree)


def _names_made(tree: ast.Module) -> list[str]:
    """The names that the top level of a module binds, in order."""
    found: dict[str, None] = {}
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[statement.name] = None
            continue
        if isinstance(statement, ast.Import | ast.ImportFrom):
            for alias in statement.names:
                found[(alias.asname or alias.name).split(".")[0]] = None
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found[node.id] = None
    return list(found)


def _imported(tree: ast.Module) -> set[str]:
    return {
        (alias.asname or alias.name).split(".")[0]
        for statement in tree.body
        if isinstance(statement, ast.Import | ast.ImportFrom)
        for alias in statement.names
    }


def _is_loop_variable(tree: ast.Module, name: str) -> bool:
    """Whether nothing but a loop or a comprehension binds the name."""
    for statement in tree.body:
        match statement:
            case ast.FunctionDef(name=defined) | ast.ClassDef(name=defined) if defined == name:
                return False
            case ast.Assign(targets=targets):
                if any(isinstance(each, ast.Name) and each.id == name for each in targets):
                    return False
            case ast.AnnAssign(target=ast.Name(id=target)) if target == name:
                return False
    return True


def _is_print(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    )


def _prints_several(node: ast.expr) -> bool:
    """Whether it is a print of two or more values, each as it is."""
    return (
        _is_print(node)
        and isinstance(node, ast.Call)
        and len(node.args) > 1
        and not node.keywords
        and not any(isinstance(each, ast.Starred | ast.JoinedStr) for each in node.args)
        and not any(
            isinstance(each, ast.Constant) and isinstance(each.value, str) for each in node.args
        )
    )


def _stored(statement: ast.stmt) -> str | None:
    """The one variable that a statement sets."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name
    return None


def _receiver(node: ast.expr) -> str | None:
    """The variable that a value without an effect is computed from: of a method, or of a sort."""
    if not isinstance(node, ast.Call):
        return None
    match node.func:
        case ast.Attribute(value=ast.Name(id=name)):
            return name
        case ast.Name(id="sorted"):
            return next((each.id for each in node.args if isinstance(each, ast.Name)), None)
    return None


def _prints(tree: ast.Module) -> bool:
    return any(isinstance(node, ast.expr) and _is_print(node) for node in ast.walk(tree))


def _is_value(node: ast.expr) -> bool:
    """Whether an expression is more than a call for its effect, such as `x.sort()`, or a text."""
    if isinstance(node, ast.Constant):
        return False
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr not in _EFFECTS
    return True


_EFFECTS = frozenset(
    "append extend insert remove clear sort reverse update add discard pop popitem write".split()  # noqa: SIM905
)
