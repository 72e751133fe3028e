# ruff: noqa: E501 - a program stands on one line, however long
"""Programs of many kinds, with gold values, for a comparison of two scorers."""

from __future__ import annotations

import json
import random
from typing import Any

# A value as a program writes it, and the gold values that it is held against.
VALUES: list[tuple[str, list[Any]]] = [
    ("3", [3, 3.0, "3", [3], True, None, {"a": 3}, 4]),
    ("-7", [-7, "-7"]),
    ("0", [0, False, "0", [], ""]),
    ("1", [1, True, "1", 1.0]),
    ("10**30", [10**30, 1e30]),
    ("2.99", [2, 2.99, "2.99", 3]),
    ("-2.99", [-2, -3]),
    ("0.1 + 0.2", [0.3, "0.3", [0.3]]),
    ("0.3 + 9e-7", [0.3]),
    ("0.3 + 2e-6", [0.3]),
    ("1e12 + 0.1", [1e12]),
    ("1e400", [float("inf"), 1e308]),
    ("float('nan')", [float("nan"), 0.0]),
    ("-0.0", [0.0, 0]),
    ("True", [True, 1, "True", 1.0, "true"]),
    ("False", [False, 0, "False", []]),
    ("None", [None, "None", 0, False]),
    ("'True'", [True, "True", False]),
    ("'False'", [False, True]),
    ("'255'", [255, "255", 255.0]),
    ("' 12 '", [12, " 12 ", "12"]),
    ("'1_000'", [1000, "1000"]),
    ("'2.5'", [2.5, 2]),
    ("'1e3'", [1000.0, 1000]),
    ("'inf'", [float("inf")]),
    ("'abc'", [["a", "b", "c"], "abc", "ab"]),
    ("''", ["", [], 0]),
    ("'é東🐍'", ["é東🐍", ["é", "東", "🐍"]]),
    ("'it\\'s'", ["it's"]),
    ("'a\\nb'", ["a\nb", "a"]),
    ("b'ab'", [[97, 98], "b'ab'", "ab"]),
    ("[1, 'a', None, True, 2.5]", [[1, "a", None, True, 2.5], [1, "a", None, 1, 2.5]]),
    ("[]", [[], "[]", False]),
    ("[[1, 2], [3]]", [[[1, 2], [3]], [[1, 2], [3.0]]]),
    ("[0.1 + 0.2]", [[0.3], [0.30000000000000004]]),
    ("[float('nan')]", [[float("nan")]]),
    ("[True, False]", [[1, 0], [True, False]]),
    ("[(1, 2), (3, 4)]", [[[1, 2], [3, 4]], [1, 2]]),
    ("[(1, 2), 'ab']", [[[1, 2], ["a", "b"]]]),
    ("[(1, 2), 3]", [[[1, 2], 3]]),
    ("[[1, 2], (3, 4)]", [[[1, 2], [3, 4]]]),
    ("[((1,),)]", [[[[1]]], [[1]]]),
    ("(1, 2)", [[1, 2], "(1, 2)"]),
    ("((1, 2), (3, 4))", [[[1, 2], [3, 4]]]),
    ("{'a': 1}", [{"a": 1}, ["a"], "{'a': 1}"]),
    ("[{'a': [1]}]", [[{"a": [1]}], [{"a": [2]}]]),
    ("[{1: 'a'}]", [[{"1": "a"}]]),
    ("{3}", [[3], "{3}", 3]),
    ("range(3)", [[0, 1, 2], "range(0, 3)"]),
    ("map(str, [1, 2])", [["1", "2"]]),
    ("(x for x in 'ab')", [["a", "b"]]),
    ("zip('ab', [1, 2])", [[["a", 1], ["b", 2]]]),
    ("dict(a=1).items()", [[["a", 1]]]),
    ("dict(a=1).keys()", [["a"]]),
    ("reversed([1, 2])", [[2, 1]]),
    ("len", [3, "<built-in function len>"]),
    ("int", ["<class 'int'>", 0]),
    ("1j", ["1j", 1.0]),
    ("...", ["Ellipsis"]),
    ("__import__('decimal').Decimal('2.50')", [2.5, "2.50", 2]),
    ("[__import__('decimal').Decimal('2.5')]", [[2.5], [2]]),
    ("[__import__('decimal').Decimal('0.1')]", [[0.1]]),
    ("__import__('fractions').Fraction(1, 2)", [0.5, "1/2", 0]),
    ("[__import__('fractions').Fraction(1, 2), 2]", [[0.5, 2]]),
    ("__import__('collections').Counter('aab')", [["a", "b"], {"a": 2, "b": 1}]),
    ("[__import__('collections').OrderedDict(a=1)]", [[{"a": 1}]]),
    ("[__import__('collections').defaultdict(int, a=1)]", [[{"a": 1}]]),
    ("__import__('collections').deque([1, 2])", [[1, 2]]),
    ("[__import__('collections').deque([1])]", [[[1]]]),
    ("__import__('collections').namedtuple('P', 'x y')(1, 2)", [[1, 2]]),
    ("[__import__('collections').namedtuple('P', 'x y')(1, 2)]", [[[1, 2]]]),
    ("__import__('enum').IntEnum('E', 'A B').B", [2, "2"]),
    ("[__import__('enum').IntEnum('E', 'A B').B]", [[2]]),
    ("__import__('datetime').date(2020, 1, 2)", ["2020-01-02"]),
    ("[1 + 0j, 2]", [[1, 2]]),
    ("type('T', (list,), {})([1, 2])", [[1, 2]]),
    ("type('T', (str,), {})('ab')", ["ab", ["a", "b"]]),
    ("type('T', (), {'__str__': lambda s: 'text'})()", ["text"]),
    ("type('T', (), {'__int__': lambda s: 5})()", [5, 5.0]),
    ("type('T', (), {'__float__': lambda s: 2.5})()", [2.5, 2]),
    ("type('T', (), {'__iter__': lambda s: iter([1])})()", [[1]]),
    ("type('T', (), {'__str__': lambda s: 1 / 0})()", ["text", 3]),
]

