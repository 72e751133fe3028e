"""`JaxEngine`: the decoder in JAX behind the `Engine` protocol."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterator
from threading import Event as Flag
from typing import Any

from multiturn.core.closing import Closing
from multiturn.engines.jax.backend import Backend
from multiturn.engines.jax.scheduler import DeviceScheduler
from multiturn.engines.pending_request import PendingRequest
from multiturn.engines.protocol import Completion, EngineInfo, Event, Request, Score
from multiturn.engines.validation import check_open, check_text, check_window
from multiturn.text.tokenizers import Tokenizer

__all__ = ["JaxEngine"]


class JaxEngine(Closing):
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
        self._info = info
        self._tokenizer = tokenizer
        self._closed = False
        self._scheduler = DeviceScheduler(
            backend,
            weights,
            end_tokens=tokenizer.end_of_text,
            token_bytes=_token_bytes(tokenizer),
            cache_bytes=cache_bytes,
        )
        # A thread that computes while the interpreter exits would abort the process.
        self._finalizer = weakref.finalize(self, DeviceScheduler.close, self._scheduler)

    @property
    def info(self) -> EngineInfo:
        """What is loaded."""
        return self._info

    def count_tokens(self, text: str, *, parse_special: bool = False) -> int:
        """The number of tokens of `text` as a prompt, the model's start token included."""
        return len(self._tokenize(text, parse_special))

    def stream(self, request: Request, *, cancel: Flag | None = None) -> Iterator[Event]:
        """Generate all continuations in one batch. See `Engine.stream`."""
        prompt = self._tokenize(request.prompt, request.parse_special)
        check_window(len(prompt), request.max_tokens, self._info.context_window)
        return self._stream(PendingRequest(request, prompt, cancel or Flag()))

    def score(self, text: str, *, given: str = "") -> Score:
        """The log-probabilities of `text`. See `Scorer.score`."""
        before = self._tokenize(given, False)[: -len(self._tokenizer.after) or None]
        check_open(self._closed)
        check_text(text, what="the text")
        tokens = self._tokenizer.encode(text)
        if not before:
            before = list(self._tokenizer.before)
        context = [*before, *tokens]
        check_window(len(context), 0, self._info.context_window)
        logprobs = [math.nan, *self._scheduler.call(lambda prefiller: prefiller.score(context))]
        return Score(tuple(tokens), tuple(logprobs[len(before) :]))

    def close(self) -> None:
        """Free the model. Safe to call twice."""
        self._closed = True
        self._finalizer()

    def _tokenize(self, text: str, parse_special: bool) -> list[int]:
        check_open(self._closed)
        check_text(text)
        return self._tokenizer.encode_prompt(text, parse_special=parse_special)

    def _stream(self, pending: PendingRequest) -> Iterator[Event]:
        self._scheduler.submit(pending)
        unfinished = pending.request.n
        try:
            while unfinished:
                event = pending.events.get()
                if isinstance(event, BaseException):
                    raise event
                unfinished -= isinstance(event, Completion)
                yield event
        finally:
            pending.abandoned = True


def _token_bytes(tokenizer: Tokenizer) -> Callable[[int], bytes]:
    size = tokenizer.size

    def token_bytes(token: int) -> bytes:
        # The model may sample an id of the vocabulary's padding, which has no text.
        return tokenizer.token_bytes(token) if token < size else b""

    return token_bytes
