"""What a person expects of a step, from the words that they type."""

from __future__ import annotations

import ast
import builtins

from multiturn.core.errors import InputError
from multiturn.synthesis.parsing import parse_module
from multiturn.synthesis.program_text import PYTHON
from multiturn.synthesis.records import Example, ProgramRun
from multiturn.synthesis.values import MAX_NAMES
from multiturn.text.languages import Language

__all__ = ["absent_name", "describe_example", "read_expectation"]

MAX_CHARACTERS = 10_000


def read_expectation(words: str, written_in: Language = PYTHON) -> Example:
    """The example that some words stand for.

    ``NAME == VALUE`` compares a variable, or any expression, with a value; another comparison,
    call or condition must be true; everything else is what the program prints at its end.

    Args:
        words: what a person wrote.
        written_in: the language of the program. Conditions are for Python: of a program in another
            language only what it prints can be compared.

    Raises:
        InputError: there are no words, or too many; or a condition for another language.

    Example:
        >>> read_expectation("total == 51.3")
        Example(expected=51.3, expression='total')
        >>> read_expectation("len(names) > 2")
        Example(expected=True, expression='bool(len(names) > 2)')
        >>> read_expectation("[1, 2, 3]"), read_expectation("Hello there")
        (Example(expected=[1, 2, 3], expression=None), \
Example(expected='Hello there', expression=None))
    """
    words = words.strip()
    if not words:
        raise InputError(
            "what is expected?", fix="/expect 42, /expect total == 42 or /expect len(names) > 2"
        )
    if len(words) > MAX_CHARACTERS:
        raise InputError(
            "the expectation is too long", got=len(words), allowed=f"{MAX_CHARACTERS} characters"
        )
    known, value = _literal(words)
    if known:
        return Example(expected=value)
    try:
        tree = ast.parse(words, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Example(expected=words)
    is_condition = isinstance(tree, ast.Compare | ast.Call | ast.BoolOp | ast.UnaryOp)
    if is_condition and not written_in.inspects:
        raise InputError(
            f"a condition cannot be checked in {written_in.name}, only what the program prints",
            got=words,
            fix="write what it prints, a text in quotes",
        )
    match tree:
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
            known, value = _literal(ast.unparse(right))
            if known:
                return Example(expected=value, expression=ast.unparse(left))
    if is_condition:
        return Example(expected=True, expression=f"bool({words})")
    return Example(expected=words)


def describe_example(example: Example) -> str:
    """An example in words.

    Example:
        >>> describe_example(Example(expected=3)), describe_example(read_expectation("x == 3"))
        ('the output ends with 3', 'x == 3')
        >>> describe_example(read_expectation("x > 3"))
        'x > 3'
    """
    if example.expression is None:
        return f"the output ends with {example.expected}"
    if example.expected is True and example.expression.startswith("bool("):
        return example.expression[len("bool(") : -1]
    return f"{example.expression} == {example.expected!r}"


def absent_name(example: Example, run: ProgramRun) -> str | None:
    """The first name in an example's expression that a program does not have, if that is known."""
    if example.expression is None or run.values is None or len(run.values) >= MAX_NAMES:
        return None
    tree = parse_module(example.expression)
    known = {name for name, _ in run.values} | set(dir(builtins))
    used = [node for node in ast.walk(tree) if isinstance(node, ast.Name)] if tree else []
    bound = {node.id for node in used if isinstance(node.ctx, ast.Store)}
    names = sorted(used, key=lambda node: (node.lineno, node.col_offset))
    return next((node.id for node in names if node.id not in known | bound), None)


def _literal(words: str) -> tuple[bool, object]:
    try:
        value = ast.literal_eval(words)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return False, None
    return (True, value) if _storable(value) else (False, None)


def _storable(value: object) -> bool:
    """Whether a value stays the same as JSON, which sessions are saved as."""
    if value is None or isinstance(value, bool | str | int):
        return True
    if isinstance(value, float):
        return value == value and abs(value) != float("inf")
    if isinstance(value, list):
        return all(map(_storable, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _storable(each) for key, each in value.items())
    return False
