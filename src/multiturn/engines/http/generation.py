"""Generates one continuation, with retries on other servers."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from multiturn.core.errors import EngineError, RetriesExhaustedError
from multiturn.engines.continuation import Continuation
from multiturn.engines.http.chunks import Chunk, SurrogateJoiner
from multiturn.engines.http.errors import ErrorEventError, RefusedError, StreamInterruptedError
from multiturn.engines.http.parameters import ServerParameters
from multiturn.engines.http.server_pool import PooledServer, ServerPool
from multiturn.engines.http.settings import HttpSettings, HttpTimeouts
from multiturn.engines.protocol import (
    UNKNOWN_TOKEN,
    Completion,
    Delta,
    Event,
    FinishReason,
    Request,
    Timings,
)

__all__ = ["GenerationTask", "generate_with_retries"]

_USAGE_SECONDS = 1.0
"""How long to wait for the usage counts after the finish reason: they come at once or never."""

_LENGTH_REASONS = frozenset({"length", "max_tokens", "max_length", "model_length", "token_limit"})
_FILTER_REASONS = frozenset(
    {
        "content_filter",
        "content_filtered",
        "safety",
        "recitation",
        "sensitive",
        "prohibited_content",
    }
)
_FAILURE_REASONS = frozenset(
    {"abort", "aborted", "error", "cancelled", "canceled", "timeout", "network_error",
     "insufficient_system_resource", "load", "unload"}
)  # fmt: skip

_MAX_TOKEN_CHARACTERS = 1024
"""Far more than any token has; bounds a server that does not stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationTask:
    """A continuation to generate, and where its events go."""

    index: int
    request: Request
    path: str
    """The endpoint, after the server's address."""
    body: Mapping[str, object]
    prompt_tokens: int | None
    """None where the server does not count before it generates."""
    started: float
    """By `time.perf_counter`."""
    live: bool
    emit: Callable[[Event], None]


@dataclass(slots=True)
class _Attempt:
    """What one attempt has received."""

    continuation: Continuation
    certain: str = ""
    """All text that the stop rule can no longer cut."""
    first: float = math.nan
    has_logprobs: bool = False
    prompt_tokens: int = 0
    cached_tokens: int = 0
    length: int = 0
    """Characters received."""
    characters: SurrogateJoiner = field(default_factory=SurrogateJoiner)

    def take(self, chunk: Chunk, limit: int) -> None:
        """Add one event; `limit` is the requested maximum of tokens."""
        if chunk.prompt_tokens is not None:
            self.prompt_tokens = chunk.prompt_tokens
        if chunk.cached_tokens is not None:
            self.cached_tokens = chunk.cached_tokens
        self.has_logprobs |= bool(chunk.logprobs)
        piece = self.characters.add(chunk.text)
        known = max(len(chunk.tokens), len(chunk.logprobs), 1 if piece else 0)
        have = len(self.continuation.tokens)
        # Servers hold back tokens that end inside a character and report the last one's id only,
        # and they count the token that ends the text without reporting it.
        hidden = max(min(chunk.completion_tokens or 0, limit) - have - known, 0)
        for place in range(hidden + known):
            shown = place - hidden
            token = chunk.tokens[shown] if 0 <= shown < len(chunk.tokens) else UNKNOWN_TOKEN
            logprob = chunk.logprobs[shown] if 0 <= shown < len(chunk.logprobs) else math.nan
            last = shown == known - 1
            self.certain += self.continuation.add(token, piece if last else b"", logprob)

    def check_length(self, chunk: Chunk, limit: int) -> None:
        """Refuse a stream that continues past `limit` tokens.

        Raises:
            StreamInterruptedError: it does.
        """
        self.length += len(chunk.text)
        counted = max(chunk.completion_tokens or 0, len(chunk.tokens))
        # Generous: proxies count with their own tokenizer, and some servers count the end token.
        if counted > 2 * limit + 64 or self.length > limit * _MAX_TOKEN_CHARACTERS:
            raise StreamInterruptedError(f"it wrote more than the {limit} tokens asked for")

    def end(self) -> None:
        """Flush what is held back."""
        if rest := self.characters.end():
            self.certain += self.continuation.add(UNKNOWN_TOKEN, rest)
        self.certain += self.continuation.finish()


