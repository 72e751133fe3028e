"""Reads values of the GGUF format from an untrusted file.

Every length is checked against the size of the file before memory is allocated for it.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["ArrayInfo", "FormatError", "GGUFReader", "Scalar"]

Scalar = int | float | bool | str

_WINDOW_BYTES = 1 << 20
# The sum of all texts read; a chat template takes some 10 kB, a full tokenizer 10 MB.
_MAX_TEXT_BYTES = 32 << 20
# The largest vocabularies have some 260,000 tokens and 520,000 merges.
_MAX_ARRAY_TEXTS = 1 << 21

_NUMBERS = {
    0: ("uint8", "<B"),
    1: ("int8", "<b"),
    2: ("uint16", "<H"),
    3: ("int16", "<h"),
    4: ("uint32", "<I"),
    5: ("int32", "<i"),
    6: ("float32", "<f"),
    10: ("uint64", "<Q"),
    11: ("int64", "<q"),
    12: ("float64", "<d"),
}
_BOOL, _TEXT, _ARRAY = 7, 8, 9
_LENGTH = struct.Struct("<Q")


class FormatError(Exception):
    """The file violates the format; the message completes "the file cannot be used, "."""


@dataclass(frozen=True, slots=True)
class ArrayInfo:
    """The location of an array in the metadata.

    Attributes:
        kind: of its elements: ``float32``, ``text``, ``bool`` ...
        count: how many.
        offset: of the first element, from the beginning of the file.
    """

    kind: str
    count: int
    offset: int

    @property
    def of_text(self) -> bool:
        """Whether its elements are texts."""
        return self.kind == "text"


class GGUFReader:
    """A cursor in a file. Use it as a context manager.

    Args:
        path: the file.

    Raises:
        FormatError: the file cannot be opened or, from every method, violates the format at the
            current position.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self.size = os.fstat(self._descriptor).st_size
        except OSError as error:
            raise FormatError(f"it cannot be opened: {(error.strerror or '').lower()}") from error
        self.position = 0
        self._text_left = _MAX_TEXT_BYTES
        self._window = b""
        self._window_start = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)

    def take(self, count: int, what: str) -> bytes:
        """The next `count` bytes; `what` names them in an error."""
        start = self._fill_window(count, what)
        self.position += count
        return self._window[start : start + count]

    def number(self, form: str, what: str) -> int | float:
        """The next number, of a format of `struct`."""
        found: int | float = struct.unpack(form, self.take(struct.calcsize(form), what))[0]
        return found

    def count(self, what: str, maximum: int, *, min_bytes: int) -> int:
        """A count of items that follow, each of at least `min_bytes` bytes."""
        count = int(self.number("<Q", f"the number of {what}"))
        if count > maximum or count * min_bytes > self.size - self.position:
            raise FormatError(f"it claims {count} {what}, more than it can hold")
        return count

    def text(self, what: str, *, max_bytes: int = _MAX_TEXT_BYTES, strict: bool = False) -> str:
        """The next text.

        Args:
            what: names it in an error.
            max_bytes: the most bytes it may have.
            strict: refuse invalid UTF-8, which otherwise becomes U+FFFD.
        """
        length = int(self.number("<Q", what))
        if length > min(max_bytes, self._text_left, self.size - self.position):
            raise FormatError(f"{what} claims {length} bytes, more than it can have")
        self._text_left -= length
        try:
            return self.take(length, what).decode("utf-8", "strict" if strict else "replace")
        except UnicodeDecodeError as error:
            raise FormatError(f"{what} is not UTF-8") from error

    def value(self, key: str) -> Scalar | ArrayInfo:
        """The next value, after its type; for an array, only its location."""
        kind = int(self.number("<I", f"the type of {key!r}"))
        if kind == _ARRAY:
            return self._skip_array(key)
        return self._scalar(kind, repr(key))

    def array(self, info: ArrayInfo) -> Sequence[Scalar]:
        """The elements of an array that was skipped before."""
        self.position = info.offset
        if info.of_text:
            return self._texts(info.count)
        if info.kind == "bool":
            return [self._scalar(_BOOL, "an element of a list") for _ in range(info.count)]
        code = next(form[1] for name, form in _NUMBERS.values() if name == info.kind)
        size = struct.calcsize(f"<{code}")
        data = self.take(info.count * size, "a list")
        return struct.unpack(f"<{info.count}{code}", data)

    def _texts(self, count: int) -> list[str]:
        """The next texts. Vocabularies are long, so this loop stays within the window it has."""
        found: list[str] = []
        length_at = _LENGTH.unpack_from
        while len(found) < count:
            found.append(self.text("an element of a list"))
            window, at = self._window, self.position - self._window_start
            last, left = len(window) - _LENGTH.size, self._text_left
            for _ in range(count - len(found)):
                if at > last:
                    break
                length = length_at(window, at)[0]
                begin = at + _LENGTH.size
                if length > left or begin + length > len(window):
                    break
                at, left = begin + length, left - length
                found.append(window[begin:at].decode("utf-8", "replace"))
            self.position, self._text_left = self._window_start + at, left
        return found

    def texts_at(self, info: ArrayInfo, indices: Collection[int]) -> dict[int, str]:
        """Some elements of an array of texts, by index."""
        found: dict[int, str] = {}
        last = -1
        self.position = info.offset
        for index in sorted(indices):
            self._skip_texts(index - last - 1, "a list of texts")
            found[index] = self.text("an element of a list")
            last = index
        return found

    def _scalar(self, kind: int, what: str) -> Scalar:
        if kind == _TEXT:
            return self.text(what)
        if kind == _BOOL:
            byte = self.take(1, what)
            if byte not in (b"\0", b"\1"):
                raise FormatError(f"{what} is neither true nor false")
            return byte == b"\1"
        if kind not in _NUMBERS:
            raise FormatError(f"{what} has the unknown type {kind}")
        return self.number(_NUMBERS[kind][1], what)

    def _skip_array(self, key: str) -> ArrayInfo:
        what = f"the list {key!r}"
        kind = int(self.number("<I", what))
        if kind == _ARRAY:
            raise FormatError(f"{what} is a list of lists")
        if kind == _TEXT:
            name, size = "text", _LENGTH.size
        elif kind == _BOOL:
            name, size = "bool", 1
        elif kind in _NUMBERS:
            name, form = _NUMBERS[kind]
            size = struct.calcsize(form)
        else:
            raise FormatError(f"{what} has elements of the unknown type {kind}")
        maximum = _MAX_ARRAY_TEXTS if kind == _TEXT else self.size
        count = self.count(f"elements of {key!r}", maximum, min_bytes=size)
        info = ArrayInfo(name, count, self.position)
        if kind == _TEXT:
            self._skip_texts(count, what)
        else:
            self.position += count * size
        return info

    def _skip_texts(self, count: int, what: str) -> None:
        # Vocabularies have some 100,000 texts, so this loop dominates the time of reading a header.
        # It works on the window without a call for each text.
        unpack = _LENGTH.unpack_from
        while count > 0:
            start = offset = self._fill_window(_LENGTH.size, what)
            window = self._window
            last = len(window) - _LENGTH.size
            while count > 0 and offset <= last:
                offset += _LENGTH.size + unpack(window, offset)[0]
                count -= 1
            self.position += offset - start
            if self.position > self.size:
                raise FormatError(f"it is cut off in {what}")

    def _fill_window(self, count: int, what: str) -> int:
        """Load the next `count` bytes into the window; returns their offset in it."""
        if count > self.size - self.position:
            raise FormatError(f"it is cut off in {what}")
        start = self.position - self._window_start
        if start >= 0 and start + count <= len(self._window):
            return start
        try:
            self._window = os.pread(self._descriptor, max(count, _WINDOW_BYTES), self.position)
        except OSError as error:
            raise FormatError(f"it cannot be read: {(error.strerror or '').lower()}") from error
        if len(self._window) < count:
            raise FormatError(f"it is cut off in {what}")
        self._window_start = self.position
        return 0
