"""What a person would accept, and what not: programs, expected values and verdicts of `strict`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from multiturn.benchmarks.oracles import inside
from multiturn.benchmarks.oracles.answers import judge_answer
from multiturn.sandbox.oracles.verdicts import Judgement
from multiturn.sandbox.protocol import Limits, Sandbox
from multiturn.sandbox.supervisor.pool import HEAVY_MODULES

pytestmark = pytest.mark.real

LIMITS = Limits(cpu_seconds=5.0)

RIGHT: list[tuple[str, object]] = [
    # the ways to print
    ("print(42)", 42),
    ("print(42, flush=True)", 42),
    ("print(42, end='')", 42),
    ("print(4, end='')\nprint(2)", 42),
    ("print('  ')\nprint(42)\nprint()\nprint()", 42),
    ("print('Result:')\nprint(42)", 42),
    ("import sys\nprint(42, file=sys.stdout)", 42),
    ("import sys\nprint(42)\nprint('done', file=sys.stderr)", 42),
    ("import sys\nprint(42)\nsys.stderr.write('done')", 42),
    ("import builtins\nbuiltins.print(9)", 9),
    ("from builtins import print as show\nshow(9)", 9),
    ("import sys\nsys.stdout.write('hello\\n')", "hello"),
    ("import sys\nsys.stdout.write('hello')", "hello"),
    ("import sys\nsys.stdout.write('he')\nsys.stdout.write('llo')", "hello"),
    ("import sys\nsys.stdout.write(str([1, 2]) + '\\n')", [1, 2]),
    ("import sys\nsys.stdout.writelines(['a\\n', 'b\\n'])", "a\nb"),
    ("import sys\nsys.stdout.buffer.write(b'ok\\n')", "ok"),
    ("import sys\nsys.stdout.buffer.write('\\u00e9\\n'.encode())", "\u00e9"),
    ("import sys\nsys.stdout.buffer.raw.write(b'7\\n')", 7),
    ("import sys\nsys.__stdout__.write('ok\\n')", "ok"),
    ("import os\nos.write(1, b'ok\\n')", "ok"),
    ("import os, sys\nprint('a')\nsys.stdout.flush()\nos.write(sys.stdout.fileno(), b'ok\\n')",
     "ok"),
    ("import sys\nsys.stdout.reconfigure(encoding='utf-8', line_buffering=True)\nprint('ok')",
     "ok"),
    ("import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8')\n"
     "print('\\u00e9')", "\u00e9"),
    ("import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.detach())\nprint(5)", 5),
    ("out = __import__('sys').stdout\nout.write('5\\n')\nout.flush()", 5),
    ("from pprint import pprint\npprint({'a': 1})", {"a": 1}),
    ("from pprint import pprint\npprint('hello')", "hello"),
    ("from pprint import pprint\npprint('some words ' * 20)", "some words " * 20),
    ("from pprint import pprint\npprint([['some words ' * 9], 1])", [["some words " * 9], 1]),
    ("from pprint import pprint\npprint({i: list(range(9)) for i in range(9)})",
     {str(i): list(range(9)) for i in range(9)}),
    ("from pprint import pprint, pformat\nprint(pformat(list(range(100))))", list(range(100))),
    ("from pprint import pp\npp([{'b': 1, 'a': 2}] * 20)", [{"b": 1, "a": 2}] * 20),
    ("import json\nprint(json.dumps({'a': [True, None, 1.5]}))", {"a": [True, None, 1.5]}),
    ("import json\nprint(json.dumps({'a': [1, 2], 'b': {}}, indent=2))", {"a": [1, 2], "b": {}}),
    ("import json\nprint(json.dumps([[1], [2]], indent=4))", [[1], [2]]),
    ("import json\nprint(json.dumps('\\u00e9\\U0001f600'))", "\u00e9\U0001f600"),
    ("import json, sys\njson.dump([1, 2], sys.stdout)", [1, 2]),
    ("print('%d' % 42)", 42),
    ("print('{}'.format([1, 2]))", [1, 2]),
    ("import textwrap\nprint(textwrap.dedent('''\\\n  a\n    b\n'''))", "a\n  b"),
    ("import logging, sys\nlogging.basicConfig(stream=sys.stdout, format='%(message)s', level=20)\n"
     "logging.info('ok')", "ok"),
    ("import builtins\nreal = print\nbuiltins.print = lambda *a: real('-', *a)\nprint(5)", "- 5"),
    ("def print(*a):\n    import sys\n    sys.stdout.write(' '.join(map(str, a)))\nprint(5)", 5),
    # the ways to end
    ("import sys\nprint(42)\nsys.exit(0)", 42),
    ("print(42)\nexit()", 42),
    ("print(42)\nquit()", 42),
    ("print(42)\nraise SystemExit", 42),
    ("import sys\ndef main():\n    print(42)\n    return 0\nif __name__ == '__main__':\n"
     "    sys.exit(main())", 42),
    ("def main():\n    print(42)\nmain()", 42),
    ("import sys\ndef f():\n    try:\n        sys.exit()\n    finally:\n        print(42)\nf()",
     42),
    ("import atexit, sys\natexit.register(print, 42)\nsys.exit(0)", 42),
    ("import threading\nthreading.Thread(target=print, args=(42,)).start()", 42),
    ("import warnings\nprint(42)\nwarnings.warn('old')", 42),
    ("class D:\n    def __del__(self): print(42)\nd = D()\ndel d", 42),
    ("import sys\nsys.setrecursionlimit(10**4)\ndef f(n): return n and 1 + f(n - 1)\n"
     "print(f(2000))", 2000),
    ("def f(n): return n and 1 + f(n - 1)\nprint(f(950))", 950),
    ("class D:\n    def __del__(self): print(42)\nd = D()", 42),
    ("import unittest\nprint(42)\nunittest.main()", 42),
    # what stands below the last print
    ("xs = [3, 1]\nprint(sorted(xs))\nxs.pop()", [1, 3]),
    ("print(7)\n'done'", 7),
    ("print(7)\nx = 8", 7),
    ("x = [1]\nprint(x)\nx.append(2)", [1]),
    ("x = 3\nx", 3),
    ("'abc'", "abc"),
    ("[1, 'a']", [1, "a"]),
    ("class T:\n    def __repr__(self): return 'total 3'\nT()", "total 3"),
    ("class T:\n    def __str__(self): raise ValueError\nprint(3)\nx = T()", 3),
    # numbers
    ("print(-5)", -5),
    ("print(10**30)", 10**30),
    ("print(0.1 + 0.2)", 0.3),
    ("print(1e20)", 10**20),
    ("print(3.0)", 3),
    ("print(3)", 3.0),
    ("print('255')", 255),
    ("print(f'{2.345678:.2f}')", 2.35),
    ("print('%.3f' % 0.5)", 0.5),
    ("print(format(2, '.2f'))", 2),
    ("print(f'{2.5:10.2f}')", 2.5),
    ("print(f'{1234.5:e}')", 1234.5),
    ("print(round(2.567, 1))", 2.6),
    ("from decimal import Decimal\nprint(Decimal('1.5'))", 1.5),
    ("from decimal import Decimal\nprint(Decimal('1E+3'))", 1000),
    ("from decimal import Decimal\nprint([Decimal('1.5'), Decimal(2)])", [1.5, 2]),
    ("from fractions import Fraction\nprint(Fraction(1, 2))", 0.5),
    ("from fractions import Fraction\nprint(Fraction(4, 2))", 2),
    ("from fractions import Fraction\nprint([Fraction(1, 4)])", [0.25]),
    ("print(float('inf'))", float("inf")),
    ("print(float('nan'))", float("nan")),
    ("from enum import IntEnum\nclass C(IntEnum):\n    A = 3\nprint(int(C.A))", 3),
    ("class M(int): pass\nprint(M(3))", 3),
    # true, false and none
    ("print(1 < 2)", True),
    ("print('False')", False),
    ("import json\nprint(json.dumps(True))", True),
    ("print(None)", None),
    ("import json\nprint(json.dumps(None))", None),
    ("print([True, None, False])", [True, None, False]),
    # text
    ("print(*['a', 'b', 'c'], sep=', ')", "a, b, c"),
    ("h, m = 7, 5\nprint(h, f'{m:02}', sep=':')", "7:05"),
    ("print('a  b ')", "a  b"),
    ("print(' a')", " a"),
    ("print('')", ""),
    ("print()", ""),
    ("print('a\\nb\\n\\nc')", "a\nb\n\nc"),
    ("for x in 'abc': print(x)", "a\nb\nc"),
    ("print('x')\nprint('a\\nb')", "a\nb"),
    ("print('a\\r\\nb')", "a\nb"),
    ("print('a\\tb')", "a\tb"),
    ("print('abc\\n')", "abc\n"),
    ("print(repr('abc'))", "abc"),
    ("print(repr('it\\'s \"so\"\\n'))", "it's \"so\"\n"),
    ("print(255)", "255"),
    ("print(True)", "True"),
    ("print([1, 2])", "[1, 2]"),
    ("print('[1, 2]')", "[1, 2]"),
    ("print('\"quoted\"')", '"quoted"'),
    ("class T:\n    def __str__(self):\n        return 'total 3'\nprint(T())", "total 3"),
    ("class T:\n    def __repr__(self):\n        return 'T(3)'\nprint(T())", "T(3)"),
    ("class T:\n    def __str__(self):\n        return '42'\nprint(T())", 42),
    ("class T(list):\n    def __str__(self):\n        return 'list of 2'\nprint(T([1, 2]))",
     "list of 2"),
    ("try:\n    raise ValueError('too small')\nexcept ValueError as e:\n    print(e)", "too small"),
    ("import datetime\nprint(datetime.date(2020, 1, 2))", "2020-01-02"),
    ("from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\nprint(P(1))", "P(x=1)"),
    ("print('\\u4f60\\u597d')", "\u4f60\u597d"),
    # lists
    ("print([1, 2])", [1, 2]),
    ("print((1, 2))", [1, 2]),
    ("print((1,))", [1]),
    ("print([])", []),
    ("print(*[])", []),
    ("print('x')\nprint(*[])", []),
    ("print(())", []),
    ("print(*[5])", [5]),
    ("for row in [[1, 2]]: print(*row)", [[1, 2]]),
    ("print(*[''])", [""]),
    ("print(*[1, 2, 3])", [1, 2, 3]),
    ("print(*[1, 2, 3], sep=', ')", [1, 2, 3]),
    ("print(*[1, 2, 3], sep=',')", [1, 2, 3]),
    ("print(*[1, 2, 3], sep='\\n')", [1, 2, 3]),
    ("for x in [1, 2, 3]: print(x)", [1, 2, 3]),
    ("for x in [1, 2, 3]: print(x, end=' ')\nprint()", [1, 2, 3]),
    ("for x in [1, 2, 3]: print(x, end=', ')", [1, 2, 3]),
    ("print('found', 1)\nfor x in [1, 2, 3]: print(x)", [1, 2, 3]),
    ("print(1, 'apples')", [1, "apples"]),
    ("print(*['a', 'b'])", ["a", "b"]),
    ("print('[' + ', '.join(['new york', 'paris']) + ']')", ["new york", "paris"]),
    ("print('(a, b)')", ["a", "b"]),
    ("print(*['new york', 'paris'], sep=', ')", ["new york", "paris"]),
    ("print('\\n'.join(['new york', 'paris']))", ["new york", "paris"]),
    ("print(' '.join(map(str, [1.5, 2])))", [1.5, 2]),
    ("print(str([1, 2])[1:-1])", [1, 2]),
    ("print(str(['a', 'b'])[1:-1])", ["a", "b"]),
    ("print([1, 'a', None, True, 2.5])", [1, "a", None, True, 2.5]),
    ("print(*[1, None, True])", [1, None, True]),
    ("print([f'{x:.1f}' for x in [1, 2]])", ["1.0", "2.0"]),
    ("print({1, 2})", [2, 1]),
    ("print({'b', 'a'})", ["a", "b"]),
    ("print(frozenset({'b', 'a'}))", ["a", "b"]),
    ("print(set())", []),
    ("from collections import deque\nprint(deque([1, 2]))", [1, 2]),
    ("print({'a': 1, 'b': 2}.keys())", ["a", "b"]),
    ("print({'a': 1, 'b': 2}.values())", [1, 2]),
    ("print({'a': 1}.items())", [["a", 1]]),
    ("from array import array\nprint(array('i', [1, 2]))", [1, 2]),
    ("from collections import namedtuple\nP = namedtuple('P', 'x y')\nprint(list(P(1, 2)))",
     [1, 2]),
    ("print([0.1 + 0.2])", [0.3]),
    ("print(list(range(2000)))", list(range(2000))),
    # lists of lists
    ("print([(1, 2), (3, 4)])", [[1, 2], [3, 4]]),
    ("print([[], [1]])", [[], [1]]),
    ("print(*[[1, 2], [3, 4]], sep='\\n')", [[1, 2], [3, 4]]),
    ("print(*[[1, 2], [3, 4]])", [[1, 2], [3, 4]]),
    ("for row in [[1, 2], [3, 4]]: print(row)", [[1, 2], [3, 4]]),
    ("for row in [[1, 2], [3, 4]]: print(*row)", [[1, 2], [3, 4]]),
    ("for row in [[1, 2], [3, 4]]:\n    for x in row: print(f'{x:3}', end='')\n    print()",
     [[1, 2], [3, 4]]),
    ("for row in ['ab', 'cd']: print(' '.join(row))", [["a", "b"], ["c", "d"]]),
    ("print('[' + ',\\n '.join(map(str, [[1, 2], [3, 4]])) + ']')", [[1, 2], [3, 4]]),
    ("print('[' + ',\\n'.join(map(str, [[1, 2], [3, 4]])) + ']')", [[1, 2], [3, 4]]),
    ("print(',\\n'.join(map(str, [[1, 2], [3, 4]])))", [[1, 2], [3, 4]]),
    ("for k, v in [('a', 1), ('b', 2)]: print(k, v)", [["a", 1], ["b", 2]]),
    # mappings
    ("print({'a': 1})", {"a": 1}),
    ("print({})", {}),
    ("print({1: 'a', 2: 'b'})", {"1": "a", "2": "b"}),
    ("print({True: 1, None: 2})", {"true": 1, "null": 2}),
    ("print({(1, 2): 3})", {"(1, 2)": 3}),
    ("print({'b': [1, (2,)], 'a': {'c': None}})", {"a": {"c": None}, "b": [1, [2]]}),
    ("from collections import OrderedDict\nprint(OrderedDict(a=1, b=2))", {"a": 1, "b": 2}),
    ("from collections import Counter\nprint(Counter('aab'))", {"a": 2, "b": 1}),
    ("from collections import defaultdict\nd = defaultdict(int)\nd['a'] += 1\nprint(d)", {"a": 1}),
    ("from collections import defaultdict\nd = defaultdict(lambda: [])\nd['a'].append(1)\nprint(d)",
     {"a": [1]}),
    ("for k, v in {'a': 1, 'b c': 2}.items(): print(f'{k}: {v}')", {"a": 1, "b c": 2}),
    ("for k, v in {'b': 1, 'a': 2}.items(): print(k, v)", {"a": 2, "b": 1}),
    ("import types\nprint(types.MappingProxyType({'a': 1}))", {"a": 1}),
]  # fmt: skip

SCIENCE: list[tuple[str, object]] = [
    ("print(np.matrix([[1, 2], [3, 4]]))", [[1, 2], [3, 4]]),
    ("print(np.array([1, 2]))", [1, 2]),
    ("print(np.array([[1.5, 2], [3, 4]]))", [[1.5, 2], [3, 4]]),
    ("print(np.arange(8).reshape(2, 2, 2))", [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]),
    ("print(np.arange(5000))", list(range(5000))),
    ("print(str(np.arange(100)))", list(range(100))),
    ("print(np.array([1 / 3]))", [1 / 3]),
    ("np.set_printoptions(precision=2)\nprint(np.array([2.345678]))", [2.35]),
    ("print(repr(np.array([[1, 2]])))", [[1, 2]]),
    ("print(np.array(['a', 'b']))", ["a", "b"]),
    ("print(np.array([True, False]))", [True, False]),
    ("print(np.ma.array([1, 2, 3], mask=[0, 1, 0]))", [1, None, 3]),
    ("print(np.array([[1.5, 1e10]]))", [[1.5, 1e10]]),
    ("print(np.array([]))", []),
    ("print(np.zeros((3, 0)))", [[], [], []]),
    ("print(np.array(2.5))", 2.5),
    ("print(np.int64(2))", 2),
    ("print(np.float32(0.1))", 0.1),
    ("print(np.float16(0.1))", 0.1),
    ("print(np.bool_(True))", True),
    ("print(np.str_('a'))", "a"),
    ("print([np.int64(2), np.float64(0.5), np.bool_(True), np.str_('a')])", [2, 0.5, True, "a"]),
    ("print((np.float64(0.5),))", [0.5]),
    ("print({np.int64(1): np.float64(2)})", {"1": 2}),
    ("print([np.array([1, 2]), np.array([3, 4])])", [[1, 2], [3, 4]]),
    ("print({'a': np.array([1, 2])})", {"a": [1, 2]}),
    ("print(*np.array([1, 2]))", [1, 2]),
    ("print(*np.array([[1, 2], [3, 4]]), sep='\\n')", [[1, 2], [3, 4]]),
    ("for row in np.eye(2): print(row)", [[1, 0], [0, 1]]),
    ("print(np.array([1, 2]), np.array([3]))", [[1, 2], [3]]),
    ("import sys\nsys.stdout.write(str(np.eye(2)))", [[1, 0], [0, 1]]),
    ("from pprint import pprint\npprint(np.array([1, 2]))", [1, 2]),
    ("print(np.array([[1, 2], [3, 4]]))", "[[1 2]\n [3 4]]"),
    ("np.array([1, 2])", [1, 2]),
    ("import pandas as pd\nprint(pd.Series([1, 2]))", [1, 2]),
    ("import pandas as pd\nprint(pd.Series([1, 2], index=['a', 'b']))", {"a": 1, "b": 2}),
    ("import pandas as pd\nprint(pd.Series(['x', 'y']))", ["x", "y"]),
    ("import pandas as pd\nprint(pd.DataFrame({'a': [1, 2], 'b': [3, 4]}))", [[1, 3], [2, 4]]),
    ("import pandas as pd\nprint(pd.DataFrame({'a': [1, 2]}))", {"a": [1, 2]}),
    ("import pandas as pd\nprint(pd.DataFrame({'a': [1, 2]}))", [{"a": 1}, {"a": 2}]),
    ("import pandas as pd\nprint(pd.DataFrame({'a': [1, 2]}))", {"a": {"0": 1, "1": 2}}),
    ("import pandas as pd\nprint(pd.DataFrame({'a': [1, 2]}).columns)", ["a"]),
    ("import pandas as pd\nprint(pd.DataFrame({'a': [1]}).to_string(index=False))", " a\n 1"),
    ("import pandas as pd\nprint(pd.DataFrame({'a': [1.5] * 300}))", [[1.5]] * 300),
]  # fmt: skip

WRONG: list[tuple[str, object]] = [
    ("print(42)\nraise ValueError", 42),
    ("print(42)\nassert False", 42),
    ("import sys\nprint(42)\nsys.exit(1)", 42),
    ("import sys\nprint(42)\nsys.exit('done')", 42),
    ("print(42)\nexit(2)", 42),
    ("import os\nprint(42, flush=True)\nos._exit(0)", 42),
    ("print(42)\nprint(41)", 42),
    ("print(42)\nprint('done')", 42),
    ("import sys\nprint(42)\nsys.stdout.write('41')", 42),
    ("import os\nprint(42, flush=True)\nos.write(1, b'41')", 42),
    ("import atexit\nprint(42)\natexit.register(print, 41)", 42),
    ("x = 42", 42),
    ("x = []", []),
    ("", ""),
    ("pass", None),
    ("def f(): return 42\nf", 42),
    ("print(41)\n42", 42),
    ("import sys\nprint(42, file=sys.stderr)", 42),
    ("import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()):\n    print(42)", 42),
    ("import io\nprint(42, file=io.StringIO())", 42),
    ("print(4)\nprint(2)", 42),
    ("print('4' + '2x')", 42),
    ("print('42 apples')", 42),
    ("print('The answer is 42')", 42),
    ("print('total:', 42)", 42),
    ("print('42.')", "42"),
    ("print(True)", 1),
    ("print(1)", True),
    ("print('yes')", True),
    ("print('true ')\nprint(1)", True),
    ("print(0)", False),
    ("print('')", None),
    ("print(None)", "null"),
    ("print(0)", None),
    ("print([])", None),
    ("print(2.99)", 2),
    ("print(2.01)", 2),
    ("print(0.30001)", 0.3),
    ("print(hex(42))", 42),
    ("print(bin(42))", 42),
    ("print(f'{1234567:,}')", 1234567),
    ("print(f'{1000:_}')", 1000),
    ("print('007')", 7),
    ("print('50%')", 50),
    ("print(complex(2))", 2),
    ("print('1' * 5000)", 1),
    ("print('4 2')", 42),
    ("print([42])", 42),
    ("print((42,))", 42),
    ("print({42})", 42),
    ("print(repr('42'))", 42),
    ("print('1/0')", 1),
    ("print('abc')", ["a", "b", "c"]),
    ("print('the abc')", "abc"),
    ("print('abc.')", "abc"),
    ("print('ABC')", "abc"),
    ("print('a b')", "a  b"),
    ("print('b')", " b"),
    ("print('abc')\nprint('d')", "abc"),
    ("print('a\\nc')", "a\nb"),
    ("print('b')", "a\nb"),
    ("print('a\\n\\nb')", "a\nb"),
    ("print(['a'])", "a"),
    ("print(3.0)", "3"),
    ("print(['a', 'b'])", "a, b"),
    ("class T:\n    def __str__(self): return 'total 4'\nprint(T())", "total 3"),
    ("class T(int):\n    def __str__(self): return '41'\nprint(T(42))", 42),
    ("class T(list):\n    def __str__(self): return 'nothing'\nprint(T([1, 2]))", [1, 2]),
    ("class T:\n    __eq__ = lambda a, b: True\nprint(T())", 42),
    ("print(x for x in [1, 2])", [1, 2]),
    ("print(map(str, [1]))", ["1"]),
    ("print(range(3))", [0, 1, 2]),
    ("print(iter([1, 2]))", [1, 2]),
    ("print(lambda: 42)", 42),
    ("print(print)", None),
    ("print([1, 2, 3])", [1, 2]),
    ("print([1])", [1, 2]),
    ("print([2, 1])", [1, 2]),
    ("print(*[2, 1])", [1, 2]),
    ("print(*[1, 2, 3])", [1, 2]),
    ("print(12)", [1, 2]),
    ("print('1-2')", [1, 2]),
    ("print([1, 2, 3, 4])", [[1, 2], [3, 4]]),
    ("print([[1, 2, 3, 4]])", [[1, 2], [3, 4]]),
    ("print(['1', '2'])", [1, 2]),
    ("print([1, 2])", ["1", "2"]),
    ("print([True, False])", [1, 0]),
    ("print({1, 2, 3})", [1, 2]),
    ("print('{1, 1}')", [1]),
    ("print({'a': 1})", ["a"]),
    ("print({'a': 1, 'b': 2})", {"a": 1}),
    ("print({'a': 2})", {"a": 1}),
    ("print([('a', 1)])", {"a": 1}),
    ("print({'a'})", {"a": 1}),
    ("print('{\"a\": 1, \"a\": 1}')", {"a": 1}),
    ("for k, v in {'a': 1, 'b': 3}.items(): print(f'{k}: {v}')", {"a": 1, "b": 2}),
    ("print([1, [2]])", [1, 2]),
    ("for x in [1, 2, 4]: print(x)", [1, 2, 3]),
    ("for x in [1, 2, 3]: print(x)\nprint('end')", [1, 2, 3]),
    ("print([1, ...])", [1, 2]),
    ("print([])", [[]]),
    ("print([1, 2])", [[1, 2]]),
    ("print({'a': 1})", [{"a": 1}]),
    ("class D:\n    def __del__(self): print(41)\nd = D()\nprint(42)", 42),
    ("print('[a, b, c]')", ["a", "b"]),
    ("print('[1]')", ["[1]", "2"]),
]  # fmt: skip

WRONG_SCIENCE: list[tuple[str, object]] = [
    ("print(np.zeros((5, 0)))", []),
    ("print(np.zeros((2, 0, 3)))", []),
    ("np.zeros((5, 0))", []),
    ("print([np.zeros((3, 0))])", [[]]),
    ("print(np.float16('inf'))", 125411328000),
    ("print(np.array([np.inf], dtype='float16'))", [125411328000]),
    ("print(np.array([[1]]))", [1]),
    ("print(np.array([1, 2]))", [[1, 2]]),
    ("print(np.array([1]))", 1),
    ("print(np.arange(4))", [[0, 1], [2, 3]]),
    ("print(np.arange(2000))", [0, 1, 2, 1997, 1998, 1999]),
    ("print(np.array([1, 2]) == 1)", [1, 0]),
    ("print(np.uint8(255) + np.uint8(1))", 256),
    ("import pandas as pd\nprint(pd.Series([5, 5, 5]))", 5),
    ("import pandas as pd\nprint(pd.Series([1, 2], index=['a', 'b']))", {"a": 1, "b": 3}),
    ("import pandas as pd\nprint(pd.DataFrame({'a': [1]}))", ["a"]),
    ("import pandas as pd\nprint(pd.DataFrame({'a': [1]}))", [1]),
    ("import pandas as pd\nprint(pd.DataFrame())", []) ,
]  # fmt: skip


def named(rows: list[tuple[str, object]]) -> list[object]:
    return [pytest.param(source, gold, id=f"{source} for {gold!r}"[:90]) for source, gold in rows]


@pytest.mark.parametrize(("source", "gold"), named(RIGHT))
def test_right(sandbox: Sandbox, source: str, gold: object) -> None:
    verdict = judge_answer(sandbox, source, gold, limits=LIMITS)["strict"]
    assert verdict.passed, verdict.describe()


@pytest.mark.parametrize(("source", "gold"), named(WRONG))
def test_wrong(sandbox: Sandbox, source: str, gold: object) -> None:
    verdict = judge_answer(sandbox, source, gold, limits=LIMITS)["strict"]
    assert not verdict.passed
    assert verdict.judgement is not Judgement.UNDECIDED


@pytest.mark.parametrize(("source", "gold"), named(SCIENCE))
def test_right_with_numpy_and_pandas(sandbox: Sandbox, source: str, gold: object) -> None:
    pytest.importorskip("pandas" if "pandas" in source else "numpy")
    source = f"import numpy as np\n{source}"
    verdict = judge_answer(sandbox, source, gold, limits=LIMITS)["strict"]
    assert verdict.passed, verdict.describe()


@pytest.mark.parametrize(("source", "gold"), named(WRONG_SCIENCE))
def test_wrong_with_numpy_and_pandas(sandbox: Sandbox, source: str, gold: object) -> None:
    pytest.importorskip("pandas" if "pandas" in source else "numpy")
    source = f"import numpy as np\n{source}"
    assert not judge_answer(sandbox, source, gold, limits=LIMITS)["strict"].passed


def test_a_program_with_a_syntax_tree_too_deep_for_python_runs(sandbox: Sandbox) -> None:
    source = f"print({'+'.join(['1'] * 1200)})"
    assert judge_answer(sandbox, source, 1200, limits=LIMITS)["strict"].passed
    assert not judge_answer(sandbox, source, 1201, limits=LIMITS)["strict"].passed


def test_more_output_than_allowed_fails_strict_alone(sandbox: Sandbox) -> None:
    source = "for _ in range(300):\n    print('x' * 10_000)\nprint(3)"
    verdicts = judge_answer(sandbox, source, 3, limits=LIMITS)
    assert verdicts["legacy"].passed
    assert verdicts["strict"].describe() == "printed too much"


def test_the_code_beside_a_program_names_no_heavy_package() -> None:
    """A sandbox preloads the packages that a source names: each plain program would wait."""
    source = Path(inside.__file__).read_text(encoding="utf-8")
    assert re.findall(rf"\b({'|'.join(HEAVY_MODULES)})\b", source) == []
