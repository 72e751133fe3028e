"""`JaxEngine`: the decoder in JAX behind the `Engine` protocol."""

from __future__ import annotations

from typing import Any

from multiturn.engines.jax.backend import Backend
from multiturn.engines.jax.scheduler import DeviceScheduler
from multiturn.engines.protocol import EngineInfo
from multiturn.engines.scheduled_engine import ScheduledEngine, token_bytes_of
from multiturn.text.tokenizers import Tokenizer

__all__ = ["JaxEngine"]


class JaxEngine(ScheduledEngine):
    """An `Engine` with continuous batching; `open_jax` makes one.

    Requests of all threads share one decode batch: each joins when a slot is free, and leaves
    when it ends. The text of a request depends on its prompt, seed and options alone;
    ``docs/engines.md`` says what is guaranteed to the last bit.

    Args:
        backend: computes the model.
        weights: for the backend.
        tokenizer: of the model.
        info: for the records of results.
        cache_bytes: memory limit of the prefix cache.
    """

    def __init__(
        self,
        backend: Backend,
        weights: Any,
        tokenizer: Tokenizer,
        info: EngineInfo,
        *,
        cache_bytes: int = 2 << 30,
    ) -> None:
        scheduler = DeviceScheduler(
            backend,
            weights,
            end_tokens=tokenizer.end_of_text,
            token_bytes=token_bytes_of(tokenizer),
            cache_bytes=cache_bytes,
        )
        super().__init__(scheduler, tokenizer, info)
