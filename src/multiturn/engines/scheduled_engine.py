"""What this project's own engines share: text in, text out, around a scheduler."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterable, Iterator
from threading import Event as Flag

from multiturn.core.closing import Closing
from multiturn.core.errors import InputError
from multiturn.engines.pending_request import PendingRequest
from multiturn.engines.protocol import Completion, EngineInfo, Event, Request, Score
from multiturn.engines.scheduler_thread import SchedulerThread
from multiturn.engines.validation import check_features, check_open, check_text, check_window
from multiturn.text.tokenizers import Tokenizer

__all__ = ["ScheduledEngine", "token_bytes_of"]


class ScheduledEngine(Closing):
    """An `Engine` and `Scorer` whose sequences a `SchedulerThread` computes.

    Args:
        scheduler: closed with the engine.
        tokenizer: of the model.
        info: for the records of results.
    """

    def __init__(self, scheduler: SchedulerThread, tokenizer: Tokenizer, info: EngineInfo) -> None:
        self._scheduler = scheduler
        self._tokenizer = tokenizer
        self._info = info
        self._closed = False
        # A thread that computes while the interpreter exits would abort the process.
        self._finalizer = weakref.finalize(self, scheduler.close)

    @property
    def info(self) -> EngineInfo:
        """What is loaded."""
        return self._info

    @property
    def tokenizer(self) -> Tokenizer:
        """Of the model; any thread may use it."""
        return self._tokenizer

    def count_tokens(self, text: str, *, parse_special: bool = False) -> int:
        """The number of tokens of `text` as a prompt, the model's start token included."""
        return len(self._tokenize(text, parse_special))

    def stream(self, request: Request, *, cancel: Flag | None = None) -> Iterator[Event]:
        """Generate all continuations together. See `Engine.stream`."""
        check_features(request, self._info)
        if request.prompt_tokens is None:
            prompt = self._tokenize(request.prompt, request.parse_special)
        else:
            check_open(self._closed)
            prompt = list(request.prompt_tokens)
            self._check_ids(prompt)
        self._check_ids(token for token, _ in request.logit_bias)
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
        logprobs = [math.nan, *self._scheduler.score(context)]
        return Score(tuple(tokens), tuple(logprobs[len(before) :]))

    def close(self) -> None:
        """Free the model. Safe to call twice."""
        self._closed = True
        self._finalizer()

    def _check_ids(self, tokens: Iterable[int]) -> None:
        """Refuse ids that the vocabulary lacks.

        Raises:
            InputError: it lacks one.
        """
        size = self._tokenizer.size
        for token in tokens:
            if not 0 <= token < size:
                raise InputError(
                    "the token id is not in the vocabulary", got=token, allowed=f"0 to {size - 1}"
                )

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


def token_bytes_of(tokenizer: Tokenizer) -> Callable[[int], bytes]:
    """The bytes of a token that a model may sample."""

    def token_bytes(token: int) -> bytes:
        try:
            return tokenizer.token_bytes(token)
        except InputError:
            return b""  # an id of the vocabulary's padding, which has no text

    return token_bytes
