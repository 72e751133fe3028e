"""Plain data in a tagged encoding: what crosses the wall between a program and its judge.

A value is written as JSON in which every value but None, booleans and text carries a tag,
so that a tuple, a list, a set, an int and a float of equal content stay different:

    1         ["i", "1"]            [1, 2]    ["l", [...]]
    1.0       ["f", "1.0"]          (1, 2)    ["t", [...]]
    1j        ["c", "0.0", "1.0"]   {1: 2}    ["d", [[key, value], ...]]
    b"ab"     ["b", "6162"]         {1, 2}    ["s", [...]] and ["z", [...]] for a frozenset

Arrays, series and frames of numpy and pandas become `ArrayData`, `SeriesData` and
`FrameData`, numpy's scalars `ScalarData`; whatever else there is becomes `Opaque`, its type's
name. Reading is strict and builds nothing but these: no pickle, no eval, no look-up of
names. What is written by a hostile program is therefore at worst a wrong value.

Both ends use this module; it imports nothing but the standard library.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

__all__ = [
    "ArrayData",
    "EncodingError",
    "FrameData",
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_NODES",
    "Opaque",
    "ScalarData",
    "SeriesData",
    "decode",
    "encode",
]

MAX_DEPTH = 64
MAX_NODES = 1_000_000
MAX_BYTES = 16 << 20
"""The longest encoding that is written or read."""

MAX_INT_BITS = 1 << 20
"""Larger whole numbers are refused: turning them into text takes quadratic time."""


MAX_COLLISIONS = 1000
"""How many keys of one dict or set may share their hash with another."""


class EncodingError(ValueError):
    """A value is no plain data, or too large or deep; or an encoding is broken."""


@dataclass(frozen=True, slots=True)
class ArrayData:
    """A numpy array: `items` in C order, as plain data."""

    dtype: str
    shape: tuple[int, ...]
    items: tuple[Any, ...]

    def tolist(self) -> Any:
        """Nested lists of the array's shape, or the one item of an array without axes."""
        rows: list[Any] = list(self.items)
        for axis in range(len(self.shape) - 1, 0, -1):
            # By the shape, as five rows without columns have no items to count them by.
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
    """A value that is no plain data; only the name of its type is known."""

    type_name: str


def encode(value: object, *, opaque: bool = False) -> bytes:
    """The tagged encoding of a value.

    Instances of subclasses are written as their plain base, read by the base's own methods.

    Args:
        value: anything.
        opaque: write `Opaque` for what is no plain data, in place of refusing it.

    Raises:
        EncodingError: the value is no plain data, refers to itself, or is too deep or large.
    """
    writer = _Writer(opaque)
    try:
        tree = writer.write(value, 0)
        text = json.dumps(tree, separators=(",", ":"), check_circular=False)
    except (RecursionError, OverflowError) as error:
        raise EncodingError(f"the value cannot be encoded: {error}") from error
    if len(text) > MAX_BYTES:
        raise EncodingError(f"the value takes {len(text)} bytes; at most {MAX_BYTES} can be passed")
    return text.encode("ascii")


def decode(data: bytes) -> Any:
    """The value of a tagged encoding.

    Raises:
        EncodingError: the bytes are not exactly what `encode` writes.
    """
    if len(data) > MAX_BYTES:
        raise EncodingError(f"an encoding of {len(data)} bytes; at most {MAX_BYTES} is read")
    try:
        tree = json.loads(data.decode("ascii"), parse_int=_refuse, parse_float=_refuse)
        return _read(tree, 0)
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, OverflowError) as error:
        raise EncodingError(f"a broken encoding: {str(error)[:200]}") from error


def _refuse(text: str) -> object:
    raise EncodingError(f"a bare number {text[:40]!r}")


class _Writer:
    """Turns a value into lists, text, booleans and None."""

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
            # A set has no order of its own; equal sets are to be written alike.
            items.sort(key=json.dumps)
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
        raise EncodingError(f"a value of type {name} is no plain data")


def _plain_int(value: int) -> list[str]:
    if int.bit_length(value) > MAX_INT_BITS:
        raise EncodingError(f"a whole number of {int.bit_length(value)} bits is too large")
    return ["i", int.__format__(value, "x")]


def _plain_complex(value: complex) -> list[str]:
    # By the type's own descriptors: a subclass may lie, and adding 0 loses a zero's sign.
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

