"""What computes the model: the `Model` protocol of the native engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from multiturn.models.native.decoder import ForwardRow
from multiturn.models.native.paged_cache import PagedCache

__all__ = ["Array", "Model"]

Array = np.ndarray[Any, Any]


class Model(Protocol):
    """Computes a decoder for any number of sequences, each with any number of new tokens.

    `NativeDecoder` is one. The numbers of a token depend, to the last bit, on the tokens before it
    in its own sequence alone. The scheduler's thread is the only caller.
    """

    def new_cache(self) -> PagedCache:
        """An empty KV cache for a sequence."""
        ...

    def forward(self, rows: Sequence[ForwardRow]) -> Array:
        """Compute new tokens, and extend the caches by them.

        Returns:
            The normalized final states of the wanted tokens, in their order: float32 [W, D].
        """
        ...

    def unembed(self, hidden: Array, out: Array | None = None) -> Array:
        """The float32 logits of states, [W, V], in `out` where it is given."""
        ...

    def sample(
        self,
        logits: Array,
        *,
        temperature: Any,
        top_p: Any,
        top_k: Any,
        uniforms: Any,
        want_logprobs: Any,
    ) -> tuple[Array, Array]:
        """The next token of each row of logits, and its log-probability.

        The log-probability is that of the model, before temperature and top-p, and 0 where it is
        not wanted. A row with temperature 0 gets its most likely token, the smallest id among
        equals.
        """
        ...

    def close(self) -> None:
        """Free the weights."""
        ...
