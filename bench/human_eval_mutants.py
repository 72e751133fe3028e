"""Programs near HumanEval's own solutions: right, wrong and odd ones, of named kinds.

What somebody's model may write, and more: each kind changes a canonical solution in one way. A
kind says nothing about whether the program is still right; two judges are compared on it.

`human_eval_kinds.txt` has the kinds that are texts: statements before the solution's `first`, what
becomes of its `value` v, and what comes `after` it; `$a` is its first parameter, `$f` its name.
"""

from __future__ import annotations

import ast
import random
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from multiturn.benchmarks.loaders.human_eval import HumanEvalProblem

__all__ = ["KINDS", "Mutant", "mutants"]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One program: a completion of a problem's prompt."""

    task_id: str
    kind: str
    completion: str


Change = Callable[[HumanEvalProblem, random.Random], str | None]
"""The changed completion, or None where the kind has nothing to change in the solution."""


VALUE_HEAD = """
import array, collections, datetime, decimal, enum, fractions, math, sys, types
from dataclasses import dataclass
class I(int): pass
class S(str): pass
class L(list): pass
class W(int):
    def __eq__(self, other): return int(self) == other
    __hash__ = int.__hash__
class A:
    def __init__(self, v): self.v = v
    def __eq__(self, other): return self.v == other
class B:
    def __init__(self, v): self.v = v
class Q(B):
    def __eq__(self, other): return True
    def __lt__(self, other): return True
    def __sub__(self, other): return 0
    def __abs__(self): return 0
KEPT = {}
class Z(str):
    def __eq__(self, other): return str(self) == other
    __hash__ = str.__hash__
T = collections.namedtuple('T', 'v')
P = collections.namedtuple('P', 'x y')
@dataclass
class D:
    v: object
class E(enum.IntEnum):
    @classmethod
    def _missing_(cls, value):
        one = int.__new__(cls, value)
        one._name_, one._value_ = 'X', value
        return one
def N(v):
    return {bool: numpy.bool_, int: numpy.int64, float: numpy.float64, str: numpy.str_}[type(v)](v)
def deep(v):
    for _ in range(100): v = [v]
    return v
def loop():
    x = []
    x.append(x)
    return x
async def coroutine(v): return v
"""


def _body(problem: HumanEvalProblem) -> str:
    return problem.canonical_solution.rstrip("\n") + "\n"


def _first(text: Sequence[str]) -> Change:
    def change(problem: HumanEvalProblem, rng: random.Random) -> str:
        tree = ast.parse(problem.prompt + problem.canonical_solution)
        function = _function(tree, problem.entry_point)
        parameter = function.args.args[0].arg if function.args.args else "_"
        chosen = rng.choice(text).replace("$a", parameter).replace("$f", problem.entry_point)
        return textwrap.indent(chosen, "    ") + "\n" + _body(problem)

    return change


def _value(text: Sequence[str]) -> Change:
    def change(problem: HumanEvalProblem, rng: random.Random) -> str:
        name, chosen = problem.entry_point, rng.choice(text)
        head = VALUE_HEAD + ("import numpy\n" if "numpy" in chosen or "N(" in chosen else "")
        return (
            f"{_body(problem)}{head}_right = {name}\ndef {name}(*args):\n"
            f"    v = _right(*args)\n    return {chosen}\n"
        )

    return change


def _after(text: Sequence[str]) -> Change:
    def change(problem: HumanEvalProblem, rng: random.Random) -> str:
        chosen = rng.choice(text).replace("$f", problem.entry_point)
        return f"{_body(problem)}{rng.choice(['', chr(10), chr(10) * 2])}{chosen}" + rng.choice(
            ["", "\n"]
        )

    return change


def _function(tree: ast.Module, name: str) -> ast.FunctionDef:
    return next(
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name
    )


_SWAPS: dict[type, tuple[type, ...]] = {
    ast.Add: (ast.Sub, ast.Mult), ast.Sub: (ast.Add,), ast.Mult: (ast.Add, ast.Pow),
    ast.FloorDiv: (ast.Div, ast.Mod), ast.Div: (ast.FloorDiv, ast.Mult), ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
}  # fmt: skip
_COMPARED: dict[type, tuple[type, ...]] = {
    ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt,), ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt,),
    ast.Eq: (ast.NotEq, ast.Is), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot, ast.Eq), ast.IsNot: (ast.Is,),
}  # fmt: skip


def _operator(node: ast.AST, rng: random.Random) -> bool:
    if isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in _SWAPS:
        node.op = rng.choice(_SWAPS[type(node.op)])()
        return True
    if isinstance(node, ast.BoolOp):
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        return True
    return False


