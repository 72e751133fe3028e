"""The kinds of values that cross, beside Python's own plain data, and the limits of all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_INT_BITS",
    "MAX_NODES",
    "RECORDS",
    "ArrayData",
    "EncodingError",
    "FrameData",
    "Opaque",
    "ScalarData",
    "SeriesData",
]

MAX_DEPTH = 64
MAX_NODES = 1_000_000
MAX_BYTES = 16 << 20
"""The longest encoding that is written or read."""

MAX_INT_BITS = 1 << 20
"""Larger integers are refused: converting them to text takes quadratic time."""


class EncodingError(ValueError):
    """A value is not plain data, or is too large or deep; or an encoding is malformed."""


@dataclass(frozen=True, slots=True)
class ArrayData:
    """A numpy array: `items` in C order, as plain data."""

    dtype: str
    shape: tuple[int, ...]
    items: tuple[Any, ...]

    def tolist(self) -> Any:
        """Nested lists in the array's shape, or the one item of an array without axes."""
        rows: list[Any] = list(self.items)
        for axis in range(len(self.shape) - 1, 0, -1):
            # By the shape, as rows without columns have no items to count.
            count, length = math.prod(self.shape[:axis]), self.shape[axis]
            if count > MAX_NODES:
                return Opaque(f"array of {count} rows without columns")
            rows = [rows[at * length : (at + 1) * length] for at in range(count)]
        return rows if self.shape else rows[0]


@dataclass(frozen=True, slots=True)
class ScalarData:
    """A numpy scalar: the name of its dtype, and its value as plain data."""

    dtype: str
    value: Any


@dataclass(frozen=True, slots=True)
class SeriesData:
    """A pandas series."""

    name: Any
    index: tuple[Any, ...]
    dtype: str
    items: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class FrameData:
    """A pandas data frame, column by column; `columns` are its labels."""

    columns: tuple[Any, ...]
    index: tuple[Any, ...]
    dtypes: tuple[str, ...]
    items: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True)
class Opaque:
    """A value that is not plain data; only the name of its type is known."""

    type_name: str


RECORDS: dict[str, tuple[type, tuple[str, ...]]] = {
    "a": (ArrayData, ("dtype", "shape", "items")),
    "n": (ScalarData, ("dtype", "value")),
    "S": (SeriesData, ("name", "index", "dtype", "items")),
    "D": (FrameData, ("columns", "index", "dtypes", "items")),
    "o": (Opaque, ("type_name",)),
}
"""The tag, type and fields of each record."""
