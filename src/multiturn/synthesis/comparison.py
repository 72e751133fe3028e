"""Whether what a program printed, or a value it had, is what was expected.

Both are judged by the rule that judges benchmarks (docs/benchmarks.md), outside the sandbox and
on plain data. No object of the program's takes part, so none can say of itself that it is equal.
"""

from __future__ import annotations

from multiturn.sandbox.oracles import values
from multiturn.sandbox.oracles.printed import printed
from multiturn.sandbox.oracles.values import TOLERANCE

__all__ = ["TOLERANCE", "prints", "same_value"]


def prints(expected: object, stdout: str) -> bool:
    r"""Whether what was printed last is what is expected, as text or as a value.

    Example:
        >>> prints("b", "a\nb\n"), prints(3, "total\n3.0\n"), prints([1, 2], "[1, 3]\n")
        (True, True, False)
    """
    if expected == "" and not stdout:
        return True
    return printed(stdout, expected)


def same_value(expected: object, value: object) -> bool:
    """Whether a value is the expected one; see `multiturn.sandbox.oracles.values.values_equal`.

    Example:
        >>> same_value([1, 2.0], (1.0, 2)), same_value({"1": "a"}, {1: "a"}), same_value(1, True)
        (True, True, False)
    """
    return values.values_equal(value, expected)