NUMPY: list[tuple[str, list[Any]]] = [
    ("np.array([1, 2])", [[1, 2], "[1, 2]", "[1 2]", 1]),
    ("np.array([0.5, 0.25])", [[0.5, 0.25]]),
    ("np.array(['a', 'b'])", [["a", "b"]]),
    ("np.array([True, False])", [[True, False], [1, 0]]),
    ("np.array([])", [[], False]),
    ("np.array(2)", [2, 2.0, "2"]),
    ("np.array([7])", [7, [7], "7"]),
    ("np.eye(2)", [[[1, 0], [0, 1]], [[1.0, 0.0], [0.0, 1.0]]]),
    ("np.array([[1]])", [[1], [[1]], 1]),
    ("np.array([(1, 2)], dtype='i4,i4')", [[[1, 2]]]),
    *(
        (f"np.{name}({value})", [3, 3.0, "3", "3.0", [3], True])
        for name in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
                     "longlong", "float16", "float32", "float64", "longdouble")
        for value in ("3",)
    ),
    ("np.float32(0.1)", [0.1, "0.1", "0.10000000149011612"]),
    ("np.float64(2.99)", [2, 2.99, "2.99"]),
    ("np.float64('nan')", [0.0]),
    ("np.bool_(True)", [True, 1, "True"]),
    ("np.True_", [True]),
    ("np.str_('a')", ["a", ["a"]]),
    ("np.complex128(1)", [1.0, "(1+0j)"]),
    ("[np.int64(2), np.float64(0.5)]", [[2, 0.5]]),
    ("[np.uint16(2), np.bool_(True), np.str_('a')]", [[2, True, "a"]]),
    ("[np.array([1])]", [[[1]], [1], [[2]]]),
    ("[np.array([1, 2])]", [[[1, 2]]]),
    ("[np.array(5)]", [[5]]),
    ("[np.array([])]", [[[]]]),
    ("[np.array([[1]])]", [[1], [[1]], [[[1]]]]),
    ("[(np.int64(1), 2)]", [[[1, 2]]]),
    ("(np.array([1]), 2)", [[1, 2], [[1], 2]]),
    ("{'a': np.int64(1)}", [["a"]]),
    ("np.arange(3).mean()", [1.0, 1, True]),
    ("np.matrix([[1, 2]])", [[[1, 2]], [1, 2]]),
    ("np.matrix([[1]])", [[[1]], [1]]),
    ("np.ma.array([1, 2])", [[1, 2]]),
    ("np.datetime64('2020-01-02')", ["2020-01-02"]),
    ("np", [3]),
]  # fmt: skip

