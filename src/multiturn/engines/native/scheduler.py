"""Continuous batching: one thread computes all sequences together, step by step.

Each step is one call of the model with as many tokens of each sequence as it needs: the last one
of a sequence that decodes, with drafted ones behind it where these pay; a chunk of a prompt that is
prefilled. Nothing is padded, and a sequence joins or leaves between any two steps.
"""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from multiturn.engines.common_prefix import common_prefix_length
from multiturn.engines.native.model import Array, Model
from multiturn.engines.native.prefix_cache import Cached, CachedTokens, PrefixCache
from multiturn.engines.native.prompt_lookup import PromptLookup
from multiturn.engines.native.sampler import Sampler
from multiturn.engines.native.sequence import Sequence
from multiturn.engines.native.speculation import MAX_ROWS, Acceptance, StepCost, draft_sizes
from multiturn.engines.native.step_row import StepRow
from multiturn.engines.pending_request import PendingRequest
from multiturn.engines.protocol import FinishReason, TokenLogprob
from multiturn.engines.scheduler_thread import SchedulerThread
from multiturn.models.native.decoder import ForwardRow

__all__ = ["Scheduler"]


@dataclass(frozen=True, slots=True)
class _PrefillLimits:
    """How many prompt tokens a step computes: what `seconds` suffice for, within bounds."""

    min_tokens: int
    max_tokens: int
    seconds: float


_ALONE = _PrefillLimits(64, 512, 0.5)
"""After each step requests are admitted and cancelled."""
_BESIDE_DECODE = _PrefillLimits(32, 128, 0.2)
"""Other sequences wait for the end of the step to decode their next token."""

_SCORED_AT_ONCE = 64
"""Tokens of a text that are scored at once, while others wait."""

_MIN_SHARED_TOKENS = 16
"""A prompt waits for another one's prefill if both share at least so many tokens."""


