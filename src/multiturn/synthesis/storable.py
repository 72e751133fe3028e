"""What JSON may contain and a store cannot."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from multiturn.core.errors import InputError

__all__ = ["check_storable"]

MAX_DEPTH = 64
_SURROGATE = re.compile("[\ud800-\udfff]")


def check_storable(data: object, where: str) -> None:
    """Refuse half a character, a number that is not finite, and lists in lists without end.

    Args:
        data: plain data, as from JSON.
        where: its source, for errors.

    Raises:
        InputError: there is such a value.
    """
    waiting: list[tuple[object, int]] = [(data, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise InputError(f"{where} is nested too deeply", allowed=f"{MAX_DEPTH} levels")
        if isinstance(value, Mapping):
            waiting += [(each, depth + 1) for each in (*value.keys(), *value.values())]
        elif isinstance(value, list | tuple):
            waiting += [(each, depth + 1) for each in value]
        elif isinstance(value, str):
            if not value.isascii() and _SURROGATE.search(value):
                raise InputError(f"{where} has half a character (a lone surrogate)", got=value)
        elif isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"{where} has a number that is not finite", got=value)