def _comparison(node: ast.AST, rng: random.Random) -> bool:
    if isinstance(node, ast.Compare):
        node.ops[0] = rng.choice(_COMPARED[type(node.ops[0])])()
        return True
    return False


def _constant(node: ast.AST, rng: random.Random) -> bool:
    if not isinstance(node, ast.Constant):
        return False
    old = node.value
    if isinstance(old, bool):
        node.value = not old
    elif isinstance(old, int | float):
        node.value = rng.choice([0, 1, old * 2, -old, old + 0.5, float(old), 10**6])
    elif isinstance(old, str):
        node.value = rng.choice(["", old + " ", old.upper(), old[::-1]])
    return True


def _off_by_one(node: ast.AST, rng: random.Random) -> bool:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        node.value += rng.choice([1, -1])
        return True
    return False


def _swapped(node: ast.AST, _rng: random.Random) -> bool:
    if isinstance(node, ast.Call) and len(node.args) > 1:
        node.args.reverse()
        return True
    if isinstance(node, ast.BinOp):
        node.left, node.right = node.right, node.left
        return True
    return False


def _condition(node: ast.AST, _rng: random.Random) -> bool:
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        node.test = ast.UnaryOp(ast.Not(), node.test)
        return True
    return False


def _dropped(node: ast.AST, rng: random.Random) -> bool:
    body = getattr(node, "body", None)
    if isinstance(body, list) and body and not isinstance(node, ast.Module):
        body[rng.randrange(len(body))] = ast.Pass()
        return True
    return False


def _doubled(node: ast.AST, rng: random.Random) -> bool:
    body = getattr(node, "body", None)
    if isinstance(body, list) and body and not isinstance(node, ast.Module):
        at = rng.randrange(len(body))
        body.insert(at, body[at])
        return True
    return False


def _returned(node: ast.AST, rng: random.Random) -> bool:
    if isinstance(node, ast.Return) and node.value is not None:
        node.value = rng.choice(
            [
                ast.Constant(None),
                ast.List([node.value], ast.Load()),
                ast.UnaryOp(ast.Not(), node.value),
            ]
        )
        return True
    return False


def _renamed(node: ast.AST, rng: random.Random) -> bool:
    if isinstance(node, ast.Name):
        node.id = rng.choice(["undefined", "self", "i", "x", "len"])
        return True
    return False


def _method(node: ast.AST, rng: random.Random) -> bool:
    if isinstance(node, ast.Attribute):
        node.attr = rng.choice(["append", "upper", "strip", "sort", "no_such_name", "keys"])
        return True
    return False


def _comprehension(node: ast.AST, rng: random.Random) -> bool:
    if isinstance(node, ast.ListComp):
        node.__class__ = rng.choice([ast.GeneratorExp, ast.SetComp])  # type: ignore[assignment]
        return True
    return False


def _tree(edit: Callable[[ast.AST, random.Random], bool]) -> Change:
    def change(problem: HumanEvalProblem, rng: random.Random) -> str | None:
        tree = ast.parse(problem.prompt + problem.canonical_solution)
        function = _function(tree, problem.entry_point)
        function.body = function.body[1:] or function.body  # without the docstring
        nodes = [function, *(node for one in function.body for node in ast.walk(one))]
        rng.shuffle(nodes)
        if not any(edit(node, rng) for node in nodes):
            return None
        text = "\n".join(ast.unparse(ast.fix_missing_locations(one)) for one in function.body)
        return textwrap.indent(text, "    ") + "\n"

    return change


def _spelling(edit: Callable[[str, HumanEvalProblem], str]) -> Change:
    return lambda problem, _: edit(_body(problem), problem)


