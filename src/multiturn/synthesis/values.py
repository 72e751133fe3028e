"""The values that a program leaves in its variables, as short text.

They are read inside the sandbox, at the end of the same run: an expression that cannot fail
describes every global name that the program has made. `read_values` does the same here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["MAX_NAMES", "READ_VALUES", "changed_values", "read_values", "values_from"]

MAX_NAMES = 100
MAX_CHARACTERS = 200
"""Of the text of one value."""

_READER = f"""
import reprlib, inspect, types, sys, os
short = reprlib.Repr()
short.maxdict = short.maxlist = short.maxtuple = short.maxset = short.maxfrozenset = 40
short.maxdeque = short.maxarray = 40
short.maxlevel, short.maxstring, short.maxlong, short.maxother = 5, 160, 80, 160
def describe(value, inside=False):
    kind = type(value)
    if isinstance(value, types.ModuleType):
        return None
    if isinstance(value, types.FunctionType):
        return "function " + value.__name__ + str(inspect.signature(value))
    if isinstance(value, type):
        return "class " + value.__name__
    if kind.__repr__ is object.__repr__:
        if inside or not hasattr(value, "__dict__"):
            return kind.__name__ + " object"
        fields = ", ".join(str(k) + "=" + str(describe(v, True)) for k, v in vars(value).items())
        return kind.__name__ + "(" + fields + ")"
    text = short.repr(value)
    return text if " at 0x" not in text else kind.__name__ + " object"
def read(space):
    found = {{}}
    # Describing a value may run code of the program; what that prints is no output of a step.
    saved, sys.stdout, null = sys.stdout, None, None
    try:
        null = open(os.devnull, "w")
        sys.stdout = null
        for name in list(space):
            if not isinstance(name, str) or name.startswith("_") or len(found) >= {MAX_NAMES}:
                continue
            try:
                text = describe(space[name])
            except BaseException as error:
                text = type(space[name]).__name__ + " object"
            if text is not None:
                text = text.encode("utf-8", "replace").decode("utf-8")
                long = len(text) > {MAX_CHARACTERS}
                found[name] = text[:{MAX_CHARACTERS}] + "..." if long else text
    except BaseException:
        pass
    finally:
        sys.stdout = saved
        if null is not None:
            null.close()
    return found
"""

READ_VALUES = (
    "(lambda space, names: (__import__('builtins').exec(" + repr(_READER) + ", names), "
    "names['read'](space))[1])(__import__('builtins').globals(), {})"
)
"""The expression for `Program.result`."""


def read_values(namespace: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The names of a namespace of this process and their values, as `READ_VALUES` gives them.

    Describing a value may run code of its class.

    Example:
        >>> read_values({"x": 2, "_hidden": 3})
        (('x', '2'),)
    """
    names: dict[str, Any] = {}
    exec(_READER, names)
    return values_from(names["read"](namespace)) or ()


def values_from(value: object) -> tuple[tuple[str, str], ...] | None:
    """The names and texts that `READ_VALUES` gave; None for anything else.

    The program may have forged them: they are text, and bounded.
    """
    if not isinstance(value, Mapping):
        return None
    found = [
        (name[:MAX_CHARACTERS], text[: MAX_CHARACTERS + 3])
        for name, text in list(value.items())[:MAX_NAMES]
        if isinstance(name, str) and isinstance(text, str)
    ]
    return tuple(found)


def changed_values(
    before: tuple[tuple[str, str], ...] | None, after: tuple[tuple[str, str], ...] | None
) -> tuple[tuple[str, str], ...]:
    """The names that are new or have another value; empty if either is unknown."""
    if before is None or after is None:
        return ()
    known = dict(before)
    return tuple((name, text) for name, text in after if known.get(name) != text)