class Scheduler(SchedulerThread):
    """Decodes the sequences of pending requests. Any thread may submit, call and close.

    Args:
        model: computes; the scheduler closes it.
        slots: sequences that are computed at once, at most; further ones wait.
        end_tokens: tokens that end a text.
        token_bytes: the bytes of a token.
        cache_bytes: memory limit of the prefix cache.
        speculate: whether steps may verify drafted tokens.
        clock: measures steps, in seconds.
    """

    engine_name = "native"

    def __init__(
        self,
        model: Model,
        *,
        slots: int,
        end_tokens: tuple[int, ...],
        token_bytes: Callable[[int], bytes],
        cache_bytes: int,
        speculate: bool = True,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        super().__init__()
        self._model = model
        self._clock = clock
        self._slots = slots
        self._end_tokens = frozenset(end_tokens)
        self._token_bytes = token_bytes
        self._cache = PrefixCache(cache_bytes)
        self._sampler = Sampler(model)
        self._prefill_seconds: float | None = None
        """Of a prompt token, a running mean."""
        self._speculate = speculate
        self._acceptance = Acceptance()
        self._cost = StepCost()
        self._waiting: deque[Sequence] = deque()
        self._active: list[Sequence] = []
        self._unfinished: dict[PendingRequest, int] = {}
        """How many sequences of each open request are not finished."""
        self._prompts: dict[PendingRequest, CachedTokens] = {}
        """The prefilled prompts of open requests with several continuations."""
        self._start()

    def score(self, tokens: list[int]) -> list[float]:
        """See `SchedulerThread.score`."""
        return self._call(lambda: self._score(tokens))

    def _open_requests(self) -> Iterable[PendingRequest]:
        return self._unfinished

    def _free(self) -> None:
        self._waiting.clear()
        self._active.clear()
        self._unfinished.clear()
        self._prompts.clear()
        self._cache.clear()
        self._sampler.free()
        self._model.close()

    def _loop(self) -> None:
        while not self._closing:
            self._receive_all()
            self._drop_cancelled()
            self._admit()
            if self._active and not self._closing:
                self._step()

    def _receive_all(self) -> None:
        """Take new messages; block for one while the engine is idle."""
        while not self._closing:
            idle = not (self._waiting or self._active)
            try:
                pending = self._receive(block=idle)
            except queue.Empty:
                return
            if pending is not None:
                self._unfinished[pending] = pending.request.n
                self._waiting.extend(
                    Sequence(pending, index, self._model.new_cache())
                    for index in range(pending.request.n)
                )

    def _drop_cancelled(self) -> None:
        # The flag is read once for each request: it may be set while this runs.
        cancelled = {pending for pending in self._unfinished if pending.is_cancelled}
        if not cancelled:
            return
        for sequence in (*self._waiting, *self._active):
            if sequence.pending in cancelled:
                self._finish(sequence, FinishReason.CANCELLED)
        self._remove(cancelled.__contains__)

    def _remove(self, dropped: Callable[[PendingRequest], bool]) -> None:
        """Take sequences of some requests out of the queues."""
        self._waiting = deque(each for each in self._waiting if not dropped(each.pending))
        self._active = [each for each in self._active if not dropped(each.pending)]

    def _admit(self) -> None:
        """Begin sequences that wait, in their order, while there are slots."""
        deferred: deque[Sequence] = deque()
        while self._waiting and len(self._active) < self._slots:
            sequence = self._waiting.popleft()
            if not sequence.scores_prompt and not self._reuse_prefix(sequence):
                deferred.append(sequence)
                continue
            self._active.append(sequence)
        self._waiting = deferred + self._waiting

    def _reuse_prefix(self, sequence: Sequence) -> bool:
        """Take the cached part of a prompt; False if it should wait for a longer one."""
        # The last token of a prompt is always computed, because the next one depends on it.
        tokens = sequence.tokens[:-1]
        session = sequence.pending.request.session
        own = self._prompts.get(sequence.pending)
        in_use: tuple[Cached, ...] = (*self._prompts.values(), *self._active)
        if own is not None:
            in_use = (own, *in_use)
        cached, length = self._cache.find(tokens, session, in_use)
        if self._should_wait(tokens, length):
            return False
        sequence.cached_tokens = length
        if cached is not None:
            sequence.cache = cached.cache.fork(length)
        return True

    def _should_wait(self, tokens: list[int], cached: int) -> bool:
        """Whether a prompt should wait until a running prefill has computed more of its prefix.

        Waiting costs about one step, in which others prefill, so it must save as many tokens.
        """
        min_saved = min(_MIN_SHARED_TOKENS, len(tokens) - cached)
        if min_saved <= 0:
            return False
        for other in self._active:
            computed = max(cached, other.cache.length)
            if other.remaining > 1 and len(tokens) - computed >= min_saved:
                shared = min(common_prefix_length(other.tokens, tokens), len(other.tokens) - 1)
                if shared - computed >= min_saved:
                    return True
        return False

    def _step(self) -> None:
        """Compute the next tokens of every sequence, as far as the step has room."""
        rows = self._rows()
        decoding = all(row.sequence.remaining == 1 for row in rows)
        started = self._clock()
        hidden = self._score_prompts(rows, self._forward(rows))
        samples = [row for row in rows if row.samples]
        found = self._sampler.sample(samples, hidden) if samples else []
        tokens, seconds = sum(len(row.tokens) for row in rows), self._clock() - started
        if decoding:
            self._cost.observe(tokens, seconds)
        else:
            usual = self._prefill_seconds or seconds / tokens
            self._prefill_seconds = usual + 0.3 * (seconds / tokens - usual)
        for row, sampled in zip(samples, found, strict=True):
            if row.sequence.pending in self._unfinished:
                self._process(row, sampled)

    def _rows(self) -> list[StepRow]:
        """What the next step computes."""
        decoding = [sequence for sequence in self._active if sequence.remaining == 1]
        rows = []
        if len(decoding) < len(self._active):
            budget = self._prefill_budget(_BESIDE_DECODE if decoding else _ALONE)
            for sequence in self._active:
                count = min(sequence.remaining, budget)
                if sequence.remaining == 1 or count == 0:
                    continue
                budget -= count
                start = sequence.cache.length
                tokens = sequence.tokens[start : start + count]
                scored = 0
                if sequence.scores_prompt:
                    scored = min(count, sequence.prompt_length - 1 - start)
                rows.append(StepRow(sequence, tokens, 0, int(count == sequence.remaining), scored))
        drafts = self._drafts(decoding) if not rows else [[]] * len(decoding)
        for sequence, draft in zip(decoding, drafts, strict=True):
            tokens = [sequence.tokens[-1], *draft]
            rows.append(StepRow(sequence, tokens, len(draft), len(tokens)))
        return rows

    def _prefill_budget(self, limits: _PrefillLimits) -> int:
        if self._prefill_seconds is None:
            return limits.max_tokens // 2
        affordable = limits.seconds / max(self._prefill_seconds, 1e-9)
        return int(min(max(affordable, limits.min_tokens), limits.max_tokens))

    def _drafts(self, sequences: list[Sequence]) -> list[list[int]]:
        """The drafted tokens of each sequence."""
        if not self._speculate or len(sequences) > MAX_ROWS:
            return [[]] * len(sequences)
        lookups = [self._lookup(sequence) for sequence in sequences]
        limits = [sequence.max_new_tokens - 1 for sequence in sequences]
        sizes = draft_sizes(lookups, limits, self._acceptance, self._cost)
        return [lookup.draft(size) for lookup, size in zip(lookups, sizes, strict=True)]

    def _lookup(self, sequence: Sequence) -> PromptLookup:
        if sequence.lookup is None:
            sequence.lookup = PromptLookup(sequence.tokens, self._acceptance.observe)
        return sequence.lookup

    def _forward(self, rows: list[StepRow]) -> Array:
        """The states of all rows that are sampled or scored."""
        return self._model.forward(
            [ForwardRow(row.tokens, row.sequence.cache, row.wanted) for row in rows]
        )

    def _score_prompts(self, rows: list[StepRow], hidden: Array) -> Array:
        """Score tokens of prompts, and return the states at which tokens are sampled."""
        if not any(row.scored for row in rows):
            return hidden
        start = 0
        sampled: list[int] = []
        for row in rows:
            if row.scored:
                sequence = row.sequence
                following = sequence.cache.length - len(row.tokens) + 1
                sequence.prompt_logprobs += self._sampler.score(
                    hidden[start : start + row.scored],
                    sequence.tokens[following : following + row.scored],
                    top=sequence.pending.request.top_logprobs,
                )
            start += row.states
            sampled += range(start - row.samples, start)
        return hidden[np.array(sampled, np.intp)]

    def _process(self, row: StepRow, sampled: list[TokenLogprob]) -> None:
        """Append the sampled tokens up to the first one that differs from the draft."""
        sequence, draft = row.sequence, row.tokens[len(row.tokens) - row.drafted :]
        if len(sequence.tokens) == sequence.prompt_length:
            self._hold_prompt(sequence)
        agreed = next((i for i in range(len(draft)) if draft[i] != sampled[i].token), len(draft))
        reason = None
        for each in sampled[: agreed + 1]:
            piece = b"" if each.token in self._end_tokens else self._token_bytes(each.token)
            try:
                reason = sequence.append(each, piece, self._end_tokens)
            except Exception as error:  # a stop rule is the caller's code
                self._fail(sequence.pending, error)
                return
            if reason is not None:
                break
        if draft:
            # The next step adds the last token to the cache, wherever it came from.
            sequence.cache.truncate(len(sequence.tokens) - 1)
        if reason is not None:
            self._active.remove(sequence)
            self._finish(sequence, reason)

    def _hold_prompt(self, sequence: Sequence) -> None:
        """Keep a prefilled prompt for the request's other continuations, and for its session."""
        pending, session = sequence.pending, sequence.pending.request.session
        if pending.request.n == 1 or pending in self._prompts:
            return
        length = sequence.prompt_length
        prompt, cache = sequence.tokens[:length], sequence.cache.fork(length)
        self._prompts[pending] = CachedTokens(prompt, cache)
        if session is not None:
            self._cache.add(prompt, cache, session)

    def _finish(self, sequence: Sequence, reason: FinishReason) -> None:
        session, length = sequence.pending.request.session, sequence.cache.length
        # With n above 1 it is unknown which continuation the session will build on.
        if session is not None and sequence.pending.request.n == 1 and length:
            self._cache.add(sequence.tokens[:length], sequence.cache, session)
        self._release(sequence)
        sequence.finish(reason)

    def _release(self, sequence: Sequence) -> None:
        """Drop the cache of a sequence, and with the last one what its request holds."""
        sequence.cache = self._model.new_cache()
        left = self._unfinished.get(sequence.pending, 0) - 1
        if left > 0:
            self._unfinished[sequence.pending] = left
        else:
            self._unfinished.pop(sequence.pending, None)
            self._prompts.pop(sequence.pending, None)

    def _fail(self, pending: PendingRequest, error: Exception) -> None:
        """End one request whose own code raised; the others continue."""
        for sequence in (*self._waiting, *self._active):
            if sequence.pending is pending:
                self._release(sequence)
        self._remove(lambda other: other is pending)
        pending.events.put(error)

    def _score(self, tokens: list[int]) -> list[float]:
        """See `score`."""
        cache = self._model.new_cache()
        found: list[float] = []
        for start in range(0, len(tokens) - 1, _SCORED_AT_ONCE):
            chunk = tokens[start : min(start + _SCORED_AT_ONCE, len(tokens) - 1)]
            hidden = self._model.forward([ForwardRow(chunk, cache, "all")])
            following = tokens[start + 1 : start + 1 + len(chunk)]
            found += [each.logprob for each in self._sampler.score(hidden, following)]
        return found
