"""Documents packed in memory: laid end to end and cut into sequences of one length."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from multiturn.core.errors import InputError
from multiturn.jaxformer.datasets.protocol import Sequences

__all__ = ["Document", "PackedDataset", "pack"]

Numbers = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Document:
    """One text as tokens.

    Attributes:
        name: where it came from, as a person would look for it.
        tokens: int32 ids, the end of text among them where it has one.
        weights: float32, how much each token counts as a target; None is 1 for all.
        bytes: of the text.
    """

    name: str
    tokens: Numbers
    bytes: int
    weights: Numbers | None = None


class PackedDataset:
    """`SequenceDataset` over one run of tokens.

    Sequence i reads tokens ``i T`` to ``i T + T - 1`` and predicts those one further, so
    that each token that has one of its document before it is predicted once a pass. The first
    token of a document counts nothing, since the document before says nothing of it; the last
    sequence is padded with weight 0.
    """

    def __init__(
        self,
        tokens: Numbers,
        weights: Numbers,
        starts: Numbers,
        names: Sequence[str],
        *,
        length: int,
        vocab_size: int,
        text_bytes: int,
    ) -> None:
        self._tokens, self._weights, self._starts = tokens, weights, starts
        self._names = tuple(names)
        self._length, self._vocab_size = length, vocab_size
        self._bytes_per_token = text_bytes / len(tokens)
        digest = hashlib.sha256(f"{length} {vocab_size}".encode())
        for array in (tokens, weights, starts):
            digest.update(np.ascontiguousarray(array).data)
        self._fingerprint = digest.hexdigest()

    @property
    def count(self) -> int:
        """How many sequences."""
        return int(-(-(len(self._tokens) - 1) // self._length))

    @property
    def length(self) -> int:
        """Targets in each."""
        return self._length

    @property
    def vocab_size(self) -> int:
        """Ids are below."""
        return self._vocab_size

    @property
    def fingerprint(self) -> str:
        """Of tokens, weights, documents and the cut."""
        return self._fingerprint

    @property
    def bytes_per_token(self) -> float | None:
        """Of the documents."""
        return self._bytes_per_token

    @property
    def tokens(self) -> int:
        """In all documents."""
        return len(self._tokens)

    def read(self, indexes: Sequence[int]) -> Sequences:
        """See `SequenceDataset`."""
        places = np.asarray(indexes, np.int64)[:, None] * self._length + np.arange(self._length + 1)
        there = places < len(self._tokens)
        places = np.minimum(places, len(self._tokens) - 1)
        tokens = np.where(there, self._tokens[places], 0).astype(np.int32)
        segments = np.searchsorted(self._starts, places, side="right").astype(np.int32)
        counts = there[:, 1:] & (segments[:, 1:] == segments[:, :-1])
        weights = np.where(counts, self._weights[places[:, 1:]], 0).astype(np.float32)
        return Sequences(tokens[:, :-1], tokens[:, 1:], weights, segments[:, :-1])

    def origins(self, index: int) -> tuple[str, ...]:
        """See `SequenceDataset`."""
        first = index * self._length
        last = min(first + self._length, len(self._tokens) - 1)
        begin, end = np.searchsorted(self._starts, [first, last], side="right")
        return self._names[begin - 1 : end]


def pack(
    documents: Iterable[Document], *, length: int, vocab_size: int, source: str
) -> PackedDataset:
    """Lay documents end to end.

    Args:
        documents: in the order they are packed in.
        length: of a sequence.
        vocab_size: of the tokenizer that made them.
        source: where they come from, for errors.

    Raises:
        InputError: there are no documents or they hold no two tokens, none of them counts,
            or an id is not in the vocabulary; the message names the source.
    """
    kept = [document for document in documents if len(document.tokens)]
    tokens = np.concatenate([d.tokens for d in kept]) if kept else np.empty(0, np.int32)
    if len(tokens) < 2:
        raise InputError(
            "the data are empty",
            got=source,
            allowed="documents with two tokens or more in all",
            fix="look at data.path and data.pattern",
        )
    for document in kept:
        most, least = int(document.tokens.max()), int(document.tokens.min())
        if most >= vocab_size or least < 0:
            raise InputError(
                f"{document.name} has a token that is not in the vocabulary",
                got=most if most >= vocab_size else least,
                allowed=f"0 to {vocab_size - 1}",
            )
    ones = [np.ones(len(d.tokens), np.float32) if d.weights is None else d.weights for d in kept]
    weights = np.concatenate(ones).astype(np.float32)
    starts = np.cumsum([0, *(len(d.tokens) for d in kept[:-1])])
    if not np.delete(weights, starts).any():
        raise InputError(
            "no token of the data counts in the loss",
            got=source,
            allowed="documents of two tokens or more, whose later ones have a weight",
        )
    return PackedDataset(
        tokens.astype(np.int32),
        weights,
        starts.astype(np.int64),
        [d.name for d in kept],
        length=length,
        vocab_size=vocab_size,
        text_bytes=sum(d.bytes for d in kept),
    )
