"""The first pass of packing: a file of documents into tokens, in the order of the shuffle.

The key of a document is a hash of the seed and its number, and sorting by keys shuffles the
corpus. The documents of a file are written in sorted runs of bounded size. A shard is a range of
keys, and thus one slice of each run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from multiturn.data.build.arrays import save_array
from multiturn.data.build.drop_log import Counts, DropLog, open_drop_log
from multiturn.data.build.resumable import ResumableTask
from multiturn.data.documents.files import read_documents
from multiturn.data.documents.record import PROVENANCE, Document
from multiturn.data.hashing import seeded_hash
from multiturn.data.packing.encoder import Encoder
from multiturn.data.packing.fim import (
    FillInTheMiddle,
    Segments,
    header_of,
    segments_of,
    sentinels_of,
)

__all__ = ["ENTRY", "TokenRuns", "TokenizeTask"]

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
"""The entry of a document in the index of a run: its key in the shuffle, its number in the corpus,
where its tokens begin in the run and how many there are, the length of its text, and where its
provenance begins and ends."""

_BATCH_BYTES = 1 << 20
"""Bytes of text in one call of the tokenizer."""
_RUN_TOKENS = 1 << 24


@dataclass(frozen=True, slots=True)
class TokenRuns:
    """The runs of one file of documents.

    Attributes:
        names: of the runs: ``NAME.tokens.npy``, ``NAME.index.npy`` and ``NAME.about.npy``.
        tokens: in all of them.
        counts: of documents and tokens.
    """

    names: tuple[str, ...]
    tokens: int
    counts: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizeTask(ResumableTask[TokenRuns]):
    """Writes the tokens of one file of documents, in sorted runs.

    Attributes:
        documents: the file.
        first: the number of its first document.
        tokenizer: the directory of the tokenizer.
        tokenizer_hash: lets a process open each tokenizer once.
        min_tokens: a document with fewer tokens is dropped.
        header: whether documents begin with a line that names their language.
        fill: the share of documents for filling in the middle.
        seed: of the shuffle and of `fill`.
        dtype: of the tokens.
        folder: of the runs.
        drops: where dropped documents go; None where they are not written.
        step: the name of the drops.
    """

    documents: Path
    first: int
    tokenizer: Path
    tokenizer_hash: str
    min_tokens: int
    header: bool
    fill: FillInTheMiddle | None
    seed: int
    dtype: str
    folder: Path
    drops: Path | None
    step: str

    @property
    def marker(self) -> Path:
        """See `ResumableTask`."""
        return self.folder / f"{self.documents.stem}.json"

    def run(self) -> TokenRuns:
        """See `ResumableTask`."""
        run, total = _Run(), 0
        names: list[str] = []
        with open_drop_log(self.drops) as drop_log:
            for number, document, tokens in self._tokens(drop_log):
                if len(tokens) < self.min_tokens:
                    drop_log.drop(self.step, document, f"fewer than {self.min_tokens} tokens")
                    continue
                drop_log.passed(document)
                language = document.language or "unknown"
                drop_log.count(self.step, f"tokens of {language}", len(tokens))
                total += len(tokens)
                run.add(seeded_hash(self.seed, number), number, document, tokens.astype(self.dtype))
                if run.tokens >= _RUN_TOKENS:
                    names.append(self._write(run, len(names)))
                    run = _Run()
            if run.tokens:
                names.append(self._write(run, len(names)))
        return TokenRuns(tuple(names), total, drop_log.counts)

    def to_plain(self, result: TokenRuns) -> dict[str, object]:
        """See `ResumableTask`."""
        return {"names": result.names, "tokens": result.tokens, "tally": result.counts.to_plain()}

    def from_plain(self, plain: Mapping[str, Any]) -> TokenRuns:
        """See `ResumableTask`."""
        return TokenRuns(tuple(plain["names"]), plain["tokens"], Counts.from_plain(plain["tally"]))

    def _write(self, run: _Run, number: int) -> str:
        name = f"{self.documents.stem}.run-{number:04d}"
        run.write(self.folder, name)
        return name

    def _tokens(self, drop_log: DropLog) -> Iterator[tuple[int, Document, Numbers]]:
        """Each document with its number and its tokens, the end of text included."""
        encoder = _encoder(self.tokenizer, self.tokenizer_hash)
        sentinels = None if self.fill is None else sentinels_of(encoder.tokenizer, self.fill)
        missing = bytes(encoder.tokenizer.missing_bytes)
        batch: list[tuple[int, Document, Segments]] = []
        size = 0
        for number, document in enumerate(read_documents(self.documents), self.first):
            content = document.content
            if missing and len(content.translate(None, missing)) < len(content):
                drop_log.drop(self.step, document, "characters that the tokenizer has not")
                continue
            segments = segments_of(
                content,
                header=header_of(document.language) if self.header else b"",
                fill=self.fill,
                sentinels=sentinels,
                seed=(self.seed, number),
            )
            batch.append((number, document, segments))
            size += len(content)
            if size >= _BATCH_BYTES:
                yield from _encoded(batch, encoder)
                batch, size = [], 0
        yield from _encoded(batch, encoder)


def _encoded(
    batch: list[tuple[int, Document, Segments]], encoder: Encoder
) -> Iterator[tuple[int, Document, Numbers]]:
    texts = [part for _, _, segments in batch for part in segments if isinstance(part, bytes)]
    encoded = encoder.encode(texts)
    for number, document, segments in batch:
        pieces = [
            next(encoded) if isinstance(part, bytes) else np.array([part], np.uint32)
            for part in segments
        ]
        yield number, document, np.concatenate([*pieces, [np.uint32(encoder.end_of_text)]])
    # Runs the checks that follow the last text.
    next(encoded, None)


class _Run:
    """Documents on their way into a sorted run."""

    def __init__(self) -> None:
        self._entries: list[tuple[int, int, int, int]] = []
        self._pieces: list[Numbers] = []
        self._provenance: list[bytes] = []
        self.tokens = 0

    def add(self, key: int, number: int, document: Document, tokens: Numbers) -> None:
        self._entries.append((key, number, len(tokens), len(document.content)))
        self._pieces.append(tokens)
        fields = [getattr(document, name) for name in PROVENANCE]
        self._provenance.append(json.dumps(fields).encode())
        self.tokens += len(tokens)

    def write(self, folder: Path, name: str) -> None:
        order = sorted(range(len(self._entries)), key=lambda place: self._entries[place][:2])
        index = np.zeros(len(order), ENTRY)
        for column, values in zip(
            ("key", "document", "length", "bytes"), zip(*self._entries, strict=True), strict=True
        ):
            index[column] = np.array(values, np.uint64)[order]
        index["begin"][1:] = np.cumsum(index["length"])[:-1]
        ends = np.cumsum([len(self._provenance[place]) for place in order])
        index["about_end"] = ends
        index["about"][1:] = ends[:-1]
        provenance = b"".join(self._provenance[place] for place in order)
        save_array(folder / f"{name}.about.npy", np.frombuffer(provenance, np.uint8))
        save_array(
            folder / f"{name}.tokens.npy", np.concatenate([self._pieces[place] for place in order])
        )
        save_array(folder / f"{name}.index.npy", index)


@lru_cache(maxsize=1)
def _encoder(directory: Path, tokenizer_hash: str) -> Encoder:
    del tokenizer_hash  # a part of the cache's key alone
    return Encoder(directory)
