"""A packed corpus as rows, numbered from 0 through all shards.

Shards are memory-mapped, so a row is a view of the file. A corpus can be pickled and opened in many
processes, since its only state is its folder. It has ``__len__`` and ``__getitem__``, the interface
of a data source for grain and torch.
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
from multiturn.data.documents.record import PROVENANCE
from multiturn.data.packing.manifest import MANIFEST, Manifest, read_manifest

__all__ = ["Origin", "PackedCorpus", "Span", "Rows"]

Numbers = np.ndarray[Any, Any]

_OPEN_SHARDS = 100
"""Shards that are mapped at a time; each needs a few open files."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows.

    Attributes:
        tokens: int32 [n, length].
        segments: int32 [n, length]: the document of each token, counted from 1 in each row;
            0 for padding.
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
        sha256: of the file as the source gave it.
        number: of the document in the build.
        offset: of the token in the document's tokens, header and special tokens included.
        tokens: number of the document's tokens.
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
        """The document's name in records, as `Document.id`."""
        return f"{self.source}{f'@{self.revision}' if self.revision else ''}:{self.path}"


@dataclass(frozen=True, slots=True)
class Span:
    """Consecutive tokens of a row that come from one document."""

    begin: int
    length: int
    origin: Origin


class PackedCorpus:
    """The rows of a packed corpus.

    Args:
        folder: with ``manifest.json``, or of the build.

    Raises:
        StoreError: there is no packed corpus, or a file of it is missing.
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
        """The number of rows."""
        return self._ends[-1] if self._ends else 0

    @property
    def length(self) -> int:
        """Tokens in a row."""
        return self.manifest.length

    @property
    def bytes_per_token(self) -> float:
        """Bytes of text per token."""
        shards = self.manifest.shards
        return sum(shard.bytes for shard in shards) / sum(shard.tokens for shard in shards)

    def __getitem__(self, index: SupportsIndex) -> Numbers:
        """The tokens of a row, as a view of the file, uint16 or uint32 [length].

        Raises:
            IndexError: there is no such row.
        """
        shard, row = self.place(as_index(index))
        tokens: Numbers = _opened(self.folder, shard, self._key(shard)).tokens[row]
        return tokens

    def place(self, index: int) -> tuple[int, int]:
        """The shard of a row, and its number in the shard.

        Raises:
            IndexError: there is no such row.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        shard = bisect.bisect_right(self._ends, index)
        return shard, index - (self._ends[shard] - self.manifest.shards[shard].rows)

    def read(self, indexes: Sequence[int]) -> Rows:
        """The rows with these numbers, as a copy."""
        tokens = np.empty((len(indexes), self.length), np.int32)
        segments = np.zeros((len(indexes), self.length), np.int32)
        for place, index in enumerate(indexes):
            shard, row = self.place(index)
            opened = _opened(self.folder, shard, self._key(shard))
            tokens[place] = opened.tokens[row]
            spans = opened.spans_of(row)
            # Spans follow each other without gaps; padding follows the last.
            marks = np.repeat(np.arange(1, len(spans) + 1), spans["length"])
            segments[place, : len(marks)] = marks
        return Rows(tokens, segments)

    def pieces(self, index: int) -> tuple[Span, ...]:
        """The provenance of a row, in order."""
        shard, row = self.place(index)
        spans = _opened(self.folder, shard, self._key(shard)).spans_of(row)
        return tuple(
            Span(int(span["begin"]), int(span["length"]), self._origin(shard, span, 0))
            for span in spans
        )

    def trace(self, shard: int, token: int) -> Origin | None:
        """The provenance of a token.

        Args:
            shard: the number of the shard, from 0.
            token: its index in the shard: row times `length`, plus the index in the row.

        Returns:
            the document that the token came from; None for padding.

        Raises:
            InputError: there is no such shard or token.
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
        for span in _opened(self.folder, shard, self._key(shard)).spans_of(row):
            inside = place - int(span["begin"])
            if 0 <= inside < int(span["length"]):
                return self._origin(shard, span, inside)
        return None

    def shard_tokens(self, shard: int) -> Numbers:
        """All tokens of a shard, row after row, as a view of the file."""
        tokens = _opened(self.folder, shard, self._key(shard)).tokens
        flat: Numbers = tokens.reshape(-1)
        return flat

    def _origin(self, shard: int, span: Any, inside: int) -> Origin:
        provenance = _documents(self.folder, self._key(shard))
        row = int(span["document"])
        return Origin(
            **{name: str(provenance[name][row]) for name in PROVENANCE},
            number=int(provenance["number"][row].as_py()),
            offset=int(span["offset"]) + inside,
            tokens=int(provenance["tokens"][row].as_py()),
        )

    def _key(self, shard: int) -> _ShardKey:
        described = self.manifest.shards[shard]
        digest = ",".join(described.files.values())
        return described.name, described.rows, self.length, self.manifest.dtype, digest


_ShardKey = tuple[str, int, int, str, str]
"""Name, rows, length and dtype of a shard, and its hashes, so that a rebuilt shard is reopened."""


@dataclass(frozen=True, slots=True)
class _Shard:
    tokens: Numbers
    spans: Numbers
    starts: Numbers

    def spans_of(self, row: int) -> Numbers:
        return self.spans[int(self.starts[row]) : int(self.starts[row + 1])]


@lru_cache(maxsize=_OPEN_SHARDS)
def _opened(folder: Path, shard: int, key: _ShardKey) -> _Shard:
    name, rows, length, dtype, _ = key
    opened = _Shard(
        *(load_array(folder / f"{name}.{kind}.npy") for kind in ("tokens", "spans", "starts"))
    )
    expected = ((rows, length), np.dtype(dtype), (rows + 1,))
    if (opened.tokens.shape, opened.tokens.dtype, opened.starts.shape) != expected:
        raise StoreError(
            f"shard {shard} differs from the manifest",
            got=f"{opened.tokens.shape} {opened.tokens.dtype}",
            allowed=f"{(rows, length)} {dtype}",
            fix="run `multiturn data verify` for details, then build it again",
        )
    return opened


@lru_cache(maxsize=4)
def _documents(folder: Path, key: _ShardKey) -> Any:
    import pyarrow
    import pyarrow.parquet

    path = folder / f"{key[0]}.documents.parquet"
    try:
        return pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise StoreError(
            "a file of the corpus cannot be read", got=str(path), fix="build it again"
        ) from error