PANDAS: list[tuple[str, list[Any]]] = [
    ("pd.Series([1.0, 2.0])", [[1, 2], [1.0, 2.00001], [1.0, 2.1], 1, [1, 2, 3], "x", None]),
    ("pd.Series([5, 5])", [5, [5], [5, 5], [[5, 5], [5, 5]], [[5], [5]], [[5], []]]),
    ("pd.Series(['a'])", [["a"]]),
    ("pd.Series([True, False])", [[True, False], [1, 0]]),
    ("pd.Series([], dtype=float)", [[], [3], 3, [1, 2]]),
    ("pd.Series([1, None])", [[1, None], [1, 2]]),
    ("pd.Series([1, 2], dtype='Int64')", [[1, 2]]),
    ("pd.Series([1, 2], dtype=object)", [[1, 2]]),
    ("pd.Series([1 + 0j])", [[1]]),
    ("pd.Series([7], dtype='float32')", [[7]]),
    ("pd.Series([1, 2], dtype='category')", [[1, 2]]),
    ("pd.DataFrame({'a': [1], 'b': [2]})", [["a", "b"], [[1, 2]]]),
    ("pd.DataFrame({'a': [1, 2]})['a']", [[1, 2]]),
    ("pd.Series([3, 4]).tolist()", [[3, 4]]),
    ("pd.Series([3, 4]).values", [[3, 4]]),
    ("pd.Series([3, 4]).sum()", [7, 7.0, "7"]),
    ("pd.Index([1, 2])", [[1, 2]]),
    ("pd.Timestamp('2020-01-02')", ["2020-01-02 00:00:00"]),
    ("[pd.Series([1])]", [[1], [[1]]]),
]