_RECORDS: dict[str, tuple[type, tuple[str, ...]]] = {
    "a": (ArrayData, ("dtype", "shape", "items")),
    "n": (ScalarData, ("dtype", "value")),
    "S": (SeriesData, ("name", "index", "dtype", "items")),
    "D": (FrameData, ("columns", "index", "dtypes", "items")),
    "o": (Opaque, ("type_name",)),
}
_RECORDS_BY_TYPE = {kind: (tag, names) for tag, (kind, names) in _RECORDS.items()}


def _from_science(value: Any) -> Any:
    """Values of numpy and pandas as this module's records; None for all others.

    The libraries are looked up only where the program itself has imported them.
    """
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        if isinstance(value, numpy.ndarray):
            # A matrix stays one of two axes whatever its shape is set to.
            flat = numpy.asarray(value).reshape(-1).tolist()
            return ArrayData(str(value.dtype), tuple(map(int, value.shape)), tuple(flat))
        if isinstance(value, numpy.generic):
            return ScalarData(str(value.dtype), value.item())
    pandas = sys.modules.get("pandas")
    if pandas is not None:
        if isinstance(value, pandas.Series):
            index, items = tuple(value.index.tolist()), tuple(value.tolist())
            return SeriesData(value.name, index, str(value.dtype), items)
        if isinstance(value, pandas.DataFrame):
            places = range(value.shape[1])
            return FrameData(
                tuple(value.columns.tolist()),
                tuple(value.index.tolist()),
                tuple(str(value.dtypes.iloc[at]) for at in places),
                tuple(tuple(value.iloc[:, at].tolist()) for at in places),
            )
        if isinstance(value, pandas.Index):
            return ArrayData(str(value.dtype), (len(value),), tuple(value.tolist()))
    return None


def _read(tree: Any, depth: int) -> Any:
    if tree is None or tree is True or tree is False:
        return tree
    if depth > MAX_DEPTH or type(tree) is not list or not tree:
        raise EncodingError("too deep, or an untagged value")
    tag, *parts = tree
    if type(tag) is not str:
        raise EncodingError("a tag that is no text")
    record = _RECORDS.get(tag)
    if record is not None:
        return _read_record(record, parts, depth)
    if tag == "c":
        real, imaginary = parts
        return complex(float(_text(real)), float(_text(imaginary)))
    (payload,) = parts
    if tag == "":
        return _text(payload)
    if tag == "i":
        text = _text(payload)
        if len(text) > MAX_INT_BITS // 4 + 2:
            raise EncodingError("a whole number that is too large")
        return int(text, 16)
    if tag == "f":
        return float(_text(payload))
    if tag == "b":
        return bytes.fromhex(_text(payload))
    if type(payload) is not list:
        raise EncodingError(f"a payload of {tag!r} that is no list")
    if tag == "d":
        pairs = [(_read(key, depth + 1), _read(value, depth + 1)) for key, value in payload]
        _refuse_collisions([key for key, _ in pairs])
        return dict(pairs)
    items = [_read(item, depth + 1) for item in payload]
    if tag == "l":
        return items
    if tag in ("s", "z"):
        _refuse_collisions(items)
    return {"t": tuple, "s": set, "z": frozenset}[tag](items)


def _refuse_collisions(keys: list[Any]) -> None:
    """Refuse keys chosen so that a dict or set of them takes quadratic time to build.

    The hashes of numbers are no secret; those of an honest value are nearly all different.
    """
    if len(keys) - len(set(map(hash, keys))) > MAX_COLLISIONS:
        raise EncodingError(f"more than {MAX_COLLISIONS} keys with the hashes of others")


def _text(value: Any) -> str:
    if type(value) is not str:
        raise EncodingError("a payload that is no text")
    return value


def _read_record(record: tuple[type, tuple[str, ...]], parts: list[Any], depth: int) -> Any:
    kind, names = record
    if len(parts) != len(names):
        raise EncodingError(f"{kind.__name__} with {len(parts)} fields")
    fields = {name: _read(part, depth + 1) for name, part in zip(names, parts, strict=True)}
    for name, value in fields.items():
        if name in ("shape", "items", "index", "columns", "dtypes") and type(value) is not tuple:
            raise EncodingError(f"{kind.__name__}.{name} is no tuple")
        if name in ("dtype", "type_name") and type(value) is not str:
            raise EncodingError(f"{kind.__name__}.{name} is no text")
    if kind is ArrayData:
        size = 1
        for length in fields["shape"]:
            if type(length) is not int or length < 0:
                raise EncodingError("an array with a bad shape")
            size *= length
        if size != len(fields["items"]):
            raise EncodingError("an array whose items do not fill its shape")
    return kind(**fields)
