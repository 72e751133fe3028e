"""The first pass: a file of documents into tokens, sorted by where the shuffle puts them.

Each document has a key, a hash of the seed and its number, and the corpus is shuffled by
sorting by it. A file's documents are written in sorted runs of a bounded size, so that every
shard, which is a range of keys, is one slice of each run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from multiturn.data.build.drop_log import Counts, DropFile, DropLog
from multiturn.data.build.resumable import finished, mark, save_array
from multiturn.data.documents.files import read_documents
from multiturn.data.documents.record import Document
from multiturn.data.hashing import seeded_hash
from multiturn.data.packing.encoder import Encoder
from multiturn.data.packing.fim import (
    FillInTheMiddle,
    Shape,
    header_of,
    sentinels_of,
    shape,
)

__all__ = ["ENTRY", "TokenRuns", "TokenizeTask", "tokenize"]

Numbers = np.ndarray[Any, Any]

ENTRY = np.dtype(
    [
        ("key", "<u8"),
        ("document", "<u8"),
        ("begin", "<u8"),
        ("length", "<u8"),
        ("bytes", "<u8"),
        ("about", "<u8"),
        ("about_end", "<u8"),
    ]
)
"""Of a document in a run: its place in the shuffle, its number in the corpus, where its tokens
are in the run and how many, how long its text is, and where its provenance is."""

_BATCH_BYTES = 1 << 20
"""Of text that is tokenized in one call."""
_RUN_TOKENS = 1 << 24


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizeTask:
    """One file of documents.

    Attributes:
        documents: the file.
        first: the number of its first document.
        tokenizer: the directory of the tokenizer.
        tokenizer_hash: so that a process opens each tokenizer once.
        least_tokens: a document with fewer is dropped.
        header: whether documents begin with the line that names their language.
        fill: how many are turned around.
        seed: of the shuffle and of `fill`.
        dtype: of the tokens.
        folder: where the runs go.
        drops: where dropped documents go; None keeps none.
        step: what drops are filed under.
        fingerprint: of all that decides the result.
    """

    documents: Path
    first: int
    tokenizer: Path
    tokenizer_hash: str
    least_tokens: int
    header: bool
    fill: FillInTheMiddle | None
    seed: int
    dtype: str
    folder: Path
    drops: Path | None
    step: str
    fingerprint: str

    @property
    def label(self) -> str:
        """For a person."""
        return self.documents.stem


@dataclass(frozen=True, slots=True)
class TokenRuns:
    """What `tokenize` wrote.

    Attributes:
        names: of the runs: ``NAME.tokens.npy``, ``NAME.index.npy`` and ``NAME.about``.
        tokens: in all of them.
        counts: what was dropped and counted.
    """

    names: tuple[str, ...]
    tokens: int
    counts: Counts


def tokenize(piece: TokenizeTask) -> TokenRuns:
    """Write the tokens of one file, in sorted runs."""
    marker = piece.folder / f"{piece.documents.stem}.json"
    done = finished(marker, piece.fingerprint)
    if done is not None:
        return TokenRuns(tuple(done["names"]), done["tokens"], Counts.from_plain(done["tally"]))
    if piece.drops is None:
        runs = _tokenize(piece, DropLog())
    else:
        with DropFile(piece.drops) as file:
            runs = _tokenize(piece, DropLog(file))
    mark(
        marker,
        piece.fingerprint,
        names=runs.names,
        tokens=runs.tokens,
        tally=runs.counts.to_plain(),
    )
    return runs


def _tokenize(piece: TokenizeTask, drop_log: DropLog) -> TokenRuns:
    run, total = _Run(), 0
    names: list[str] = []
    for number, document, tokens in _tokens_of(piece, drop_log):
        if len(tokens) < piece.least_tokens:
            drop_log.drop(piece.step, document, f"fewer than {piece.least_tokens} tokens")
            continue
        drop_log.kept(document)
        drop_log.count(piece.step, f"tokens of {document.language or 'unknown'}", len(tokens))
        total += len(tokens)
        run.add(seeded_hash(piece.seed, number), number, document, tokens.astype(piece.dtype))
        if run.tokens >= _RUN_TOKENS:
            names.append(run.write(piece, len(names)))
            run = _Run()
    if run.tokens:
        names.append(run.write(piece, len(names)))
    return TokenRuns(tuple(names), total, drop_log.counts)


def _tokens_of(piece: TokenizeTask, drop_log: DropLog) -> Iterator[tuple[int, Document, Numbers]]:
    """Each document with its number and its tokens, the end of text among them."""
    encoder = _encoder(piece.tokenizer, piece.tokenizer_hash)
    sentinels = None if piece.fill is None else sentinels_of(encoder.tokenizer, piece.fill)
    lacking = bytes(encoder.tokenizer.missing_bytes)
    batch: list[tuple[int, Document, Shape]] = []
    size = 0
    for number, document in enumerate(read_documents(piece.documents), piece.first):
        content = document.content
        if lacking and len(content.translate(None, lacking)) < len(content):
            drop_log.drop(piece.step, document, "characters that the tokenizer has not")
            continue
        shaped = shape(
            content,
            header=header_of(document.language) if piece.header else b"",
            fill=piece.fill,
            sentinels=sentinels,
            seed=(piece.seed, number),
        )
        batch.append((number, document, shaped))
        size += len(content)
        if size >= _BATCH_BYTES:
            yield from _encoded(batch, encoder)
            batch, size = [], 0
    yield from _encoded(batch, encoder)


def _encoded(
    batch: list[tuple[int, Document, Shape]], encoder: Encoder
) -> Iterator[tuple[int, Document, Numbers]]:
    encoded = encoder.encode(list(chain.from_iterable(shaped.texts() for _, _, shaped in batch)))
    for number, document, shaped in batch:
        pieces = [
            next(encoded) if isinstance(part, bytes) else np.array([part], np.uint32)
            for part in shaped.pieces
        ]
        yield number, document, np.concatenate([*pieces, [np.uint32(encoder.end_of_text)]])
    # So that the checks after the last text are made.
    next(encoded, None)


@lru_cache(maxsize=1)
def _encoder(directory: Path, tokenizer_hash: str) -> Encoder:
    del tokenizer_hash  # only told apart by it
    return Encoder(directory)


class _Run:
    """Documents on their way into a sorted run."""

    def __init__(self) -> None:
        self._entries: list[tuple[int, int, int, int]] = []
        self._pieces: list[Numbers] = []
        self._abouts: list[bytes] = []
        self.tokens = 0

    def add(self, key: int, number: int, document: Document, tokens: Numbers) -> None:
        self._entries.append((key, number, len(tokens), len(document.content)))
        self._pieces.append(tokens)
        self._abouts.append(_about(document))
        self.tokens += len(tokens)

    def write(self, piece: TokenizeTask, number: int) -> str:
        name = f"{piece.documents.stem}.run-{number:04d}"
        order = sorted(range(len(self._entries)), key=lambda place: self._entries[place][:2])
        index = np.zeros(len(order), ENTRY)
        for column, values in zip(
            ("key", "document", "length", "bytes"), zip(*self._entries, strict=True), strict=True
        ):
            index[column] = np.array(values, np.uint64)[order]
        index["begin"][1:] = np.cumsum(index["length"])[:-1]
        ends = np.cumsum([len(self._abouts[place]) for place in order])
        index["about_end"] = ends
        index["about"][1:] = ends[:-1]
        abouts = b"".join(self._abouts[place] for place in order)
        save_array(piece.folder / f"{name}.about.npy", np.frombuffer(abouts, np.uint8))
        save_array(
            piece.folder / f"{name}.tokens.npy",
            np.concatenate([self._pieces[place] for place in order]),
        )
        save_array(piece.folder / f"{name}.index.npy", index)
        return name


def _about(document: Document) -> bytes:
    """The provenance of a document: a list in JSON, in the order of `shards.PROVENANCE`."""
    return json.dumps(
        [
            document.source,
            document.path,
            document.revision,
            document.licence,
            document.language,
            document.sha256,
        ]
    ).encode()