STYLES: dict[str, str] = {
    "plain": "print(E)",
    "variable": "x = E\nprint(x)",
    "two arguments": "print(E, 'more')",
    "label": "print('total:', E)",
    "end": "print(E, end='')",
    "sep and flush": "print(E, 'x', sep='-', flush=True)",
    "starred": "print(*[E])",
    "starred of nothing": "print(*[])\nx = [E]\ndel x",
    "no arguments": "print(E)\nprint()",
    "wrong keyword": "print(E, colour='red')",
    "to standard error": "import sys\nprint(E, file=sys.stderr)",
    "to a file": "import io\nprint(E, file=io.StringIO())",
    "to nothing": "print(E, file=None)",
    "to a closed file": "import io\nf = io.StringIO()\nf.close()\nprint(E, file=f)",
    "formatted": "x = E\nprint(f'{x}')",
    "f-string with quotes": 'd = {"a": E}\nprint(f"{d[\'a\']}")',
    "f-string at the end": "x = E\nf'{x!r:>10}'",
    "f-string of quotes and backslash": "x = [E]\nf\"{', '.join(map(str, x))}\\n{'é'}\"",
    "several lines": "print(\n    E,  # the value\n)",
    "semicolon": "print(E);",
    "semicolon and more": "print(E); x = 1",
    "one line": "x = E; print(x)",
    "space": "print (E)",
    "parentheses": "(print)(E)",
    "comment after": "print(E)\n# print(4)\n\n",
    "string after": "print(E)\n'''done'''",
    "number after": "print(E)\n5",
    "pass after": "print(E)\npass",
    "import after": "print(E)\nimport math",
    "function after": "print(E)\ndef f():\n    print(5)",
    "class after": "print(E)\nclass A:\n    x = 1",
    "loop after": "print(E)\nfor i in range(3):\n    x = i",
    "delete after": "x = E\nprint(x)\ndel x",
    "global after": "print(E)\nglobal x",
    "assert after": "print(E)\nassert True",
    "in a function": "def f():\n    print(E)\nf()",
    "in a function, nothing after": "def f():\n    print(E)\nx = f()",
    "returned": "def f():\n    return E\nf()",
    "returned and printed": "def f():\n    return E\nprint(f())",
    "printed and returned": "def f():\n    x = E\n    print(x)\n    return x\nf()",
    "in a loop": "for _ in range(2):\n    print(E)",
    "in a while": "while True:\n    print(E)\n    break",
    "in an if": "if True:\n    print(E)\nelse:\n    print(0)",
    "main guard": "def main():\n    print(E)\n\nif __name__ == '__main__':\n    main()",
    "in a try": "try:\n    print(E)\nexcept Exception:\n    print('no')\nfinally:\n    x = 1",
    "in an except": "try:\n    1 / 0\nexcept ZeroDivisionError:\n    print(E)",
    "in a with": "import contextlib\nwith contextlib.suppress(Exception):\n    print(E)",
    "redirected": "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()):\n    print(E)",
    "in a match": "match [1]:\n    case [x]:\n        print(E)",
    "in a class body": "class A:\n    print(E)",
    "in a method": "class A:\n    def show(self):\n        print(E)\nA().show()",
    "in a constructor": "class A:\n    def __init__(self):\n        print(E)\na = A()",
    "in a comprehension": "[print(E) for _ in range(2)]",
    "in a lambda": "f = lambda: print(E)\nf()",
    "map": "list(map(print, [E]))",
    "map that is not run": "map(print, [E])",
    "decorated": "import functools\n@functools.cache\ndef f():\n    print(E)\n    return 1\nf()\nf()",
    "generator": "def g():\n    yield E\nfor x in g():\n    print(x)",
    "async": "import asyncio\nasync def main():\n    print(E)\nasyncio.run(main())",
    "thread": "import threading\nt = threading.Thread(target=print, args=(E,))\nt.start()\nt.join()",
    "exec": "x = E\nexec('print(x)')",
    "exec in another space": "exec('print(4)', {})\nprint(E)\nfor _ in [1]: exec('print(5)', {})",
    "builtins.print": "import builtins\nprint(E)\nfor _ in [1]: builtins.print(5)",
    "print by another name": "show = print\nshow(E)",
    "partial": "import functools\np = functools.partial(print, end='')\np(E)\nfor _ in []: pass",
    "print as a default": "def f(x, out=print):\n    out(x)\nfor _ in [1]: f(E)",
    "last expression": "x = E\nx",
    "last expression of another": "print(E)\nx = 4\nx",
    "last assignment": "x = E",
    "last assignment twice": "x = y = E",
    "last tuple": "x, y = E, 2",
    "last unpacking": "x, *y = [E, 2]",
    "last annotated": "x: object = E",
    "last annotation alone": "print(E)\nx: int",
    "last walrus": "(x := E)",
    "last augmented": "x = [E]\nx += [1]",
    "last augmented of nothing": "y += E",
    "last item": "d = {}\nd['a'] = E",
    "last attribute": "class A: pass\nA.x = E",
    "last conditional": "print(E) if True else None",
    "last or": "print(E) or 5",
    "last and": "5 and E",
    "last comparison": "x = E\nx == x",
    "last not": "not E",
    "last pair": "print(E), print(4)",
    "last lambda": "print(E)\nlambda: 3",
    "last print itself": "print(E)\nprint",
    "last starred": "x = [E, 5]\n*x",
    "last starred assignment": "x = [E]\ny = *x",
    "last starred in a tuple": "x = [E]\n*x,",
    "last return": "print(E)\nreturn 4",
    "last yield": "print(E)\nyield 4",
    "last await": "print(E)\nawait 4",
    "last string": "x = E\nstr(x)",
    "last call of a method": "print(E)\n[].append(1)",
    "assigned print": "x = print(E)",
    "assigned print twice": "x = y = print(E)",
    "annotated print": "x: None = print(E)",
    "a name like print": "def printed(x):\n    return x\nprinted(E)",
    "another name like print": "def print_it(x):\n    print(x)\nprint_it(E)",
    "print in print": "print(print(E))",
    "print among arguments": "print(E, print(5))",
    "print before it": "print(5)\nprint(E)",
    "print after it": "print(E)\nprint(5)",
    "print shadowed": "def print(*values):\n    pass\nprint(E)",
    "print shadowed by a value": "print = str\nprint(E)",
    "print shadowed late": "print(E)\nprint = 5",
    "print deleted": "del print\nprint(E)",
    "print deleted late": "print(E)\ndel print\nx = 5",
    "print shadowed inside": "def f():\n    print = str\n    print(5)\nprint(E)\nfor _ in [1]: f()",
    "print of builtins changed": "import builtins\nold = builtins.print\n"
    "builtins.print = lambda *a, **k: old('x')\nprint(E)",
    "print_stack read": "print(E)\nx = len(print_stack)\ndel x",
    "print_stack cleared": "print(E)\nprint_stack.clear()\nfor _ in []: pass",
    "print_stack replaced": "print(4)\nprint_stack = []\nprint(E)",
    "print_stack is text": "print(E)\nprint_stack = 'text'\nfor _ in []: pass",
    "write": "import sys\nsys.stdout.write(str(E))",
    "write after": "import sys\nprint(E)\nsys.stdout.write('5\\n')",
    "write after, in a loop": "import sys\nprint(E)\nfor _ in [1]: sys.stdout.write('5\\n')",
    "pprint": "import pprint\nprint(E)\npprint.pprint(5)",
    "changed afterwards": "x = [E]\nprint(x)\nfor _ in [1]: x.append(1)",
    "emptied afterwards": "x = [E]\nprint(x)\nfor _ in [1]: x.clear()",
    "raises after": "print(E)\nraise ValueError('no')",
    "raises before": "raise ValueError('no')\nprint(E)",
    "divides by zero after": "print(E)\nx = 1 / 0",
    "unknown name after": "print(E)\nprint(unknown)",
    "assertion after": "print(E)\nassert 1 == 2, 'no'",
    "raises in the last expression": "print(E)\nint('x')",
    "raises while the last is computed": "x = [E]\nx[5]",
    "exit after": "print(E)\nexit()",
    "quit after": "print(E)\nquit(1)",
    "exit before": "exit()\nprint(E)",
    "keyboard interrupt caught": "try:\n    raise KeyboardInterrupt\nexcept BaseException:\n    print(E)",
    "sys.exit caught": "import sys\ntry:\n    sys.exit(1)\nexcept SystemExit:\n    print(E)",
    "syntax error": "print(E)\nx = (",
    "syntax error of the compiler": "print(E)\nbreak",
    "indentation error": "print(E)\n  x = 1",
    "tab": "if True:\n\tprint(E)",
    "carriage returns": "x = E\r\nprint(x)\r\n",
    "form feed": "x = E\n\x0cprint(x)",
    "nul": "print(E)\x00",
    "byte order mark": "\ufeffprint(E)",
    "coding line": "# -*- coding: latin-1 -*-\nprint(E)",
    "future import": "from __future__ import annotations\nx: int = E\nprint(x)",
    "future import at the end": "from __future__ import annotations\ndef f(x: nothing): return x\nf(E)",
    "docstring": "'''A program.'''\nprint(E)",
    "names beyond ASCII": "größe = E\nprint(größe)",
    "star import": "from math import *\nprint(E)",
    "recursion": "def f():\n    f()\nprint(E)\nf()",
    "dataclass": "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: object\nprint(A(E).x)",
    "named in globals": "globals()['x'] = E\nprint(x)",
    "print by globals": "globals()['print'](E)\nfor _ in []: pass",
    "input": "print(E)\nx = input()",
    "warning": "import warnings\nwarnings.warn('x')\nprint(E)",
    "type alias": "print(E)\nx = list[int]",
    "nested functions": "def f():\n    def g():\n        nonlocal x\n        x = E\n    x = 0\n    g()\n    return x\nprint(f())",
    "chained": "x = E\nprint(x if x is not None else 0)",
    "ellipsis": "print(E)\n...",
    "set of names": "x = E\n[x][0]",
    "slice": "x = [E]\nx[0]",
    "matrix product": "print(E) @ 1",
    "empty": "",
    "comment only": "# print(E)",
    "nothing printed": "x = E\nif False:\n    print(x)",
}  # fmt: skip

