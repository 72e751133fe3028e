"""One continuation, through as many attempts as it takes."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from multiturn.core.errors import EngineError
from multiturn.engines.continuation import Continuation
from multiturn.engines.http.chunks import Chunk, WholeCharacters
from multiturn.engines.http.faults import BrokenOffError, ErrorEventError, RefusedError
from multiturn.engines.http.fleet import Fleet, Server
from multiturn.engines.http.parameters import ServerParameters
from multiturn.engines.http.settings import Patience
from multiturn.engines.protocol import (
    UNKNOWN_TOKEN,
    Completion,
    Delta,
    Event,
    FinishReason,
    Request,
    Timings,
)

__all__ = ["Order", "write"]

_ACCOUNTS_SECONDS = 1.0
"""How long a server is heard after the reason for the end: its counts come at once or never."""

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
"""Far more than any token has; a server that writes on and on is found out by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A continuation to be written, and where its events go."""

    index: int
    request: Request
    path: str
    """The endpoint, after the server's address."""
    body: Mapping[str, object]
    prompt_tokens: int | None
    """None where the server does not count before it writes."""
    started: float
    """By `time.perf_counter`."""
    live: bool
    give: Callable[[Event], None]


@dataclass(slots=True)
class _Attempt:
    """What has come of one attempt."""

    writing: Continuation
    certain: str = ""
    """All text that the stop rule has let through."""
    first: float = math.nan
    told_logprobs: bool = False
    prompt_tokens: int = 0
    cached_tokens: int = 0
    length: int = 0
    """Characters that arrived."""
    characters: WholeCharacters = field(default_factory=WholeCharacters)

    def take(self, chunk: Chunk, limit: int) -> None:
        """Add what an event tells; `limit` is the most tokens that were asked for."""
        if chunk.prompt_tokens is not None:
            self.prompt_tokens = chunk.prompt_tokens
        if chunk.cached_tokens is not None:
            self.cached_tokens = chunk.cached_tokens
        self.told_logprobs |= bool(chunk.logprobs)
        piece = self.characters.add(chunk.text)
        known = max(len(chunk.tokens), len(chunk.logprobs), 1 if piece else 0)
        have = len(self.writing.tokens)
        # Servers hold back tokens that end inside a character, and tell only the last's id;
        # and the token that ends the text is counted but never shown.
        hidden = max(min(chunk.written or 0, limit) - have - known, 0)
        for place in range(hidden + known):
            shown = place - hidden
            token = chunk.tokens[shown] if 0 <= shown < len(chunk.tokens) else UNKNOWN_TOKEN
            logprob = chunk.logprobs[shown] if 0 <= shown < len(chunk.logprobs) else math.nan
            last = shown == known - 1
            self.certain += self.writing.add(token, piece if last else b"", logprob)

    def check_length(self, chunk: Chunk, most: int) -> None:
        """Refuse a stream that goes on past `most` tokens.

        Raises:
            BrokenOffError: it does.
        """
        self.length += len(chunk.text)
        counted = max(chunk.written or 0, len(chunk.tokens))
        # Proxies count with a tokenizer of their own, and some servers count the end as well.
        if counted > 2 * most + 64 or self.length > most * _MAX_TOKEN_CHARACTERS:
            raise BrokenOffError(f"it wrote more than the {most} tokens asked for")

    def end(self) -> None:
        """Say that nothing follows."""
        if rest := self.characters.end():
            self.certain += self.writing.add(UNKNOWN_TOKEN, rest)
        self.certain += self.writing.finish()


async def write(
    order: Order, fleet: Fleet, patience: Patience, parameters: ServerParameters
) -> None:
    """Write a continuation: its deltas, then its one `Completion`.

    An attempt that breaks off is begun again from nothing, with the same seed. Text that was
    given out cannot be taken back; an attempt that writes another text ends the continuation.
    A refusal that is about a parameter which can be left out costs no attempt.

    Raises:
        EngineError: the attempts are used up, or what was given out cannot be continued.
        MultiturnError: the server refuses the request.
    """
    given = ""
    last = _Attempt(Continuation(order.index, order.request.stop))
    reasons: list[str] = []

    def give_out(attempt: _Attempt) -> None:
        nonlocal given, last
        if not attempt.certain.startswith(given):
            if given.startswith(attempt.certain):
                return
            raise EngineError(
                "the server broke off and, asked again with the same seed, wrote another text "
                f"({reasons[-1]})",
                fix="ask again; or open the engine without `live`, which begins anew by itself",
            )
        last = attempt
        if len(attempt.certain) > len(given):
            order.give(Delta(order.index, attempt.certain[len(given) :]))
            given = attempt.certain

    try:
        while len(reasons) < patience.attempts:
            server = await fleet.choose(order.request.session)
            attempt = _Attempt(Continuation(order.index, order.request.stop))
            last = last if order.live else attempt
            body = parameters.fit(order.body)
            server.busy += 1
            try:
                reason = await _try(order, body, server, attempt, patience, give_out)
            except RefusedError as fault:
                if not parameters.learn(body, fault):
                    raise
                continue
            except BrokenOffError as fault:
                if parameters.learn(body, fault):
                    continue
                reasons.append(f"{server.connection.address}: {fault.reason}")
                fleet.failed(server, fault, again=len(reasons) < patience.attempts)
                continue
            finally:
                server.busy -= 1
            fleet.worked(server)
            attempt.end()
            give_out(attempt)
            if given != attempt.certain:
                raise EngineError(
                    f"the server broke off and, asked again with the same seed, wrote less "
                    f"({reasons[-1]})",
                    fix="ask again",
                )
            order.give(_completion(order, attempt, reason))
            return
    except asyncio.CancelledError:
        last.end()
        if last.certain != given:
            order.give(Delta(order.index, last.certain[len(given) :]))
        order.give(_completion(order, last, FinishReason.CANCELLED))
        raise
    raise EngineError(
        f"no server finished the continuation in {patience.attempts} attempts "
        f"(the last: {reasons[-1]})",
        fix="see to the server, and ask again",
    )


