"""Documents packed in memory: concatenated and cut into sequences of one length."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from multiturn.core.errors import InputError
from multiturn.jaxformer.datasets.protocol import Sequences

__all__ = ["TokenizedDocument", "PackedDataset", "pack"]

Numbers = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class TokenizedDocument:
    """One text as tokens.

    Attributes:
        name: its origin, as a person would look for it.
        tokens: int32 ids, with the end of text if the tokenizer has one.
        loss_mask: float32, how much each token counts as a target; None is 1 for all.
        bytes: of the text.
    """

    name: str
    tokens: Numbers
    bytes: int
    loss_mask: Numbers | None = None


class PackedDataset:
    """A `SequenceDataset` over one stream of tokens.

    Sequence i reads tokens ``i T`` to ``i T + T - 1`` and predicts the token after each, so an
    epoch predicts each token once. The first token of a document has mask 0, since the document
    before it does not determine it; the last sequence is padded with mask 0.
    """

    def __init__(
        self,
        tokens: Numbers,
        loss_mask: Numbers,
        starts: Numbers,
        names: Sequence[str],
        *,
        length: int,
        vocab_size: int,
        text_bytes: int,
    ) -> None:
        self._tokens, self._weights, self._starts = tokens, loss_mask, starts
        self._names = tuple(names)
        self._length, self._vocab_size = length, vocab_size
        self._bytes_per_token = text_bytes / len(tokens)
        digest = hashlib.sha256(f"{length} {vocab_size}".encode())
        for array in (tokens, loss_mask, starts):
            digest.update(np.ascontiguousarray(array).data)
        self._fingerprint = digest.hexdigest()

    @property
    def count(self) -> int:
        """Number of sequences."""
        return int(-(-(len(self._tokens) - 1) // self._length))

    @property
    def length(self) -> int:
        """Targets in each sequence."""
        return self._length

    @property
    def vocab_size(self) -> int:
        """All ids are below this."""
        return self._vocab_size

    @property
    def fingerprint(self) -> str:
        """A hash of tokens, loss mask, documents and sequence length."""
        return self._fingerprint

    @property
    def bytes_per_token(self) -> float | None:
        """Bytes of text for each token, over all documents."""
        return self._bytes_per_token

    @property
    def tokens(self) -> int:
        """Number of tokens in all documents."""
        return len(self._tokens)

    def read(self, indexes: Sequence[int]) -> Sequences:
        """See `SequenceDataset`."""
        places = np.asarray(indexes, np.int64)[:, None] * self._length + np.arange(self._length + 1)
        there = places < len(self._tokens)
        places = np.minimum(places, len(self._tokens) - 1)
        tokens = np.where(there, self._tokens[places], 0).astype(np.int32)
        segments = np.searchsorted(self._starts, places, side="right").astype(np.int32)
        counts = there[:, 1:] & (segments[:, 1:] == segments[:, :-1])
        loss_mask = np.where(counts, self._weights[places[:, 1:]], 0).astype(np.float32)
        return Sequences(tokens[:, :-1], tokens[:, 1:], loss_mask, segments[:, :-1])

    def origins(self, index: int) -> tuple[str, ...]:
        """See `SequenceDataset`."""
        first = index * self._length
        last = min(first + self._length, len(self._tokens) - 1)
        begin, end = np.searchsorted(self._starts, [first, last], side="right")
        return self._names[begin - 1 : end]


def pack(
    documents: Iterable[TokenizedDocument], *, length: int, vocab_size: int, source: str
) -> PackedDataset:
    """Concatenate documents into one dataset.

    Args:
        documents: in packing order.
        length: of a sequence.
        vocab_size: of the tokenizer.
        source: the origin of the documents, for errors.

    Raises:
        InputError: there are fewer than two tokens, all of them are masked, or an id is not in
            the vocabulary; the message names the source.
    """
    nonempty = [document for document in documents if len(document.tokens)]
    tokens = np.concatenate([d.tokens for d in nonempty]) if nonempty else np.empty(0, np.int32)
    if len(tokens) < 2:
        raise InputError(
            "the data are empty",
            got=source,
            allowed="documents with two tokens or more in all",
            fix="look at data.path and data.pattern",
        )
    for document in nonempty:
        highest, lowest = int(document.tokens.max()), int(document.tokens.min())
        if highest >= vocab_size or lowest < 0:
            raise InputError(
                f"{document.name} has a token that is not in the vocabulary",
                got=highest if highest >= vocab_size else lowest,
                allowed=f"0 to {vocab_size - 1}",
            )
    ones = [
        np.ones(len(d.tokens), np.float32) if d.loss_mask is None else d.loss_mask for d in nonempty
    ]
    loss_mask = np.concatenate(ones).astype(np.float32)
    starts = np.cumsum([0, *(len(d.tokens) for d in nonempty[:-1])])
    if not np.delete(loss_mask, starts).any():
        raise InputError(
            "no token of the data counts in the loss",
            got=source,
            allowed="documents of two tokens or more, some with a loss mask above 0",
        )
    return PackedDataset(
        tokens.astype(np.int32),
        loss_mask,
        starts.astype(np.int64),
        [d.name for d in nonempty],
        length=length,
        vocab_size=vocab_size,
        text_bytes=sum(d.bytes for d in nonempty),
    )