SPELLING: dict[str, Callable[[str, HumanEvalProblem], str]] = {
    "as it is": lambda text, _: text,
    "no last line feed": lambda text, _: text.rstrip("\n"),
    "many line feeds": lambda text, _: text + "\n" * 50,
    "CRLF": lambda text, _: text.replace("\n", "\r\n"),
    "CR": lambda text, _: text.replace("\n", "\r"),
    "tabs": lambda text, _: text.replace("    ", "\t"),
    "tab for eight": lambda text, _: text.replace("        ", "\t"),
    "two blanks": lambda text, _: text.replace("    ", "  "),
    "one blank more": lambda text, _: " " + text,
    "one blank less": lambda text, _: text[1:],
    "blank lines with blanks": lambda text, _: text.replace("\n", "   \n\n"),
    "comments": lambda text, _: text.replace("\n", "  # comment ü\n"),
    "comment at the margin": lambda text, _: "# comment\n" + text,
    "form feed": lambda text, _: "\f" + text,
    "null character": lambda text, _: text + "\0",
    "byte order mark": lambda text, _: "\ufeff" + text,
    "no-break space": lambda text, _: text.replace(" = ", "\xa0= "),
    "line separator": lambda text, _: text + "# a\u2028b\n",
    "unit separator": lambda text, _: text + "'\x1f\x85'\n",
    "encoding comment": lambda text, _: "# -*- coding: latin-1 -*-\n" + text + "x = 'ü'\n",
    "half surrogate": lambda text, _: text + "x = '\ud800'\n",
    "escaped surrogate": lambda text, _: text + "x = '\\ud800'\n",
    "identifier": lambda text, _: text + "größe = ﬁ = 1\n",
    "control Z": lambda text, _: text + "\x1a",
    "the prompt again": lambda text, problem: problem.prompt + text,
    "the whole again after": lambda text, problem: f"{text}\n{problem.prompt}{text}",
    "in a fence": lambda text, problem: f"```python\n{problem.prompt}{text}```\n",
    "the answer after an empty body": lambda text, problem: f"    pass\n\n{problem.prompt}{text}",
    "first line only": lambda text, _: text.split("\n", 1)[0] + "\n",
    "cut": lambda text, _: text[: len(text) * 2 // 3],
    "empty": lambda *_: "",
    "pass": lambda *_: "    pass\n",
    "ellipsis only": lambda *_: "    ...\n",
    "backslash at the end": lambda text, _: text.rstrip("\n") + " \\\n",
    "semicolons": lambda text, _: "    pass; pass;\n" + text,
    "long line": lambda text, _: text + "    x = " + "1 + " * 2000 + "1\n",
    "very long": lambda text, _: text + "# x\n" * 20_000,
    "nested in try": lambda text, _: (
        "    try:\n"
        + textwrap.indent(text, "    ")
        + "    except Exception:\n        return None\n"
    ),
    "nested in with": lambda text, _: (
        "    import contextlib\n    with contextlib.redirect_stdout(None):\n"
        + textwrap.indent(text, "    ")
    ),
    "in finally": lambda text, _: (
        "    try:\n" + textwrap.indent(text, "    ") + "    finally:\n        print()\n"
    ),
    "typing without import": lambda text, _: (
        text + "def helper(x: Optional[int]) -> Sequence[int]: return x\n"
    ),
    "hints as text": lambda text, _: text + "def helper(x: 'Any') -> 'No': return x\n",
}

_CHANGES = {"first": _first, "value": _value, "after": _after}


def _kinds() -> Iterator[tuple[tuple[str, str], list[str]]]:
    """What `human_eval_kinds.txt` has: each kind's group, name and texts."""
    whole = Path(__file__).with_name("human_eval_kinds.txt").read_text(encoding="utf-8")
    for part in whole.split("=== ")[1:]:
        head, _, body = part.partition("\n")
        group, _, name = head.partition(": ")
        yield (group, name), body.removesuffix("\n").split("\n---\n")


KINDS: dict[str, Change] = {
    **{name: _tree(edit) for name, edit in {
        "operator": _operator, "comparison": _comparison, "constant": _constant,
        "off by one": _off_by_one, "swapped arguments": _swapped, "condition": _condition,
        "statement dropped": _dropped, "statement doubled": _doubled, "other return": _returned,
        "name": _renamed, "method": _method, "comprehension": _comprehension,
    }.items()},
    **{f"{group}: {name}": _CHANGES[group](texts) for (group, name), texts in _kinds()},
    **{f"spelling: {name}": _spelling(edit) for name, edit in SPELLING.items()},
}  # fmt: skip
_PLAIN = 12
"""How many kinds at the beginning are the mistakes that programs most often have."""


def mutants(problems: list[HumanEvalProblem], count: int, seed: int) -> Iterator[Mutant]:
    """`count` programs, each kind in its turn on problems that chance picks.

    Plain mistakes come three times as often as each other kind.
    """
    rng = random.Random(seed)
    names = list(KINDS)
    turn = names + names[:_PLAIN] * 2
    made = 0
    while made < count:
        rng.shuffle(turn)
        for kind in turn:
            problem = rng.choice(problems)
            completion = KINDS[kind](problem, rng)
            if completion is None:
                continue
            yield Mutant(problem.task_id, kind, completion)
            made += 1
            if made == count:
                return
