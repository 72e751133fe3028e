"""Files of documents in Parquet, between the stages of a build.

Parquet lets a later stage read one column, such as the hashes, without the text, and other tools
read it too. The same documents give the same bytes with the same version of pyarrow.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multiturn.core.errors import StoreError, storage_errors
from multiturn.core.files import atomic_file
from multiturn.data.documents.record import Document

if TYPE_CHECKING:
    import pyarrow

__all__ = ["COLUMNS", "count_documents", "read_columns", "read_documents", "write_documents"]

COLUMNS = (
    "content",
    "source",
    "path",
    "revision",
    "licence",
    "language",
    "sha256",
    "metadata",
)
"""The fields of a `Document`; `metadata` is a JSON object."""

_GROUP_BYTES = 16 << 20
_GROUP_DOCUMENTS = 8192


def write_documents(path: Path, documents: Iterable[Document]) -> int:
    """Write documents to a file that appears complete or not at all.

    One group of rows (16 MiB of text) is in memory at a time.

    Returns:
        the number of documents.

    Raises:
        StorageError: the disk is full or the folder is not writable.
    """
    import pyarrow
    import pyarrow.parquet

    total = 0
    with storage_errors(path, "writing documents"):
        path.parent.mkdir(parents=True, exist_ok=True)
    with (
        atomic_file(path, doing="writing documents") as partial,
        pyarrow.parquet.ParquetWriter(
            partial,
            _schema(),
            compression="zstd",
            compression_level=1,
            use_dictionary=["source", "revision", "licence", "language"],
        ) as writer,
    ):
        for group in _groups(documents):
            writer.write_batch(_batch(group))
            total += len(group)
    return total


def read_documents(path: Path) -> Iterator[Document]:
    """The documents of a file, in order, with one group of rows in memory at a time.

    Raises:
        StoreError: the file is broken, or is not a file of documents.
    """
    for row in _rows(path, COLUMNS):
        metadata = json.loads(row[-1])
        yield Document(**dict(zip(COLUMNS[:-1], row, strict=False)), metadata=metadata)


def read_columns(path: Path, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Some columns of a file, as a tuple for each document. Other columns are not read.

    Raises:
        StoreError: the file is broken, or is not a file of documents.
    """
    return _rows(path, columns)


def count_documents(path: Path) -> int:
    """The number of documents in a file, from its last bytes alone.

    Raises:
        StoreError: the file is broken, or is not a file of documents.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        return int(pyarrow.parquet.read_metadata(path).num_rows)
    except (pyarrow.ArrowException, OSError) as error:
        raise _unreadable(path) from error


def _rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=list(columns))
                yield from zip(*(table.column(name).to_pylist() for name in columns), strict=True)
    except (pyarrow.ArrowException, OSError, KeyError, ValueError) as error:
        raise _unreadable(path) from error


def _unreadable(path: Path) -> StoreError:
    return StoreError(
        "a file of documents cannot be read",
        got=str(path),
        fix="delete it and build again: only that part is built again",
    )


def _groups(documents: Iterable[Document]) -> Iterator[list[Document]]:
    group: list[Document] = []
    size = 0
    for document in documents:
        group.append(document)
        size += len(document.content)
        if size >= _GROUP_BYTES or len(group) >= _GROUP_DOCUMENTS:
            yield group
            group, size = [], 0
    if group:
        yield group


def _schema() -> pyarrow.Schema:
    import pyarrow

    return pyarrow.schema(
        [
            pyarrow.field(name, pyarrow.binary() if name == "content" else pyarrow.string())
            for name in COLUMNS
        ]
    )


def _batch(group: list[Document]) -> pyarrow.RecordBatch:
    import pyarrow

    columns = [[getattr(document, name) for document in group] for name in COLUMNS[:-1]]
    columns.append([json.dumps(each.metadata, sort_keys=True) for each in group])
    return pyarrow.RecordBatch.from_arrays(
        [
            pyarrow.array(column, type=field.type)
            for column, field in zip(columns, _schema(), strict=True)
        ],
        schema=_schema(),
    )
