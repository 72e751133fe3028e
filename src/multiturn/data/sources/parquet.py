"""Parquet: datasets of a model hub, exports of BigQuery, anything of one row a document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from multiturn.data.document import Document
from multiturn.data.ledger import Ledger
from multiturn.data.source import Part, SourceError
from multiturn.data.sources.columns import check_fields, set_field
from multiturn.data.sources.remote_files import expand, open_remote

if TYPE_CHECKING:
    import pyarrow.parquet

__all__ = ["Parquet"]

_PART_BYTES = 256 << 20
_MOST_GROUP_BYTES = 4 << 30
_BATCH_ROWS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Parquet:
    """Parquet files, one document a row.

    Attributes:
        paths: paths, globs and folders, as fsspec takes them: ``gs://bucket/export/``,
            ``hf://datasets/owner/name@revision/data/*.parquet``, ``exports/*.parquet``.
        content: the column of the text, of type string or binary.
        fields: the columns of other fields of a document, by the field:
            ``{"path": "path", "source": "repo_name"}``. ``metadata.x`` may be such a field too.
        label: what stands in the documents' `source`; before a colon and the value where a
            column gives it.
        licence: of documents where no column gives it.
        licences: what the licence column's values mean, as SPDX; values not in it are kept.
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
        """Runs of row groups of about 256 MiB of text."""
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
            raise SourceError("Parquet files without rows", got=", ".join(self.paths))
        return parts

    def read(self, part: Part, ledger: Ledger, downloads: Path) -> Iterator[Document]:
        """The rows of one run."""
        del downloads
        path = str(part.detail["path"])
        names = [self.content, *self.fields.values()]
        with self._open(path) as file:
            for group in cast(list[int], part.detail["groups"]):
                about = file.metadata.row_group(group)
                place = f"{path.rpartition('/')[2]}:{group}"
                if about.total_byte_size > _MOST_GROUP_BYTES:
                    unread = Document(content=b"", source=self.label, path=place)
                    reason = "a row group too large"
                    ledger.drop(self.name, unread, reason, size=about.total_byte_size)
                    continue
                row = 0
                for batch in _reading(path, file, group, names, raw=self.content):
                    for values in zip(*(batch[name] for name in names), strict=True):
                        yield from self._document(f"{place}:{row}", values, ledger)
                        row += 1

    def _document(
        self, place: str, values: tuple[object, ...], ledger: Ledger
    ) -> Iterator[Document]:
        content, *others = values
        if isinstance(content, str):
            content = content.encode("utf-8", "surrogatepass")
        if not isinstance(content, bytes):
            unread = Document(content=b"", source=self.label, path=place)
            ledger.drop(self.name, unread, "a row without text")
            return
        document = Document(content=content, source=self.label, path=place, licence=self.licence)
        for name, value in zip(self.fields, others, strict=True):
            set_field(document, name, value, label=self.label, licences=self.licences)
        yield document

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
                columns = set(file.schema_arrow.names)
                missing = [n for n in (self.content, *self.fields.values()) if n not in columns]
                if missing:
                    raise SourceError(
                        f"{path} has no such column",
                        got=", ".join(missing),
                        allowed=", ".join(sorted(columns)),
                    )
                yield file


def _reading(
    path: str, file: pyarrow.parquet.ParquetFile, group: int, names: list[str], *, raw: str
) -> Iterator[dict[str, list[object]]]:
    """The rows of a group as lists by column; text of the column `raw` is not decoded.

    So a row that is no UTF-8 is a document like another, for `ValidText` to drop.
    """
    import pyarrow

    batches = file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=names)
    while True:
        try:
            batch = next(batches, None)
            if batch is None:
                return
            columns = {name: _values(batch.column(name), raw=name == raw) for name in names}
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise _broken(path, error) from error
        yield columns


def _values(column: pyarrow.Array, *, raw: bool) -> list[object]:
    import pyarrow

    if raw and pyarrow.types.is_string(column.type):
        column = column.cast(pyarrow.binary())
    elif raw and pyarrow.types.is_large_string(column.type):
        column = column.cast(pyarrow.large_binary())
    return cast(list[object], column.to_pylist())


def _part(path: str, groups: list[int]) -> Part:
    name = f"{path.rpartition('/')[2]} {groups[0]}-{groups[-1]}"
    return Part(name, {"path": path, "groups": groups})


def _broken(path: str, error: Exception) -> SourceError:
    reason = str(error).splitlines()[0]
    return SourceError(f"a Parquet file is broken, {reason}", got=path, fix="fetch it again")
