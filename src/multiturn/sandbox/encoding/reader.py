"""Decodes a value that an untrusted program may have written: the reading half.

Everything is limited before it is built: parts, depth, memory and CPU time.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from json import loads  # by name: in a program's process the module is its to change
from typing import Any

from multiturn.sandbox.encoding.records import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_INT_BITS,
    MAX_NODES,
    RECORDS,
    ArrayData,
    EncodingError,
)

__all__ = ["MAX_MEMORY", "decode", "decode_text"]

MAX_MEMORY = 58 << 20
"""How much memory a value and its encoding may take together; counted slightly too high."""

MAX_COMPARISONS = 1_000_000
"""How many pairs of keys may share their hash, in all dicts and sets of a value."""

MAX_AXES = 64
"""How many axes an array may have: as many as numpy allows."""


def decode(data: bytes | bytearray, *, seconds: float | None = None) -> Any:
    """The value of a tagged encoding.

    Args:
        data: what `encode` wrote, or what a hostile program sent.
        seconds: how much of this thread's CPU time reading may take; by default without limit.

    Raises:
        EncodingError: the bytes are not what `encode` writes, or exceed a limit.
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


_LEAF = re.compile(r'\["([ifb]?)","([^"\\\x00-\x1f]*)"\]')
"""An integer, a float, bytes or text without escapes, in one match."""
_TEXT = re.compile(r'\["","')
_RUN = re.compile(
    r'\["([ifb]?)","[^"\\\x00-\x1f]*"\](?:,\["\1","[^"\\\x00-\x1f]*"\]){1,511}(?=[,\]])'
)
"""A run of leaves of one kind."""
_PIECE = re.compile(
    r'(?:[^"\\]|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}'
    r"|\\u[0-9a-fA-F]{4}|\\[^u]){1,4096}"
)
"""A part of a text with escapes; a pair of surrogates stays together."""
_COMPLEX = re.compile(r'\["c","([^"\\]*)","([^"\\]*)"\]')
_CONTAINER = re.compile(r'\["([ltszd])",\[')
_RECORD = re.compile(r'\["([anSDo])",')
_WORDS = {"n": ("null", None), "t": ("true", True), "f": ("false", False)}

_MAX_FLOAT_TEXT = 40
"""The longest text of a float that `repr` writes has 24 characters."""

# Bytes that a part takes once it is built, beside its text.
_INT, _FLOAT, _COMPLEX_COST, _STRING, _LIST = 36, 32, 48, 60, 72
_SET, _SET_ITEM, _DICT, _DICT_ITEM, _RECORD_COST = 224, 72, 240, 110, 120

_CHECK_INTERVAL = 512
"""How many parts are read between two checks of the clock."""


class _Reader:
    """Reads an encoding part by part, and stops at the limits."""

    def __init__(self, text: str, seconds: float | None) -> None:
        self.text = text
        self.at = 0
        self.nodes = 0
        self.memory = MAX_MEMORY - len(text)
        self.comparisons = MAX_COMPARISONS
        self.until = None if seconds is None else time.thread_time() + seconds

    def read(self) -> Any:
        """The value of the text."""
        value = self.value(0)
        if self.at != len(self.text):
            raise EncodingError("something after the value")
        return value

    def look_at_clock(self) -> None:
        """Stop when the time is used up."""
        if self.until is not None and time.thread_time() > self.until:
            raise EncodingError("a value that takes too long to read")

    def pay(self, size: int) -> None:
        """Count `size` bytes against the memory limit, before they are allocated."""
        self.memory -= size
        if self.memory < 0:
            raise EncodingError(f"a value that takes more than {MAX_MEMORY >> 20} MiB")

    def count(self, nodes: int) -> None:
        """Count parts, and check the limits now and then."""
        before = self.nodes // _CHECK_INTERVAL
        self.nodes += nodes
        if self.nodes // _CHECK_INTERVAL != before:
            self.look_at_clock()
            if self.nodes > MAX_NODES:
                raise EncodingError(f"a value of more than {MAX_NODES} parts")

    def value(self, depth: int) -> Any:
        """Read the value that begins here."""
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
                raise EncodingError("an integer that is too large")
            self.pay(_INT + len(text) // 2)
            return int(text, 16)
        if tag == "f":
            self.pay(_FLOAT)
            return _float(text)
        self.pay(_STRING + len(text))
        return text if tag == "" else bytes.fromhex(text)

    def run(self, found: re.Match[str]) -> list[Any]:
        """Leaves of one kind, which are much faster to read together."""
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
        """Whether a container ends here, after `count` items; otherwise a comma is read."""
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
            return self.record(*RECORDS[found[1]], depth)
        raise EncodingError(f"no value at {self.at}")

    def escaped(self) -> str:
        """Text with escapes, piece by piece: at once, each escape would take 100 bytes."""
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
            # All characters are as wide as the widest. Twice: the pieces, and the joined text.
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
            # The lists that `tolist` builds count too.
            self.pay(_LIST * _lists_of_shape(fields["shape"], len(fields["items"])))
        return kind(**fields)

    def refuse_collisions(self, keys: list[Any], heaviest: int) -> None:
        """Refuse keys whose hashes collide, so that a dict or set takes quadratic time to build.

        Anyone can compute the hashes of numbers; in honest values nearly all differ. Pairs count
        across all dicts and sets, as many small ones are as slow as a large one, and by the parts
        of the heaviest key, which a comparison may have to visit.
        """
        if len(keys) < 2:
            return
        counts = Counter(map(hash, keys))
        if len(counts) == len(keys):
            return
        pairs = sum(count * (count - 1) // 2 for count in counts.values() if count > 1)
        self.comparisons -= pairs * heaviest
        if self.comparisons < 0:
            raise EncodingError("too many keys with equal hashes")


_TUPLES = frozenset(("shape", "items", "index", "columns", "dtypes"))


def _float(text: str) -> float:
    if len(text) > _MAX_FLOAT_TEXT:
        raise EncodingError("a float that is too long")
    return float(text)


def _lists_of_shape(shape: tuple[Any, ...], count: int) -> int:
    """How many nested lists an array of this shape takes.

    Raises:
        EncodingError: `count` items do not fill the shape, it has too many axes, or its lengths
            are so large, perhaps beside a length of 0, that the lists would be too many.
    """
    if len(shape) > MAX_AXES:
        raise EncodingError(f"an array of {len(shape)} axes")
    size, rows, lists = 1, 1, 0
    for length in shape:
        if type(length) is not int or not 0 <= length <= MAX_NODES:
            raise EncodingError("an array with a bad shape")
        # None of the products exceeds the square of MAX_NODES.
        lists += rows
        size *= length
        rows *= length or 1
        if rows > MAX_NODES:
            raise EncodingError("an array whose shape is too large")
    if size != count:
        raise EncodingError("an array whose items do not fill its shape")
    return lists
