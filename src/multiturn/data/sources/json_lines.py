"""JSON lines, plain or compressed: The Pile, and exports of one record a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol, cast

from multiturn.data.build.drop_log import DropLog
from multiturn.data.build.fingerprint import formerly
from multiturn.data.build.source import Part, SourceError
from multiturn.data.documents.record import Document
from multiturn.data.sources.columns import FieldError, check_fields, fill_fields
from multiturn.data.sources.compressed import BrokenStreamError, Decompressed, compression_of
from multiturn.data.sources.remote_files import expand, open_remote

__all__ = ["BREAKS", "JsonLines", "Pile"]

_CHUNK = 1 << 20
_ENDINGS = tuple(
    f"{name}{packed}"
    for name in (".jsonl", ".json", ".ndjson")
    for packed in ("", ".gz", ".zst", ".zstd", ".bz2", ".xz", ".lzma")
)
_HALF = "half of a surrogate pair"
BREAKS = "a compressed file that breaks: what follows is lost"


@formerly(max_line_bytes="most_line_bytes")
@dataclass(frozen=True, slots=True, kw_only=True)
class JsonLines:
    """Files with one JSON object a line.

    Attributes:
        paths: paths, globs and folders, as fsspec takes them.
        content: the key of the text. A dot goes into an object: ``meta.text``.
        fields: the keys of other fields of a document, by the field: ``{"path": "path"}``.
            ``metadata.x`` is a field too.
        label: the `source` of the documents; before a colon and the value where a key gives it.
        licence: the licence of documents without that key.
        licences: SPDX expressions for values of the licence key; other values stay as they are.
        max_line_bytes: a longer line is dropped unread.
    """

    paths: tuple[str, ...]
    content: str = "text"
    fields: Mapping[str, str] = field(default_factory=dict)
    label: str = "lines"
    licence: str = ""
    licences: Mapping[str, str] = field(default_factory=dict)
    max_line_bytes: int = 32 << 20
    name: str = "lines"

    def __post_init__(self) -> None:
        check_fields(self.fields)

    def parts(self, downloads: Path) -> Sequence[Part]:
        """A part for each file."""
        del downloads
        return [
            Part(path.rpartition("/")[2], {"path": path}) for path in expand(self.paths, _ENDINGS)
        ]

    def read(self, part: Part, drop_log: DropLog, downloads: Path) -> Iterator[Document]:
        """The records of one file."""
        del downloads
        address = str(part.detail["path"])
        for place, row in read_objects(
            address, self.max_line_bytes, drop_log, self.name, self.label
        ):
            if (document := self._document(place, row, drop_log)) is not None:
                yield document

    def _document(self, place: str, row: object, drop_log: DropLog) -> Document | None:
        text = _look_up(row, self.content)
        if not isinstance(text, str):
            drop_log.drop(self.name, _unread(self.label, place), "a record without text")
            return None
        try:
            document = Document(
                content=text.encode("utf-8"),
                source=self.label,
                path=place,
                licence=self.licence,
            )
            values = [(name, _look_up(row, key)) for name, key in self.fields.items()]
            fill_fields(document, values, label=self.label, licences=self.licences)
        except (UnicodeEncodeError, FieldError) as error:
            # JSON can hold halves of surrogate pairs, which are not text.
            reason = _HALF if isinstance(error, UnicodeEncodeError) else str(error)
            drop_log.drop(self.name, _unread(self.label, place), reason)
            return None
        return document


@formerly(max_line_bytes="most_line_bytes")
@dataclass(frozen=True, slots=True, kw_only=True)
class Pile:
    """The Pile: `.jsonl.zst` files whose lines name the subset they belong to.

    A document's `source` is ``pile:Github``, and its `path` the file and line.

    Attributes:
        paths: of the files, as fsspec takes them.
        subsets: values of `meta.pile_set_name` that are read; empty for all. Documents of other
            subsets are drops.
        max_line_bytes: a longer line is dropped unread.
    """

    paths: tuple[str, ...]
    subsets: tuple[str, ...] = ()
    max_line_bytes: int = 32 << 20
    name: str = "pile"

    def parts(self, downloads: Path) -> Sequence[Part]:
        """A part for each file."""
        del downloads
        return [
            Part(path.rpartition("/")[2], {"path": path}) for path in expand(self.paths, _ENDINGS)
        ]

    def read(self, part: Part, drop_log: DropLog, downloads: Path) -> Iterator[Document]:
        """The documents of one file."""
        del downloads
        address = str(part.detail["path"])
        for place, row in read_objects(address, self.max_line_bytes, drop_log, self.name, "pile"):
            match row:
                case {"text": str(text), "meta": {"pile_set_name": str(subset)}}:
                    try:
                        content, _ = text.encode("utf-8"), subset.encode("utf-8")
                    except UnicodeEncodeError:
                        drop_log.drop(self.name, _unread("pile", place), _HALF)
                        continue
                    document = Document(content=content, source=f"pile:{subset}", path=place)
                case _:
                    drop_log.drop(self.name, _unread("pile", place), "a record without text")
                    continue
            if self.subsets and subset not in self.subsets:
                drop_log.drop(self.name, document, "another subset")
                continue
            yield document


def read_objects(
    address: str, max_line_bytes: int, drop_log: DropLog, step: str, label: str
) -> Iterator[tuple[str, Any]]:
    """The JSON value of each line, with its position: ``00.jsonl.zst:17``.

    Lines end with a line feed alone, because strings may hold other line separators. Lines that are
    too long, not JSON, or hold a key twice are dropped with the reason. A compressed file that
    breaks gives the lines before the break; the rest is one drop, whose detail says where.

    Raises:
        SourceError: the file is empty, or cannot be opened or read.
    """
    file_name = address.rpartition("/")[2]
    number = 0
    with open_remote(address) as file, _decompressed(address, file) as stream:
        try:
            for number, (line, size) in enumerate(_lines(stream, max_line_bytes, address), 1):
                place = f"{file_name}:{number}"
                if line is None:
                    drop_log.drop(step, _unread(label, place), "a line too long", size=size)
                    continue
                if not line.strip():
                    continue
                try:
                    value = json.loads(line, object_pairs_hook=_unique)
                except (ValueError, RecursionError) as error:
                    twice = isinstance(error, _TwiceError)
                    reason = "a key that stands twice" if twice else "a line that is no JSON"
                    drop_log.drop(step, _unread(label, place), reason, size=size)
                    continue
                yield place, value
        except BrokenStreamError as error:
            detail = f"{error}, after {number} lines"
            drop_log.drop(step, _unread(label, file_name), BREAKS, detail=detail)
            return
    if number == 0:
        raise SourceError("an empty file", got=address, fix="remove it from the recipe")


class _TwiceError(ValueError):
    """An object holds a key twice."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _TwiceError
    return found


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _lines(stream: _Stream, max_bytes: int, address: str) -> Iterator[tuple[bytes | None, int]]:
    """Each line and its size; None in place of a line of more than `max_bytes`."""
    pieces: list[bytes] = []
    size = count = 0
    while chunk := _read(stream, address, count):
        count += chunk.count(b"\n")
        begin = 0
        while (end := chunk.find(b"\n", begin)) >= 0:
            size += end - begin
            if size <= max_bytes:
                pieces.append(chunk[begin:end])
                yield b"".join(pieces), size
            else:
                yield None, size
            pieces, size, begin = [], 0, end + 1
        rest = chunk[begin:]
        size += len(rest)
        if size <= max_bytes:
            pieces.append(rest)
        else:
            pieces = []
    if size:
        yield (b"".join(pieces) if size <= max_bytes else None), size


def _read(stream: _Stream, address: str, lines: int) -> bytes:
    try:
        return stream.read(_CHUNK)
    except (OSError, ValueError) as error:
        raise SourceError(
            f"the file cannot be read to its end, {error}, after {lines} lines",
            got=address,
            fix="fetch it again",
        ) from error


@contextmanager
def _decompressed(address: str, file: IO[bytes]) -> Iterator[_Stream]:
    compression = compression_of(address)
    yield Decompressed(file, compression) if compression else cast(_Stream, file)


def _look_up(row: object, key: str) -> object:
    for step in key.split("."):
        if not isinstance(row, dict):
            return None
        row = row.get(step)
    return row


def _unread(label: str, place: str) -> Document:
    return Document(content=b"", source=label, path=place)
