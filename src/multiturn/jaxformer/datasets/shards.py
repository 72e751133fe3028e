"""The packed shards of a corpus as training sequences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from multiturn.data.loader.corpus import PackedCorpus
from multiturn.jaxformer.datasets.protocol import Sequences

__all__ = ["ShardDataset"]


class ShardDataset:
    """A `SequenceDataset` over the rows of a packed corpus.

    A row of T tokens has T - 1 targets, since its last token has no successor. Padding has loss
    mask 0, and so has the first token of each document or remainder of one in a row.
    """

    def __init__(self, corpus: PackedCorpus) -> None:
        self._corpus = corpus

    @property
    def count(self) -> int:
        """Number of rows."""
        return len(self._corpus)

    @property
    def length(self) -> int:
        """Tokens in a row."""
        return self._corpus.length

    @property
    def vocab_size(self) -> int:
        """All ids are below this."""
        return self._corpus.manifest.vocab_size

    @property
    def fingerprint(self) -> str:
        """A hash of the corpus's recipe and documents."""
        return self._corpus.manifest.fingerprint

    @property
    def bytes_per_token(self) -> float | None:
        """Bytes of text for each token of the corpus."""
        return self._corpus.bytes_per_token

    def read(self, indexes: Sequence[int]) -> Sequences:
        """See `SequenceDataset`."""
        rows = self._corpus.read(indexes)
        targets = np.roll(rows.tokens, -1, axis=1)
        loss_mask = np.zeros(targets.shape, np.float32)
        current, following = rows.segments[:, :-1], rows.segments[:, 1:]
        loss_mask[:, :-1] = (following > 0) & (following == current)
        return Sequences(rows.tokens, targets, loss_mask, rows.segments)

    def origins(self, index: int) -> tuple[str, ...]:
        """See `SequenceDataset`."""
        return tuple(dict.fromkeys(piece.origin.id for piece in self._corpus.pieces(index)))
