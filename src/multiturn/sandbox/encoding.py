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

import math
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from json import dumps, loads  # by name: in a program's process the module is its to change
from typing import Any

__all__ = [
    "ArrayData",
    "EncodingError",
    "FrameData",
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_MEMORY",
    "MAX_NODES",
    "Opaque",
    "ScalarData",
    "SeriesData",
    "decode",
    "decode_text",
    "encode",
]

MAX_DEPTH = 64
MAX_NODES = 1_000_000
MAX_BYTES = 16 << 20
"""The longest encoding that is written or read."""

MAX_INT_BITS = 1 << 20
"""Larger whole numbers are refused: turning them into text takes quadratic time."""


MAX_MEMORY = 58 << 20
"""What a value and its encoding may take of memory together; counted a little too high."""

MAX_COMPARISONS = 1_000_000
"""How many pairs of keys may share their hash, in all dicts and sets of a value together."""

MAX_AXES = 64
"""How many axes an array may have: as many as numpy allows."""


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
        text = dumps(tree, separators=(",", ":"), check_circular=False)
    except (RecursionError, OverflowError) as error:
        raise EncodingError(f"the value cannot be encoded: {error}") from error
    if len(text) > MAX_BYTES:
        raise EncodingError(f"the value takes {len(text)} bytes; at most {MAX_BYTES} can be passed")
    return text.encode("ascii")


def decode(data: bytes | bytearray, *, seconds: float | None = None) -> Any:
    """The value of a tagged encoding.

    Reading is bounded before anything is built: in parts, depth, memory (`MAX_MEMORY`) and
    CPU time.

    Args:
        data: what `encode` wrote, or somebody who wants to do harm.
        seconds: of this thread's CPU time that reading may take; no bound where left out.

    Raises:
        EncodingError: the bytes are not exactly what `encode` writes, or too much.
    """
    return decode_text(_ascii(data), seconds=seconds)


def decode_text(text: str, *, seconds: float | None = None) -> Any:
    """The value of a tagged encoding that is text already; see `decode`."""
    if len(text) > MAX_BYTES:
        raise EncodingError(f"an encoding of {len(text)} bytes; at most {MAX_BYTES} is read")
    try:
        return _Reader(text, seconds).read()
    except EncodingError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, OverflowError) as error:
        raise EncodingError(f"a broken encoding: {str(error)[:200]}") from error


def _ascii(data: bytes | bytearray) -> str:
    try:
        return data.decode("ascii")
    except UnicodeDecodeError as error:
        raise EncodingError("a broken encoding: not ASCII") from error


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


_LEAF = re.compile(r'\["([ifb]?)","([^"\\\x00-\x1f]*)"\]')
"""A whole number, a float, bytes or text without escapes, in one match."""
_TEXT = re.compile(r'\["","')
_RUN = re.compile(
    r'\["([ifb]?)","[^"\\\x00-\x1f]*"\](?:,\["\1","[^"\\\x00-\x1f]*"\]){1,511}(?=[,\]])'
)
"""Some leaves of one kind after each other."""
_PIECE = re.compile(
    r'(?:[^"\\]|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}'
    r"|\\u[0-9a-fA-F]{4}|\\[^u]){1,4096}"
)
"""Some of a text that has escapes; a pair of surrogates stays together."""
_COMPLEX = re.compile(r'\["c","([^"\\]*)","([^"\\]*)"\]')
_CONTAINER = re.compile(r'\["([ltszd])",\[')
_RECORD = re.compile(r'\["([anSDo])",')
_WORDS = {"n": ("null", None), "t": ("true", True), "f": ("false", False)}

_MAX_FLOAT_TEXT = 40
"""The longest text of a float that `repr` writes has 24 characters."""

# Bytes that a part takes where it is built, besides the text that it has.
_INT, _FLOAT, _COMPLEX_COST, _STRING, _LIST = 36, 32, 48, 60, 72
_SET, _SET_ITEM, _DICT, _DICT_ITEM, _RECORD_COST = 224, 72, 240, 110, 120

_CHECK_INTERVAL = 512
"""How many parts are read between two looks at the clock."""


