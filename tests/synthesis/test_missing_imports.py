"""Imports that a step forgets."""

from __future__ import annotations

import pytest

from multiturn.synthesis.missing_imports import add_imports


@pytest.mark.parametrize(
    ("code", "before", "added"),
    [
        ("y = math.sqrt(2)", "", ["import math"]),
        ("y = np.array([1])", "", ["import numpy as np"]),
        ("y = numpy.array([1])", "", ["import numpy"]),
        ("y = Counter('aab')", "", ["from collections import Counter"]),
        ("def f(x):\n    return sqrt(x)", "", ["from math import sqrt"]),
        ("y = re.sub('a', x, mean(z))", "", ["import re", "from statistics import mean"]),
        ("y = json.dumps(json)", "", ["import json"]),
    ],
)
def test_what_is_imported(code, before, added):
    assert add_imports(code, before) == "\n".join([*added, code])


@pytest.mark.parametrize(
    ("code", "before"),
    [
        ("y = math.sqrt(2)", "import math"),
        ("y = math.sqrt(2)", "math = None"),
        ("import math\ny = math.sqrt(2)", ""),
        ("y = sqrt(2)", "from math import *"),
        ("def f(mean):\n    return mean + 1", ""),
        ("for product in things:\n    print(product)", "things = []"),
        ("y = total.mean", ""),  # an unknown name, but no module
        ("y = time + 1", ""),  # a module's name, but no use of a module
        ("y = string", ""),
        ("y = = 3", ""),
        ("y = math.sqrt(2)", "x = = 3"),
        ("match p:\n    case {'x': 1, **chain}:\n        y = chain", "p = {}"),
        ("try:\n    pass\nexcept OSError as reduce:\n    y = reduce", ""),
        ("", ""),
    ],
)
def test_what_stays_as_it_is(code, before):
    assert add_imports(code, before) == code
