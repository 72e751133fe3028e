"""A model that counts: the token after t is t + 1. Its keys are the tokens themselves."""

from __future__ import annotations

from typing import Any

import numpy as np

from multiturn.models.native.decoder import ForwardRow
from multiturn.models.native.paged_cache import PagedCache

VOCABULARY = 1000
POSITIONS = 8


class CountingModel:
    """Writes each token into the blocks of its cache.

    Args:
        period: after `period - 1` comes 0.
    """

    block_bytes = POSITIONS * 4

    def __init__(self, period: int = VOCABULARY) -> None:
        self.period = period
        self.steps: list[list[int]] = []
        """The number of new tokens of each row, for each step."""
        self.seconds = 0.0
        """A clock: a step takes a second, and a tenth more for each token."""
        self.closed = False

    def new_cache(self) -> PagedCache:
        return PagedCache(
            block_positions=POSITIONS, block_bytes=self.block_bytes, max_positions=1 << 21
        )

    def forward(self, rows: list[ForwardRow]) -> np.ndarray:
        assert not self.closed
        self.steps.append([len(row.tokens) for row in rows])
        self.seconds += 1 + 0.1 * sum(self.steps[-1])
        states = []
        for row in rows:
            cache, start = row.cache, row.cache.length
            cache.reserve(start + len(row.tokens))
            for place, token in enumerate(row.tokens, start=start):
                block = cache.blocks[place // POSITIONS].view(np.int32)
                block[place % POSITIONS] = token
            cache.advance(len(row.tokens))
            wanted = {"none": [], "last": list(row.tokens)[-1:], "all": list(row.tokens)}
            states += wanted[row.wanted]
        return np.array(states, np.float32)[:, None]

    def unembed(self, hidden: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        logits = np.full((len(hidden), VOCABULARY), -10.0, np.float32)
        following = (hidden[:, 0].astype(int) + 1) % self.period
        logits[np.arange(len(hidden)), following] = 0
        if out is not None:
            out[:] = logits
        return logits

    def sample(self, logits: np.ndarray, **params: Any) -> tuple[np.ndarray, np.ndarray]:
        assert all(len(values) == len(logits) for values in params.values())
        best = logits.argmax(1).astype(np.int32)
        each = np.log(np.exp(logits.astype(np.float64)).sum(1))
        found = logits[np.arange(len(logits)), best] - each
        return best, np.where(params["want_logprobs"], found, 0).astype(np.float32)

    def close(self) -> None:
        self.closed = True
