"""A packed corpus of the `data` package as training sequences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from multiturn.data.loader.corpus import PackedCorpus
from multiturn.jaxformer.datasets.protocol import Sequences

__all__ = ["ShardDataset"]


class ShardDataset:
    """`SequenceDataset` over the rows of a packed corpus.

    A row of T tokens predicts T - 1: the last token has no successor in its row and counts
    nothing, and neither does what only fills a row up, nor the first token of a document or of
    a tail of one, of which the document before in the row says nothing.
    """

    def __init__(self, corpus: PackedCorpus) -> None:
        self._corpus = corpus

    @property
    def count(self) -> int:
        """Rows."""
        return len(self._corpus)

    @property
    def length(self) -> int:
        """Tokens in a row."""
        return self._corpus.length

    @property
    def vocab_size(self) -> int:
        """Ids are below."""
        return self._corpus.manifest.vocab_size

    @property
    def fingerprint(self) -> str:
        """Of the recipe and of the documents."""
        return self._corpus.manifest.fingerprint

    @property
    def bytes_per_token(self) -> float | None:
        """Of the corpus."""
        return self._corpus.bytes_per_token

    def read(self, indexes: Sequence[int]) -> Sequences:
        """See `SequenceDataset`."""
        rows = self._corpus.read(indexes)
        targets = np.roll(rows.tokens, -1, axis=1)
        weights = np.zeros(targets.shape, np.float32)
        here, next_one = rows.segments[:, :-1], rows.segments[:, 1:]
        weights[:, :-1] = (next_one > 0) & (next_one == here)
        return Sequences(rows.tokens, targets, weights, rows.segments)

    def origins(self, index: int) -> tuple[str, ...]:
        """See `SequenceDataset`."""
        return tuple(dict.fromkeys(piece.origin.id for piece in self._corpus.pieces(index)))
