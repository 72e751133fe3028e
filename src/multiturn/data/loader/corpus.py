"""A packed corpus as rows numbered from 0 through all shards, read where they lie.

Shards are mapped into memory: a row is a view of the file, and only what is looked at is ever
read. A corpus can be pickled and opened in many processes; it has no state but its folder. It
has ``__len__`` and ``__getitem__``, which is what grain and torch ask of a data source.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import index as as_index
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np

from multiturn.core.errors import InputError, StoreError
from multiturn.data.build.arrays import load_array
from multiturn.data.packing.manifest import MANIFEST, Manifest, read_manifest

__all__ = ["Origin", "PackedCorpus", "Piece", "Rows"]

Numbers = np.ndarray[Any, Any]

_OPEN_SHARDS = 100
"""Mapped at a time: each needs a few open files."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows.

    Attributes:
        tokens: int32 [n, length].
        segments: int32 [n, length]: which document of its row each token is of, counted
            from 1; 0 where the row is filled up.
    """

    tokens: Numbers
    segments: Numbers


@dataclass(frozen=True, slots=True)
class Origin:
    """The document that a token came from.

    Attributes:
        source: the collection.
        path: the file in it.
        revision: of the collection.
        licence: SPDX.
        language: of the text.
        sha256: of the file as the source had it.
        number: of the document in the build.
        offset: of the token among the document's tokens, header and special tokens counted.
        tokens: the document has.
    """

    source: str
    path: str
    revision: str
    licence: str
    language: str
    sha256: str
    number: int
    offset: int
    tokens: int

    @property
    def id(self) -> str:
        """The document's name in every record, as `Document.id`."""
        return f"{self.source}{f'@{self.revision}' if self.revision else ''}:{self.path}"


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of tokens in a row that come from one document."""

    begin: int
    length: int
    origin: Origin


class PackedCorpus:
    """The rows of a packed corpus.

    Args:
        folder: with ``manifest.json``, or of the build it is in.

    Raises:
        StoreError: there is no packed corpus, or files of it are missing or cut short.
    """

    def __init__(self, folder: Path) -> None:
        folder = Path(folder)
        self.folder = folder if (folder / MANIFEST).is_file() else folder / "packed"
        self.manifest: Manifest = read_manifest(folder)
        self._ends = list(itertools.accumulate(shard.rows for shard in self.manifest.shards))
        for shard in self.manifest.shards:
            for name in shard.files:
                if not (self.folder / name).is_file():
                    raise StoreError(
                        "a file of the corpus is missing",
                        got=name,
                        fix="`multiturn data build` makes it again",
                    )

    def __len__(self) -> int:
        """How many rows."""
        return self._ends[-1] if self._ends else 0

    @property
    def length(self) -> int:
        """Tokens in a row."""
        return self.manifest.length

    @property
    def bytes_per_token(self) -> float:
        """Of the text the tokens stand for."""
        shards = self.manifest.shards
        return sum(shard.bytes for shard in shards) / sum(shard.tokens for shard in shards)

    def __getitem__(self, index: SupportsIndex) -> Numbers:
        """The tokens of a row, as a view of the file, uint16 or uint32 [length].

        Raises:
            IndexError: no such row.
        """
        shard, row = self.place(as_index(index))
        tokens: Numbers = _opened(self.folder, shard, self._shape(shard)).tokens[row]
        return tokens

    def place(self, index: int) -> tuple[int, int]:
        """Shard and row in it, of a global number.

        Raises:
            IndexError: no such row.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        shard = bisect.bisect_right(self._ends, index)
        return shard, index - (self._ends[shard] - self.manifest.shards[shard].rows)

    def read(self, indexes: Sequence[int]) -> Rows:
        """The rows with these numbers, copied once."""
        tokens = np.empty((len(indexes), self.length), np.int32)
        segments = np.zeros((len(indexes), self.length), np.int32)
        for place, index in enumerate(indexes):
            shard, row = self.place(index)
            opened = _opened(self.folder, shard, self._shape(shard))
            tokens[place] = opened.tokens[row]
            spans = opened.spans_of(row)
            # Spans follow each other without a gap; what is behind the last is filling.
            marks = np.repeat(np.arange(1, len(spans) + 1), spans["length"])
            segments[place, : len(marks)] = marks
        return Rows(tokens, segments)

    def pieces(self, index: int) -> tuple[Piece, ...]:
        """Where the tokens of a row came from, in order."""
        shard, row = self.place(index)
        spans = _opened(self.folder, shard, self._shape(shard)).spans_of(row)
        return tuple(
            Piece(int(span["begin"]), int(span["length"]), self._origin(shard, span, 0))
            for span in spans
        )

    def trace(self, shard: int, token: int) -> Origin | None:
        """The document that a token of a shard came from.

        Args:
            shard: its number, from 0.
            token: its place in the shard: row times `length`, plus the place in the row.

        Returns:
            None for tokens that only fill a row up.

        Raises:
            InputError: no such shard or token.
        """
        shards = self.manifest.shards
        if not 0 <= shard < len(shards):
            raise InputError("no such shard", got=shard, allowed=f"0 to {len(shards) - 1}")
        count = shards[shard].rows * self.length
        if not 0 <= token < count:
            raise InputError(
                f"no such token in shard {shard}", got=token, allowed=f"0 to {count - 1}"
            )
        row, place = divmod(token, self.length)
        for span in _opened(self.folder, shard, self._shape(shard)).spans_of(row):
            inside = place - int(span["begin"])
            if 0 <= inside < int(span["length"]):
                return self._origin(shard, span, inside)
        return None

    def shard_tokens(self, shard: int) -> Numbers:
        """All tokens of a shard, one row after the other, as a view of the file."""
        tokens = _opened(self.folder, shard, self._shape(shard)).tokens
        flat: Numbers = tokens.reshape(-1)
        return flat

    def _origin(self, shard: int, span: Any, inside: int) -> Origin:
        about = _documents(self.folder, self._shape(shard))
        row = int(span["document"])
        return Origin(
            **{name: str(about[name][row]) for name in _TEXTS},
            number=int(about["number"][row].as_py()),
            offset=int(span["offset"]) + inside,
            tokens=int(about["tokens"][row].as_py()),
        )

    def _shape(self, shard: int) -> _Shape:
        described = self.manifest.shards[shard]
        digest = ",".join(described.files.values())
        return described.name, described.rows, self.length, self.manifest.dtype, digest


