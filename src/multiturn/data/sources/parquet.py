"""Parquet files with one document a row: datasets of a model hub, exports of BigQuery."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from multiturn.data.build.drop_log import DropLog
from multiturn.data.build.source import Part, SourceError
from multiturn.data.documents.record import Document
from multiturn.data.sources.columns import FieldError, check_fields, fill_fields, is_missing
from multiturn.data.sources.remote_files import expand, open_remote

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet

__all__ = ["Parquet"]

_PART_BYTES = 256 << 20
_MAX_GROUP_BYTES = 4 << 30
_BATCH_ROWS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Parquet:
    """Parquet files, one document a row.

    Attributes:
        paths: paths, globs and folders, as fsspec takes them: ``gs://bucket/export/``,
            ``hf://datasets/owner/name@revision/data/*.parquet``, ``exports/*.parquet``.
        content: the column of the text, of type string or binary. A dot goes into a struct:
            ``meta.text``.
        fields: the columns of other fields of a document, by the field:
            ``{"path": "path", "source": "repo_name"}``. ``metadata.x`` is a field too. The
            licence may be a list of names, which apply together.
        label: the `source` of the documents; before a colon and the value where a column gives
            it.
        licence: the licence of documents without that column.
        licences: SPDX expressions for values of the licence column, in any case; other values are
            read as SPDX, or as the words that packages use.
    """

    paths: tuple[str, ...]
    content: str = "content"
    fields: Mapping[str, str] = field(default_factory=dict)
    label: str = "parquet"
    licence: str = ""
    licences: Mapping[str, str] = field(default_factory=dict)
    name: str = "parquet"

    def __post_init__(self) -> None:
        check_fields(self.fields)

    def parts(self, downloads: Path) -> Sequence[Part]:
        """Consecutive row groups of about 256 MiB of text."""
        del downloads
        parts: list[Part] = []
        for path in expand(self.paths, (".parquet",)):
            with self._open(path) as file:
                groups: list[int] = []
                size = 0
                for group in range(file.num_row_groups):
                    groups.append(group)
                    size += file.metadata.row_group(group).total_byte_size
                    if size >= _PART_BYTES:
                        parts.append(_part(path, groups))
                        groups, size = [], 0
                if groups:
                    parts.append(_part(path, groups))
        if not parts:
            raise SourceError("the Parquet files have no rows", got=", ".join(self.paths))
        return parts

    def read(self, part: Part, drop_log: DropLog, downloads: Path) -> Iterator[Document]:
        """The rows of one part."""
        del downloads
        path = str(part.detail["path"])
        with self._open(path) as file:
            columns = self._columns(path, file)
            for group in cast(list[int], part.detail["groups"]):
                metadata = file.metadata.row_group(group)
                place = f"{path.rpartition('/')[2]}:{group}"
                if metadata.total_byte_size > _MAX_GROUP_BYTES:
                    unread = Document(content=b"", source=self.label, path=place)
                    reason = "a row group too large"
                    drop_log.drop(self.name, unread, reason, size=metadata.total_byte_size)
                    continue
                row = 0
                for batch in _reading(path, file, group, columns):
                    for values in zip(*batch, strict=True):
                        yield from self._document(f"{place}:{row}", values, drop_log)
                        row += 1

    def _document(
        self, place: str, values: tuple[object, ...], drop_log: DropLog
    ) -> Iterator[Document]:
        content, *others = values
        unread = Document(content=b"", source=self.label, path=place)
        if is_missing(content) or not isinstance(content, bytes):
            drop_log.drop(self.name, unread, "a row without text")
            return
        document = Document(content=content, source=self.label, path=place, licence=self.licence)
        try:
            values_by_field = zip(self.fields, others, strict=True)
            fill_fields(document, values_by_field, label=self.label, licences=self.licences)
        except FieldError as error:
            drop_log.drop(self.name, unread, str(error))
            return
        yield document

    def _columns(self, path: str, file: pyarrow.parquet.ParquetFile) -> list[_Column]:
        """The columns to read: the text, then the fields."""
        schema = file.schema_arrow
        found = [_column(path, schema, name) for name in (self.content, *self.fields.values())]
        if not _is_text(found[0].type):
            raise SourceError(
                f"the column {self.content} of {path} is not text",
                got=str(found[0].type),
                allowed="string or binary",
                fix="name the column of the text with content=",
            )
        return found

    @contextmanager
    def _open(self, path: str) -> Iterator[pyarrow.parquet.ParquetFile]:
        import pyarrow
        import pyarrow.parquet

        with open_remote(path) as opened:
            try:
                file = pyarrow.parquet.ParquetFile(opened)
            except (pyarrow.ArrowException, OSError) as error:
                raise _broken(path, error) from error
            with file:
                self._columns(path, file)
                yield file


@dataclass(frozen=True, slots=True)
class _Column:
    """A column, or a field of a struct.

    Attributes:
        name: as the file has it, with dots into structs.
        top: the column that it is in.
        inside: the names of fields in that column.
        type: of its values.
    """

    name: str
    top: str
    inside: tuple[str, ...]
    type: pyarrow.DataType


def _column(path: str, schema: pyarrow.Schema, name: str) -> _Column:
    import pyarrow

    top = name
    inside: tuple[str, ...] = ()
    if name not in schema.names and "." in name:
        top, *steps = name.split(".")
        inside = tuple(steps)
    count = schema.names.count(top)
    if count > 1:
        raise SourceError(
            f"{path} has two columns of one name",
            got=top,
            fix="write the file again with different names",
        )
    found: Any = schema.field(top).type if count else None
    for step in inside:
        is_struct = found is not None and pyarrow.types.is_struct(found)
        index = found.get_field_index(step) if is_struct else -1
        found = found.field(index).type if index >= 0 else None
    if found is None:
        raise SourceError(
            f"{path} has no such column", got=name, allowed=", ".join(sorted(set(schema.names)))
        )
    return _Column(name, top, inside, found)


def _is_text(kind: pyarrow.DataType) -> bool:
    import pyarrow

    if pyarrow.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return any(test(kind) for test in _text_tests()) or bool(pyarrow.types.is_null(kind))


def _text_tests() -> tuple[Callable[[pyarrow.DataType], bool], ...]:
    import pyarrow

    types = pyarrow.types
    return (
        types.is_string, types.is_large_string, types.is_string_view,
        types.is_binary, types.is_large_binary, types.is_binary_view, types.is_fixed_size_binary,
    )  # fmt: skip


def _reading(
    path: str, file: pyarrow.parquet.ParquetFile, group: int, columns: list[_Column]
) -> Iterator[list[list[object]]]:
    """The rows of a group as a list of values for each column, with text as bytes.

    A row that is not UTF-8 is a document too, which `ValidText` drops.
    """
    import pyarrow

    names = list(dict.fromkeys(column.name for column in columns))
    batches = file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=names)
    while True:
        try:
            batch = next(batches, None)
            if batch is None:
                return
            found = {name: _values(batch, column) for name, column in _by_name(columns).items()}
        except (pyarrow.ArrowException, OSError, ValueError, KeyError) as error:
            raise _broken(path, error) from error
        yield [found[column.name] for column in columns]


def _by_name(columns: list[_Column]) -> dict[str, _Column]:
    return {column.name: column for column in columns}


def _values(batch: pyarrow.RecordBatch, column: _Column) -> list[object]:
    import pyarrow
    import pyarrow.compute

    array = batch.column(column.top)
    for step in column.inside:
        array = pyarrow.compute.struct_field(array, [array.type.get_field_index(step)])
    if pyarrow.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    return cast(list[object], array.cast(_undecoded(array.type)).to_pylist())


def _undecoded(kind: pyarrow.DataType) -> pyarrow.DataType:
    """A type with bytes in place of text, so that an invalid value does not affect others."""
    import pyarrow

    types = pyarrow.types
    if types.is_list(kind):
        return pyarrow.list_(_undecoded(kind.value_type))
    if types.is_large_list(kind):
        return pyarrow.large_list(_undecoded(kind.value_type))
    if types.is_large_string(kind):
        return pyarrow.large_binary()
    if types.is_string(kind) or types.is_string_view(kind):
        return pyarrow.binary()
    return kind


def _part(path: str, groups: list[int]) -> Part:
    name = f"{path.rpartition('/')[2]} {groups[0]}-{groups[-1]}"
    return Part(name, {"path": path, "groups": groups})


def _broken(path: str, error: Exception) -> SourceError:
    reason = str(error).splitlines()[0]
    return SourceError(f"a Parquet file is broken, {reason}", got=path, fix="fetch it again")