async def _try(
    order: Order,
    body: Mapping[str, object],
    server: Server,
    attempt: _Attempt,
    patience: Patience,
    give_out: Callable[[_Attempt], None],
) -> FinishReason:
    """One attempt, up to its end or its cut."""
    url = f"{server.connection.address.base}/{order.path}"
    limit = patience.first_token
    end = _End()
    clock = asyncio.get_running_loop()
    try:
        async with (
            asyncio.timeout(limit) as alarm,
            aclosing(server.connection.stream(url, body)) as chunks,
        ):
            async for chunk in chunks:
                attempt.check_length(chunk, order.request.max_tokens)
                before = len(attempt.writing.tokens)
                attempt.take(chunk, order.request.max_tokens)
                end.take(chunk)
                grew = len(attempt.writing.tokens) > before
                if grew and math.isnan(attempt.first):
                    attempt.first = time.perf_counter() - order.started
                if grew or chunk.alive:
                    limit = patience.between_tokens
                    alarm.reschedule(clock.time() + limit)
                if order.live:
                    give_out(attempt)
                if attempt.writing.cut is not None:
                    return FinishReason.STOP
                if end.said:
                    break
                if end.near and chunk.about:
                    alarm.reschedule(clock.time() + min(limit, _ACCOUNTS_SECONDS))
    except ErrorEventError:
        raise
    except (BrokenOffError, TimeoutError) as error:
        # After the reason for the end only the accounts follow; the text is whole without.
        if not end.near and isinstance(error, TimeoutError):
            raise BrokenOffError(f"it wrote nothing for {limit:g} s") from error
        if not end.near:
            raise
    return _reason(end, attempt, order.request.max_tokens)


@dataclass(slots=True)
class _End:
    """What a server has said of the end of its text."""

    reason: str | None = None
    said: bool = False
    """It says that nothing follows."""
    begun: bool = False
    """It has said something of the text at all."""
    doubtful: bool = False
    """It gave a reason and went on: its reasons say nothing about where the end is."""

    @property
    def near(self) -> bool:
        """Whether no text will follow."""
        return self.reason is not None and not self.doubtful

    def take(self, chunk: Chunk) -> None:
        """Hear what an event says of it."""
        self.begun |= chunk.about
        self.said |= chunk.done
        if chunk.text and self.reason is not None:
            self.doubtful = True
        if self.reason not in _FAILURE_REASONS | _FILTER_REASONS:
            self.reason = chunk.finish or self.reason


def _reason(end: _End, attempt: _Attempt, limit: int) -> FinishReason:
    """Why the server says that the text ends.

    Raises:
        BrokenOffError: it did not say that, or says that it failed.
        EngineError: the text is not the model's.
    """
    if end.reason is None and not (end.said and end.begun):
        raise BrokenOffError("it ended the stream before the text was whole")
    if end.reason in _FAILURE_REASONS:
        raise BrokenOffError(f"it gave up ({end.reason})")
    if end.reason in _FILTER_REASONS:
        raise EngineError(
            "the server's content filter ended the text, so that it is not the model's"
        )
    filled = end.reason is None and len(attempt.writing.tokens) >= limit
    if filled or end.reason in _LENGTH_REASONS:
        return FinishReason.LENGTH
    return FinishReason.END_OF_TEXT


def _completion(order: Order, attempt: _Attempt, reason: FinishReason) -> Completion:
    total = time.perf_counter() - order.started
    first = total if math.isnan(attempt.first) else attempt.first
    return attempt.writing.completion(
        reason,
        prompt_tokens=attempt.prompt_tokens if order.prompt_tokens is None else order.prompt_tokens,
        cached_tokens=attempt.cached_tokens,
        timings=Timings(first, total),
        logprobs=order.request.logprobs and attempt.told_logprobs,
    )