async def generate_with_retries(
    task: GenerationTask, pool: ServerPool, settings: HttpSettings, parameters: ServerParameters
) -> None:
    """Generate a continuation: emit its deltas, then one `Completion`.

    A stream that breaks off is retried from the start, with the same seed. Emitted text cannot
    be taken back, so a retry that generates other text fails the continuation. A refusal of a
    parameter that can be left out costs no attempt.

    Raises:
        EngineError: the attempts are used up, or a retry does not continue the emitted text.
        MultiturnError: the server refuses the request.
    """
    emitted = ""
    last = _Attempt(Continuation(task.index, task.request.stop))
    reasons: list[str] = []

    def emit_new(attempt: _Attempt) -> None:
        nonlocal emitted, last
        if not attempt.certain.startswith(emitted):
            if emitted.startswith(attempt.certain):
                return
            raise EngineError(
                "the server broke off and, asked again with the same seed, wrote another text "
                f"({reasons[-1]})",
                fix="ask again; or open the engine without `live`, which begins anew by itself",
            )
        last = attempt
        if len(attempt.certain) > len(emitted):
            task.emit(Delta(task.index, attempt.certain[len(emitted) :]))
            emitted = attempt.certain

    try:
        while len(reasons) < settings.retry.attempts:
            server = await pool.choose(task.request.session)
            attempt = _Attempt(Continuation(task.index, task.request.stop))
            last = last if task.live else attempt
            body = parameters.fit(task.body)
            server.busy += 1
            try:
                reason = await _try(task, body, server, attempt, settings.timeouts, emit_new)
            except RefusedError as fault:
                if not parameters.learn(body, fault):
                    raise
                continue
            except StreamInterruptedError as fault:
                if parameters.learn(body, fault):
                    continue
                reasons.append(f"{server.connection.address}: {fault.reason}")
                pool.report_failure(server, fault, again=len(reasons) < settings.retry.attempts)
                continue
            finally:
                server.busy -= 1
            pool.report_success(server)
            attempt.end()
            emit_new(attempt)
            if emitted != attempt.certain:
                raise EngineError(
                    f"the server broke off and, asked again with the same seed, wrote less "
                    f"({reasons[-1]})",
                    fix="ask again",
                )
            task.emit(_completion(task, attempt, reason))
            return
    except asyncio.CancelledError:
        last.end()
        if last.certain != emitted:
            task.emit(Delta(task.index, last.certain[len(emitted) :]))
        task.emit(_completion(task, last, FinishReason.CANCELLED))
        raise
    raise RetriesExhaustedError(
        f"no server finished the continuation in {settings.retry.attempts} attempts "
        f"(the last: {reasons[-1]})",
        fix="see to the server, and ask again",
    )


async def _try(
    task: GenerationTask,
    body: Mapping[str, object],
    server: PooledServer,
    attempt: _Attempt,
    timeouts: HttpTimeouts,
    emit_new: Callable[[_Attempt], None],
) -> FinishReason:
    """Run one attempt up to the end of the text or a stop."""
    url = f"{server.connection.address.base}/{task.path}"
    limit = timeouts.first_token
    end = _End()
    clock = asyncio.get_running_loop()
    try:
        async with (
            asyncio.timeout(limit) as alarm,
            aclosing(server.connection.stream(url, body)) as chunks,
        ):
            async for chunk in chunks:
                attempt.check_length(chunk, task.request.max_tokens)
                before = len(attempt.continuation.tokens)
                attempt.take(chunk, task.request.max_tokens)
                end.take(chunk)
                grew = len(attempt.continuation.tokens) > before
                if grew and math.isnan(attempt.first):
                    attempt.first = time.perf_counter() - task.started
                if grew or chunk.reasoning:
                    limit = timeouts.between_tokens
                    alarm.reschedule(clock.time() + limit)
                if task.live:
                    emit_new(attempt)
                if attempt.continuation.cut is not None:
                    return FinishReason.STOP
                if end.said:
                    break
                if end.near and chunk.has_choice:
                    alarm.reschedule(clock.time() + min(limit, _USAGE_SECONDS))
    except ErrorEventError:
        raise
    except (StreamInterruptedError, TimeoutError) as error:
        # After the finish reason only usage counts follow; the text is complete without them.
        if not end.near and isinstance(error, TimeoutError):
            raise StreamInterruptedError(f"it wrote nothing for {limit:g} s") from error
        if not end.near:
            raise
    return _reason(end, attempt, task.request.max_tokens)


@dataclass(slots=True)
class _End:
    """What a server has reported about the end of its text."""

    reason: str | None = None
    said: bool = False
    """It reported the end of the stream."""
    begun: bool = False
    """It reported anything about the text."""
    doubtful: bool = False
    """It sent text after a finish reason, so its reasons do not mark the end."""

    @property
    def near(self) -> bool:
        """Whether no text will follow."""
        return self.reason is not None and not self.doubtful

    def take(self, chunk: Chunk) -> None:
        """Take one event."""
        self.begun |= chunk.has_choice
        self.said |= chunk.done
        if chunk.text and self.reason is not None:
            self.doubtful = True
        if self.reason not in _FAILURE_REASONS | _FILTER_REASONS:
            self.reason = chunk.finish or self.reason


def _reason(end: _End, attempt: _Attempt, limit: int) -> FinishReason:
    """The finish reason that the server reports.

    Raises:
        StreamInterruptedError: it reports none, or that it failed.
        EngineError: a content filter changed the text.
    """
    if end.reason is None and not (end.said and end.begun):
        raise StreamInterruptedError("it ended the stream before the text was complete")
    if end.reason in _FAILURE_REASONS:
        raise StreamInterruptedError(f"it gave up ({end.reason})")
    if end.reason in _FILTER_REASONS:
        raise EngineError(
            "the server's content filter ended the text, so that it is not the model's"
        )
    filled = end.reason is None and len(attempt.continuation.tokens) >= limit
    if filled or end.reason in _LENGTH_REASONS:
        return FinishReason.LENGTH
    return FinishReason.END_OF_TEXT


def _completion(task: GenerationTask, attempt: _Attempt, reason: FinishReason) -> Completion:
    total = time.perf_counter() - task.started
    first = total if math.isnan(attempt.first) else attempt.first
    return attempt.continuation.completion(
        reason,
        prompt_tokens=attempt.prompt_tokens if task.prompt_tokens is None else task.prompt_tokens,
        cached_tokens=attempt.cached_tokens,
        timings=Timings(first, total),
        logprobs=task.request.logprobs and attempt.has_logprobs,
    )