SLOW_ENDS: dict[str, str] = {
    "endless loop after": "print(E)\nwhile True:\n    pass",
    "sleeps after": "import time\nprint(E)\ntime.sleep(60)",
    "endless loop before": "while True:\n    pass\nprint(E)",
    "endless value": "print(E)\nprint(x for x in iter(int, 1))",
    "catches the alarm": "print(E)\ntry:\n    while True:\n        pass\nexcept Exception:\n    print(5)",
}

HEADER = "# Import libraries.\n\nimport numpy as np\n\n"

Program = tuple[str, str, Any]
"""What it is called, its text, and the gold value."""


def _of(style: str, template: str, value: str, gold: Any, header: str = "") -> Program:
    name = f"{style}: {value} for {json.dumps(gold)}"
    return name, header + template.replace("E", value), gold


def every_value() -> list[Program]:
    """Each value, printed in the plain way, beside each of its gold values."""
    found = [_of("plain", "print(E)", value, gold) for value, golds in VALUES for gold in golds]
    found += [
        _of("numpy", "print(E)", value, gold, HEADER) for value, golds in NUMPY for gold in golds
    ]
    pandas = f"{HEADER}import pandas as pd\n"
    found += [
        _of("pandas", "print(E)", value, gold, pandas) for value, golds in PANDAS for gold in golds
    ]
    return found


def every_style() -> list[Program]:
    """Each style, with a few values whose gold values it may meet or miss."""
    some: list[tuple[str, list[Any]]] = [("3", [3]), ("'ab'", ["ab", 5]), ("[1, 2]", [[1, 2]])]
    return [
        _of(style, template, value, gold)
        for style, template in STYLES.items()
        for value, golds in some
        for gold in golds
    ]


def mixed(count: int, seed: int = 0) -> list[Program]:
    """Styles and values by chance."""
    chance = random.Random(seed)
    found = []
    for _ in range(count):
        style = chance.choice(list(STYLES))
        value, golds = chance.choice(VALUES + NUMPY)
        header = HEADER if "np." in value or chance.random() < 0.5 else ""
        gold = chance.choice([*golds, golds[0], golds[0]])
        found.append(_of(style, STYLES[style], value, gold, header))
    return found
