"""`NativeEngine`: the project's own decoder behind the `Engine` protocol."""

from __future__ import annotations

from multiturn.engines.native.model import Model
from multiturn.engines.native.scheduler import Scheduler
from multiturn.engines.protocol import EngineInfo
from multiturn.engines.scheduled_engine import ScheduledEngine, token_bytes_of
from multiturn.text.tokenizers import Tokenizer

__all__ = ["NativeEngine"]


class NativeEngine(ScheduledEngine):
    """An `Engine` with continuous batching; `open_native` makes one.

    Sequences of all threads are computed together: each joins when a slot is free, and leaves when
    it ends. The text of a request depends on its prompt, seed and options alone, to the last bit
    of its log-probabilities; see ``docs/engines.md``.

    Args:
        model: computes; closed with the engine.
        tokenizer: of the model.
        info: for the records of results; `EngineInfo.slots` sequences run at once.
        cache_bytes: memory limit of the prefix cache.
        speculate: whether drafts from earlier text are verified where that is faster.
    """

    _scheduler: Scheduler

    def __init__(
        self,
        model: Model,
        tokenizer: Tokenizer,
        info: EngineInfo,
        *,
        cache_bytes: int = 2 << 30,
        speculate: bool = True,
    ) -> None:
        scheduler = Scheduler(
            model,
            slots=info.slots,
            end_tokens=tokenizer.end_of_text,
            token_bytes=token_bytes_of(tokenizer),
            cache_bytes=cache_bytes,
            speculate=speculate,
        )
        super().__init__(scheduler, tokenizer, info)
