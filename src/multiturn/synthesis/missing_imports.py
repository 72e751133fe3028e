"""Adds the imports that a step forgets.

Models use what they have read a thousand times below its import, such as `math.sqrt` or `Counter`,
without importing it. Where a name of a step is bound nowhere in the program and is the usual name
of a module, or of something in one, the import is unambiguous.
"""

from __future__ import annotations

import ast
import builtins
import sys

from multiturn.synthesis.parsing import bound_names, parse_module

__all__ = ["add_imports"]

_USUAL_NAMES = {"np": "numpy", "pd": "pandas", "plt": "matplotlib.pyplot", "sp": "scipy"}
_MODULES = {"numpy", "pandas", "scipy"}
_MEMBERS = {
    "collections": "Counter OrderedDict defaultdict deque namedtuple",
    "copy": "deepcopy",
    "dataclasses": "dataclass",
    "datetime": "timedelta",
    "decimal": "Decimal",
    "enum": "Enum",
    "fractions": "Fraction",
    "functools": "lru_cache partial reduce",
    "heapq": "heapify heappop heappush",
    "itertools": "accumulate chain combinations cycle groupby islice permutations product "
    "zip_longest",
    "bisect": "bisect_left bisect_right insort",
    "math": "ceil comb factorial floor gcd isclose isqrt lcm log log10 log2 pi prod sqrt",
    "operator": "attrgetter itemgetter",
    "pathlib": "Path",
    "random": "randint shuffle",
    "statistics": "mean median mode pstdev pvariance stdev",
    "string": "ascii_letters ascii_lowercase ascii_uppercase",
    "typing": "Any Callable Dict Iterable List Optional Set Tuple Union",
}
_MODULE_OF = {name: module for module, names in _MEMBERS.items() for name in names.split()}


def add_imports(code: str, before: str) -> str:
    r"""The step, below the imports that it lacks.

    Args:
        code: the step.
        before: the program before it.

    Example:
        >>> print(add_imports("r = math.sqrt(x)\nc = Counter(y)", "x = 4\ny = [1]"))
        import math
        from collections import Counter
        r = math.sqrt(x)
        c = Counter(y)
        >>> add_imports("r = sqrt(x)", "def sqrt(x):\n    return x ** 0.5")
        'r = sqrt(x)'
    """
    tree, earlier = parse_module(code), parse_module(before)
    if tree is None or earlier is None or _imports_all(earlier) or _imports_all(tree):
        return code
    bound = bound_names(tree) | bound_names(earlier)
    attributes_of = {
        node.value.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    lines: dict[str, None] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load):
            continue
        name = node.id
        if name in bound or hasattr(builtins, name):
            continue
        if name in _MODULE_OF:
            lines[f"from {_MODULE_OF[name]} import {name}"] = None
        elif name in attributes_of and name in _USUAL_NAMES:
            lines[f"import {_USUAL_NAMES[name]} as {name}"] = None
        elif name in attributes_of and (name in sys.stdlib_module_names or name in _MODULES):
            lines[f"import {name}"] = None
    return "\n".join([*sorted(lines, key=lambda line: line.startswith("from")), code])


def _imports_all(tree: ast.Module) -> bool:
    """Whether there is a `from ... import *`, after which any name may exist."""
    return any(isinstance(node, ast.alias) and node.name == "*" for node in ast.walk(tree))