_Shape = tuple[str, int, int, str, str]
"""Name, rows, length and dtype of a shard, and its hashes, so that one built anew is opened
anew."""
_TEXTS = ("source", "path", "revision", "licence", "language", "sha256")


@dataclass(frozen=True, slots=True)
class _Shard:
    tokens: Numbers
    spans: Numbers
    starts: Numbers

    def spans_of(self, row: int) -> Numbers:
        return self.spans[int(self.starts[row]) : int(self.starts[row + 1])]


@lru_cache(maxsize=_OPEN_SHARDS)
def _opened(folder: Path, shard: int, shape: _Shape) -> _Shard:
    name, rows, length, dtype, _ = shape
    opened = _Shard(
        *(load_array(folder / f"{name}.{kind}.npy") for kind in ("tokens", "spans", "starts"))
    )
    expected = ((rows, length), np.dtype(dtype), (rows + 1,))
    if (opened.tokens.shape, opened.tokens.dtype, opened.starts.shape) != expected:
        raise StoreError(
            f"shard {shard} is not what the manifest says",
            got=f"{opened.tokens.shape} {opened.tokens.dtype}",
            allowed=f"{(rows, length)} {dtype}",
            fix="`multiturn data verify` says more; build it again",
        )
    return opened


@lru_cache(maxsize=4)
def _documents(folder: Path, shape: _Shape) -> Any:
    import pyarrow
    import pyarrow.parquet

    path = folder / f"{shape[0]}.documents.parquet"
    try:
        return pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise StoreError(
            "a file of the corpus cannot be read", got=str(path), fix="build it again"
        ) from error