class _Reader:
    """Reads an encoding from its text, part by part, and stops where it becomes too much."""

    def __init__(self, text: str, seconds: float | None) -> None:
        self.text = text
        self.at = 0
        self.nodes = 0
        self.memory = MAX_MEMORY - len(text)
        self.comparisons = MAX_COMPARISONS
        self.until = None if seconds is None else time.thread_time() + seconds

    def read(self) -> Any:
        """The one value of the whole text."""
        value = self.value(0)
        if self.at != len(self.text):
            raise EncodingError("something after the value")
        return value

    def look_at_clock(self) -> None:
        """Give up when the time is over."""
        if self.until is not None and time.thread_time() > self.until:
            raise EncodingError("a value that takes too long to read")

    def pay(self, size: int) -> None:
        """Take `size` bytes from what the value may take of memory, before they are taken."""
        self.memory -= size
        if self.memory < 0:
            raise EncodingError(f"a value that takes more than {MAX_MEMORY >> 20} MiB")

    def count(self, nodes: int) -> None:
        """Count parts, and look at their bound and at the clock now and then."""
        before = self.nodes // _CHECK_INTERVAL
        self.nodes += nodes
        if self.nodes // _CHECK_INTERVAL != before:
            self.look_at_clock()
            if self.nodes > MAX_NODES:
                raise EncodingError(f"a value of more than {MAX_NODES} parts")

    def value(self, depth: int) -> Any:
        """The value that begins here."""
        self.count(1)
        if depth > MAX_DEPTH:
            raise EncodingError("a value that is too deep")
        mark = self.text[self.at : self.at + 1]
        if mark != "[":
            return self.word(mark)
        leaf = _LEAF.match(self.text, self.at)
        if leaf is not None:
            self.at = leaf.end()
            return self.leaf(leaf[1], leaf[2])
        container = _CONTAINER.match(self.text, self.at)
        if container is not None:
            self.at = container.end()
            return self.container(container[1], depth)
        return self.other(depth)

    def word(self, mark: str) -> Any:
        """None, True or False."""
        word, value = _WORDS.get(mark, ("", None))
        if not word or not self.text.startswith(word, self.at):
            raise EncodingError(f"no value at {self.at}")
        self.at += len(word)
        self.pay(8)
        return value

    def leaf(self, tag: str, text: str) -> Any:
        if tag == "i":
            if len(text) > MAX_INT_BITS // 4 + 2:
                raise EncodingError("a whole number that is too large")
            self.pay(_INT + len(text) // 2)
            return int(text, 16)
        if tag == "f":
            self.pay(_FLOAT)
            return _float(text)
        self.pay(_STRING + len(text))
        return text if tag == "" else bytes.fromhex(text)

    def run(self, found: re.Match[str]) -> list[Any]:
        """Leaves of one kind, which are read much faster together."""
        tag = found[1]
        self.at = found.end()
        begin, end = found.start() + len(f'["{tag}","'), found.end() - len('"]')
        between = f'"],["{tag}","'
        parts = self.text[begin:end].split(between)
        self.count(len(parts))
        size = end - begin - len(between) * (len(parts) - 1)
        if tag == "i":
            if size > MAX_INT_BITS // 4:
                return [self.leaf(tag, part) for part in parts]
            self.pay(_INT * len(parts) + size // 2)
            return [int(part, 16) for part in parts]
        if tag == "f":
            self.pay(_FLOAT * len(parts))
            return [_float(part) for part in parts]
        self.pay(_STRING * len(parts) + size)
        return parts if tag == "" else [bytes.fromhex(part) for part in parts]

    def container(self, tag: str, depth: int) -> Any:
        """A list, tuple, set or dict whose first item begins here."""
        if tag == "d":
            self.pay(_DICT)
            return self.dictionary(depth)
        self.pay(_LIST)
        items: list[Any] = []
        if tag in "lt":
            while not self.closes(len(items)):
                run = _RUN.match(self.text, self.at) if depth < MAX_DEPTH else None
                if run is not None:
                    items += self.run(run)
                else:
                    items.append(self.value(depth + 1))
            return items if tag == "l" else tuple(items)
        self.pay(_SET)
        heaviest = 1
        while not self.closes(len(items)):
            self.pay(_SET_ITEM)
            before = self.nodes
            items.append(self.value(depth + 1))
            heaviest = max(heaviest, self.nodes - before)
        self.refuse_collisions(items, heaviest)
        found: set[Any] = set()
        for begin in range(0, len(items), _CHECK_INTERVAL):
            found.update(items[begin : begin + _CHECK_INTERVAL])
            self.look_at_clock()
        return found if tag == "s" else frozenset(found)

    def dictionary(self, depth: int) -> dict[Any, Any]:
        keys: list[Any] = []
        values: list[Any] = []
        heaviest = 1
        while not self.closes(len(keys)):
            self.expect("[")
            self.pay(_DICT_ITEM)
            before = self.nodes
            keys.append(self.value(depth + 1))
            heaviest = max(heaviest, self.nodes - before)
            self.expect(",")
            values.append(self.value(depth + 1))
            self.expect("]")
        self.refuse_collisions(keys, heaviest)
        found: dict[Any, Any] = {}
        for begin in range(0, len(keys), _CHECK_INTERVAL):
            end = begin + _CHECK_INTERVAL
            found.update(zip(keys[begin:end], values[begin:end], strict=True))
            self.look_at_clock()
        return found

    def closes(self, count: int) -> bool:
        """Whether a container of `count` items so far ends here; takes the comma where not."""
        text, at = self.text, self.at
        if text.startswith("]]", at):
            self.at = at + 2
            return True
        if count:
            self.expect(",")
        return False

    def expect(self, mark: str) -> None:
        if not self.text.startswith(mark, self.at):
            raise EncodingError(f"no {mark!r} at {self.at}")
        self.at += len(mark)

    def other(self, depth: int) -> Any:
        """Text with escapes, complex numbers and records."""
        if (found := _TEXT.match(self.text, self.at)) is not None:
            self.at = found.end()
            return self.escaped()
        if (found := _COMPLEX.match(self.text, self.at)) is not None:
            self.at = found.end()
            self.pay(_COMPLEX_COST)
            return complex(_float(found[1]), _float(found[2]))
        if (found := _RECORD.match(self.text, self.at)) is not None:
            self.at = found.end()
            self.pay(_RECORD_COST)
            return self.record(*_RECORDS[found[1]], depth)
        raise EncodingError(f"no value at {self.at}")

    def escaped(self) -> str:
        """Text with escapes, piece by piece: read at once, each escape would take 100 bytes."""
        pieces: list[str] = []
        length, width = 0, 1
        self.pay(_STRING)
        while not self.text.startswith('"]', self.at):
            found = _PIECE.match(self.text, self.at)
            if found is None:
                raise EncodingError(f"a broken text at {self.at}")
            self.at = found.end()
            piece = loads(f'"{found[0]}"')
            highest = 0 if piece.isascii() else ord(max(piece))
            wider = 4 if highest > 0xFFFF else 2 if highest > 0xFF else width
            # One character's width is all characters'. Twice: the pieces, and what they become.
            self.pay(2 * (len(piece) * max(width, wider) + length * max(0, wider - width)))
            length, width = length + len(piece), max(width, wider)
            pieces.append(piece)
            self.look_at_clock()
        self.at += 2
        return "".join(pieces)

    def record(self, kind: type, names: tuple[str, ...], depth: int) -> Any:
        fields: dict[str, Any] = {}
        for name in names:
            if fields:
                self.expect(",")
            fields[name] = self.value(depth + 1)
        self.expect("]")
        for name, value in fields.items():
            if name in _TUPLES and type(value) is not tuple:
                raise EncodingError(f"{kind.__name__}.{name} is no tuple")
            if name in ("dtype", "type_name") and type(value) is not str:
                raise EncodingError(f"{kind.__name__}.{name} is no text")
        if kind is ArrayData:
            # What `tolist` builds for it counts too.
            self.pay(_LIST * _lists_of_shape(fields["shape"], len(fields["items"])))
        return kind(**fields)

    def refuse_collisions(self, keys: list[Any], heaviest: int) -> None:
        """Refuse keys chosen so that a dict or set of them takes quadratic time to build.

        The hashes of numbers are no secret; those of an honest value are nearly all different.
        Counted over the whole value, as many small dicts are as slow as a large one, and by the
        parts of the heaviest key, all of which a comparison may look at.
        """
        if len(keys) < 2:
            return
        counts = Counter(map(hash, keys))
        if len(counts) == len(keys):
            return
        pairs = sum(count * (count - 1) // 2 for count in counts.values() if count > 1)
        self.comparisons -= pairs * heaviest
        if self.comparisons < 0:
            raise EncodingError("too many keys with the hashes of others")


_TUPLES = frozenset(("shape", "items", "index", "columns", "dtypes"))


def _float(text: str) -> float:
    if len(text) > _MAX_FLOAT_TEXT:
        raise EncodingError("a float that is too long")
    return float(text)


def _lists_of_shape(shape: tuple[Any, ...], count: int) -> int:
    """How many nested lists an array of this shape is, before anything is multiplied out.

    Raises:
        EncodingError: `count` items do not fill the shape, it has too many axes, or lengths so
            large, beside one of 0 maybe, that the lists alone would be too many.
    """
    if len(shape) > MAX_AXES:
        raise EncodingError(f"an array of {len(shape)} axes")
    size, rows, lists = 1, 1, 0
    for length in shape:
        if type(length) is not int or not 0 <= length <= MAX_NODES:
            raise EncodingError("an array with a bad shape")
        # None of them grows beyond MAX_NODES squared.
        lists += rows
        size *= length
        rows *= length or 1
        if rows > MAX_NODES:
            raise EncodingError("an array whose shape is too large")
    if size != count:
        raise EncodingError("an array whose items do not fill its shape")
    return lists
