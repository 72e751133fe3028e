"""Encodes a value: the writing half, which runs inside and outside."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from json import dumps  # by name: in a program's process the module is its to change
from typing import Any

from multiturn.sandbox.encoding.records import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_INT_BITS,
    MAX_NODES,
    RECORDS,
    ArrayData,
    EncodingError,
    FrameData,
    Opaque,
    ScalarData,
    SeriesData,
)

__all__ = ["encode"]


def encode(value: object, *, opaque: bool = False) -> bytes:
    """The tagged encoding of a value.

    An instance of a subclass is written as its plain base, read by the base's own methods.

    Args:
        value: anything.
        opaque: write `Opaque` for what is not plain data, instead of refusing it.

    Raises:
        EncodingError: the value is not plain data, contains itself, or is too deep or large.
    """
    writer = _Writer(opaque)
    try:
        tree = writer.write(value, 0)
        text = dumps(tree, separators=(",", ":"), check_circular=False)
    except (RecursionError, OverflowError) as error:
        raise EncodingError(f"the value cannot be encoded: {error}") from error
    if len(text) > MAX_BYTES:
        raise EncodingError(f"the value takes {len(text)} bytes; at most {MAX_BYTES} can be passed")
    return text.encode("ascii")


class _Writer:
    """Converts a value to lists, text, booleans and None."""

    def __init__(self, opaque: bool) -> None:
        self.opaque = opaque
        self.nodes = 0

    def write(self, value: Any, depth: int) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise EncodingError(f"the value has more than {MAX_NODES} parts")
        if depth > MAX_DEPTH:
            raise EncodingError(f"the value is deeper than {MAX_DEPTH}, or contains itself")
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind in _BASES:
            return self.write_as(kind, value, depth)
        return self.write_other(value, kind, depth)

    def write_as(self, base: type, value: Any, depth: int) -> Any:
        """Write an instance of `base`, or of a class derived from it, by `base`'s own methods."""
        leaf = _LEAVES.get(base)
        if leaf is not None:
            return leaf(value)
        if base is dict:
            return ["d", [self.items(pair, depth) for pair in dict.items(value)]]
        tag, iterate = _CONTAINERS[base]
        items = self.items(iterate(value), depth)
        if tag in "sz":
            # Sets have no order; equal ones are written alike.
            items.sort(key=dumps)
        return [tag, items]

    def items(self, values: Iterable[Any], depth: int) -> list[Any]:
        return [self.write(item, depth + 1) for item in values]

    def write_other(self, value: Any, kind: type, depth: int) -> Any:
        """Records of this module, values of numpy and pandas, instances of subclasses."""
        record = _RECORDS_BY_TYPE.get(kind)
        if record is not None:
            fields = [getattr(value, name) for name in record[1]]
            return [record[0], *self.items(fields, depth)]
        science = _from_science(value)
        if science is not None:
            return self.write(science, depth)
        for base in kind.__mro__[1:-1]:
            if base in _BASES:
                return self.write_as(base, value, depth)
        name = str(kind.__qualname__)[:200]
        if self.opaque:
            return self.write(Opaque(name), depth)
        raise EncodingError(f"a value of type {name} is not plain data")


def _plain_int(value: int) -> list[str]:
    if int.bit_length(value) > MAX_INT_BITS:
        raise EncodingError(f"an integer of {int.bit_length(value)} bits is too large")
    return ["i", int.__format__(value, "x")]


def _plain_complex(value: complex) -> list[str]:
    # By the type's own descriptors: a subclass can lie, and adding 0 loses a zero's sign.
    real, imaginary = complex.real.__get__(value), complex.imag.__get__(value)
    return ["c", repr(real), repr(imaginary)]


_LEAVES: dict[type, Callable[[Any], list[str]]] = {
    str: lambda value: ["", str.__str__(value)],
    int: _plain_int,
    float: lambda value: ["f", float.__repr__(value)],
    complex: _plain_complex,
    bytes: lambda value: ["b", bytes.hex(value)],
}

_CONTAINERS: dict[type, tuple[str, Callable[[Any], Iterable[Any]]]] = {
    list: ("l", list.__iter__),
    tuple: ("t", tuple.__iter__),
    set: ("s", set.__iter__),
    frozenset: ("z", frozenset.__iter__),
}

_BASES = frozenset((*_LEAVES, *_CONTAINERS, dict))

_RECORDS_BY_TYPE = {kind: (tag, names) for tag, (kind, names) in RECORDS.items()}


def _from_science(value: Any) -> Any:
    """A value of numpy or pandas as a record; None for any other value.

    The libraries are looked up only if the program itself has imported them.
    """
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        if isinstance(value, numpy.ndarray):
            # A matrix keeps two axes however it is reshaped.
            flat = (
                (numpy.asarray(value) if isinstance(value, numpy.matrix) else value)
                .reshape(-1)
                .tolist()
            )
            return ArrayData(str(value.dtype), tuple(map(int, value.shape)), tuple(flat))
        if isinstance(value, numpy.generic):
            return ScalarData(str(value.dtype), value.item())
    pandas = sys.modules.get("pandas")
    if pandas is not None:
        if isinstance(value, pandas.Series):
            index, items = tuple(value.index.tolist()), tuple(value.tolist())
            return SeriesData(value.name, index, str(value.dtype), items)
        if isinstance(value, pandas.DataFrame):
            columns = range(value.shape[1])
            return FrameData(
                tuple(value.columns.tolist()),
                tuple(value.index.tolist()),
                tuple(str(value.dtypes.iloc[at]) for at in columns),
                tuple(tuple(value.iloc[:, at].tolist()) for at in columns),
            )
        if isinstance(value, pandas.Index):
            return ArrayData(str(value.dtype), (len(value),), tuple(value.tolist()))
    return None
