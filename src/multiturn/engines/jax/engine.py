"""`JaxEngine`: the native sampler as an `Engine`."""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterator
from threading import Event as Flag
from types import TracebackType
from typing import Any, Self

from multiturn.engines.jax.backend import Backend
from multiturn.engines.jax.scheduler import Scheduler
from multiturn.engines.jax.tickets import Ticket
from multiturn.engines.protocol import Completion, EngineInfo, Event, Request, Score
from multiturn.engines.requests import check_open, check_text, check_window
from multiturn.text.tokenizers import Tokenizer

__all__ = ["JaxEngine"]


class JaxEngine:
    """An `Engine` that writes many continuations side by side; `open_jax` makes one.

    Requests of any threads share one batch: each joins when a row is free, and leaves when
    it ends. A request's text is of its prompt, its seed and its options alone; see
    ``docs/engines.md`` for what is guaranteed to the last bit.

    Args:
        backend: what computes the model.
        weights: for the backend.
        tokenizer: of the model.
        info: what results record.
        cache_bytes: how much memory may keep what sessions have read.
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
        self._scheduler = Scheduler(
            backend,
            weights,
            ends=tokenizer.end_of_text,
            token_bytes=_pieces(tokenizer),
            cache_bytes=cache_bytes,
        )
        # Also when nobody closes it: a thread that computes while the interpreter ends aborts it.
        self._finalizer = weakref.finalize(self, Scheduler.close, self._scheduler)

    @property
    def info(self) -> EngineInfo:
        """What is loaded."""
        return self._info

    def count_tokens(self, text: str, *, parse_special: bool = False) -> int:
        """How many tokens `text` takes as a prompt, the model's own start token included."""
        return len(self._tokenize(text, parse_special))

    def stream(self, request: Request, *, cancel: Flag | None = None) -> Iterator[Event]:
        """Write the continuations side by side. See `Engine.stream`."""
        prompt = self._tokenize(request.prompt, request.parse_special)
        check_window(len(prompt), request.max_tokens, self._info.context_window)
        return self._stream(Ticket(request, prompt, cancel or Flag()))

    def score(self, text: str, *, given: str = "") -> Score:
        """How likely the model finds `text`. See `Scorer.score`."""
        before = self._tokenize(given, False)[: -len(self._tokenizer.after) or None]
        check_open(self._closed)
        check_text(text, what="the text")
        tokens = self._tokenizer.encode(text)
        if not before:
            before = list(self._tokenizer.before)
        whole = [*before, *tokens]
        check_window(len(whole), 0, self._info.context_window)
        logprobs = [math.nan, *self._scheduler.call(lambda reader: reader.score(whole))]
        return Score(tuple(tokens), tuple(logprobs[len(before) :]))

    def close(self) -> None:
        """Free the model. Safe to call twice."""
        self._closed = True
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _tokenize(self, text: str, parse_special: bool) -> list[int]:
        check_open(self._closed)
        check_text(text)
        return self._tokenizer.encode_prompt(text, parse_special=parse_special)

    def _stream(self, ticket: Ticket) -> Iterator[Event]:
        self._scheduler.submit(ticket)
        missing = ticket.request.n
        try:
            while missing:
                event = ticket.events.get()
                if isinstance(event, BaseException):
                    raise event
                missing -= isinstance(event, Completion)
                yield event
        finally:
            ticket.abandoned = True


def _pieces(tokenizer: Tokenizer) -> Any:
    size = tokenizer.size

    def piece(token: int) -> bytes:
        # Vocabularies are padded: ids that stand for nothing can be drawn, if hardly ever.
        return tokenizer.token_bytes(token) if token < size else b""

    return piece
