"""The cells that a person runs between turns, as steps of the program."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from multiturn.core.errors import InputError
from multiturn.synthesis.alignment import names_made
from multiturn.synthesis.parsing import parse_module
from multiturn.synthesis.program_text import as_comment
from multiturn.synthesis.turn_text import validate_code, validate_turn

__all__ = [
    "OWN_PROMPT",
    "ExecutedCell",
    "cell_text",
    "python_of",
    "split_cell",
    "stand_in",
    "stands_for",
]

OWN_PROMPT = "From the notebook:"
"""The prompt of a step that a person wrote without a comment at its beginning."""

MAX_LITERAL_CHARACTERS = 2_000
"""A longer value is handed to the sandbox as it is, and does not stand in the program."""


@dataclass(frozen=True, slots=True)
class ExecutedCell:
    """A cell that was run in the kernel."""

    source: str
    """As it stands in the notebook."""
    id: str | None = None
    """Of the cell, where the frontend sends one."""
    succeeded: bool = True
    """Whether it ended without an error."""


def cell_text(prompt: str, code: str) -> str:
    r"""The cell of a step: its prompt as a comment, above its code.

    Example:
        >>> cell_text("Print x.", "print(x)\n")
        '# Print x.\nprint(x)'
    """
    return as_comment(prompt) + code.rstrip()


def python_of(source: str, transform: Callable[[str], str]) -> str:
    """The Python of a cell without its magics; empty if it does nothing that a step can use.

    Args:
        source: as typed.
        transform: makes Python of a cell with magics, as IPython does.
    """
    if source.lstrip().startswith("%%"):
        return ""
    tree = parse_module(source)
    if tree is None:
        source = transform(source)
        tree = parse_module(source)
    if tree is None:
        return ""
    lines = source.splitlines()
    for statement in tree.body:
        if _is_magic(statement):
            last = statement.end_lineno or statement.lineno
            lines[statement.lineno - 1 : last] = [""] * (last - statement.lineno + 1)
    if all(_is_magic(each) or _only_shows(each) for each in tree.body):
        return ""
    try:
        return validate_code("\n".join(lines))
    except InputError:
        return ""


def split_cell(code: str) -> tuple[str, str]:
    r"""The prompt and the code of a person's cell: the comment at its beginning, and the rest.

    Example:
        >>> split_cell("# Load the prices.\nprices = [1, 2]")
        ('Load the prices.', 'prices = [1, 2]')
        >>> split_cell("prices = [1, 2]")
        ('From the notebook:', 'prices = [1, 2]')
    """
    lines = code.split("\n")
    count = next((at for at, line in enumerate(lines) if not line.startswith("# ")), len(lines))
    prompt = "\n".join(line[2:] for line in lines[:count])
    rest = "\n".join(lines[count:])
    if not prompt.strip() or not rest.strip() or as_comment(prompt) + rest != code:
        return OWN_PROMPT, code
    try:
        return validate_turn(prompt, verbatim=True), rest
    except InputError:
        return OWN_PROMPT, code


def stand_in(
    code: str, namespace: Mapping[str, Any], *, imports: bool = True
) -> tuple[str, list[str]]:
    r"""What stands in the program for a cell that does not run in the sandbox.

    Its imports, the cell itself as a comment, and its variables with short plain values.

    Args:
        code: the cell, which ran in the kernel.
        namespace: the variables of the kernel.
        imports: whether the sandbox has what the cell imports.

    Returns:
        The code, and the names whose values it does not give.

    Example:
        >>> text, carried = stand_in("import csv\nrate = fetch()", {"rate": 1.5})
        >>> print(text)
        import csv
        # rate = fetch()
        rate = 1.5
    """
    tree = parse_module(code)
    assert tree is not None  # of a cell that ran
    leading = [each for each in tree.body if imports and isinstance(each, _IMPORTS)]
    others = [each for each in tree.body if each not in leading]
    values, carried = [], []
    made = _names_bound(others)
    for name in dict.fromkeys((*made, *_names_changed(others))):
        literal = _literal(namespace[name]) if name in namespace else None
        if literal is not None:
            values.append(f"{name} = {literal}")
        elif name in made:
            carried.append(name)
    return "\n".join([*map(ast.unparse, leading), _as_comments(code, others), *values]), carried


def stands_for(code: str, cell: str) -> bool:
    """Whether the code of a step is a cell, or stands in for it."""
    if code.strip() == cell.strip():
        return True
    tree = parse_module(cell)
    if tree is None:
        return False
    others = [each for each in tree.body if not isinstance(each, _IMPORTS)]
    commented = (_as_comments(cell, others), _as_comments(cell, tree.body))
    return any(each and f"\n{each}\n" in f"\n{code}\n" for each in commented)


def _as_comments(code: str, statements: list[ast.stmt]) -> str:
    """The source of some statements as comments."""
    return "\n".join(
        f"# {line}".rstrip()
        for each in statements
        for line in (ast.get_source_segment(code, each) or "").split("\n")
    )


_IMPORTS = (ast.Import, ast.ImportFrom)


def _names_bound(statements: list[ast.stmt]) -> list[str]:
    """The global names that statements bind, imports within blocks included."""
    found = dict.fromkeys(names_made(ast.unparse(ast.Module(statements, []))))
    for statement in statements:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        for node in ast.walk(statement):
            if isinstance(node, _IMPORTS):
                found |= dict.fromkeys(
                    (alias.asname or alias.name).split(".")[0] for alias in node.names
                )
    return list(found)


def _names_changed(statements: list[ast.stmt]) -> list[str]:
    """The names whose values statements may change: by a method, an item or an attribute."""
    found: dict[str, None] = {}
    for node in (each for statement in statements for each in ast.walk(statement)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name))):
                found[name] = None
            case ast.Subscript(value=ast.Name(id=name)) | ast.Attribute(value=ast.Name(id=name)):
                if not isinstance(node.ctx, ast.Load):
                    found[name] = None
    return list(found)


def _literal(value: object) -> str | None:
    """A short plain value as Python text; None for any other."""
    if type(value) not in (bool, int, float, str, list, tuple, dict, set, type(None)):
        return None
    try:
        text = repr(value)
        if len(text) > MAX_LITERAL_CHARACTERS or "\n" in text:
            return None
        same = ast.literal_eval(text)
    except Exception:  # a part of it may be of any class
        return None
    return text if type(same) is type(value) and same == value else None


def _is_magic(statement: ast.stmt) -> bool:
    """Whether a statement is a magic or a command of the system, as IPython writes them."""
    return any(
        isinstance(node, ast.Name) and node.id == "get_ipython" for node in ast.walk(statement)
    )


def _only_shows(statement: ast.stmt) -> bool:
    """Whether a statement shows a variable and changes nothing: ``df``, or ``df.shape``."""
    if not isinstance(statement, ast.Expr):
        return False
    value = statement.value
    while isinstance(value, ast.Attribute):
        value = value.value
    return isinstance(value, ast.Name | ast.Constant)
