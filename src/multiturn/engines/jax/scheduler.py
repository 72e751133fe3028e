"""Continuous batching: one thread owns the device and schedules prefill and decode.

Each round of its loop admits new requests, drops cancelled ones, prefills prompts, inserts the
sequences that are ready into free slots, and starts a block of decode steps. While the device
decodes that block, the host processes the outputs of the block before. Tokens that were decoded
past a stop are discarded.
"""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np

from multiturn.engines.continuation import Continuation
from multiturn.engines.jax.backend import Backend
from multiturn.engines.jax.decode import MAX_DECODE_STEPS, NO_TOKEN
from multiturn.engines.jax.prefill import Prefiller, PrefillState
from multiturn.engines.jax.sequence import SlotSequence
from multiturn.engines.jax.slots import DecodeBlock, Slots
from multiturn.engines.pending_request import PendingRequest
from multiturn.engines.protocol import FinishReason
from multiturn.engines.scheduler_thread import SchedulerThread

__all__ = ["DeviceScheduler"]

_PREFILL_TOKENS_BETWEEN_BLOCKS = 256
"""About how many tokens are prefilled while other sequences wait for their next token."""

_BLOCK_SECONDS = 0.04
"""Target duration of a block: long beside the host's work for it, short to a reader."""


class DeviceScheduler(SchedulerThread):
    """Decodes the sequences of pending requests. Any thread may submit, call and close.

    Args:
        backend: computes the model.
        weights: for the backend.
        end_tokens: tokens that end a text.
        token_bytes: the bytes of a token.
        cache_bytes: memory limit of the prefix cache.
    """

    engine_name = "JAX"

    def __init__(
        self,
        backend: Backend,
        weights: Any,
        *,
        end_tokens: tuple[int, ...],
        token_bytes: Callable[[int], bytes],
        cache_bytes: int,
    ) -> None:
        super().__init__()
        self._end_tokens = frozenset(end_tokens)
        self._token_bytes = token_bytes
        self._prefiller = Prefiller(backend, weights, cache_bytes)
        self._slots = Slots(backend, weights, end_tokens)
        self._waiting: deque[SlotSequence] = deque()
        self._prefilling: dict[SlotSequence, PrefillState] = {}
        self._running: deque[DecodeBlock] = deque()
        self._step_seconds = _BLOCK_SECONDS
        self._last_processed: float | None = None
        self._start()

    def score(self, tokens: list[int]) -> list[float]:
        """See `SchedulerThread.score`."""
        return self._call(lambda: self._prefiller.score(tokens))

    def _open_requests(self) -> Iterable[PendingRequest]:
        sequences = [*self._waiting, *self._prefilling, *self._slots.sequences.values()]
        return [sequence.pending for sequence in sequences]

    def _free(self) -> None:
        self._waiting.clear()
        self._running.clear()
        self._prefilling.clear()
        self._slots.close()
        self._prefiller.close()

    def _loop(self) -> None:
        while not self._closing:
            self._admit()
            self._drop_cancelled()
            self._prefill_and_insert()
            if self._slots.sequences:
                self._running.append(self._slots.decode(self._block_steps()))
            # One block runs ahead on the device; the host processes the one before it.
            if len(self._running) > 1 or (self._running and not self._slots.sequences):
                self._process_outputs(self._running.popleft())
                if not (self._waiting or self._prefilling):
                    self._slots.shrink()
            elif not (self._running or self._waiting or self._prefilling):
                self._slots.shrink()
                self._last_processed = None

    def _admit(self) -> None:
        """Take new messages; block for one while the engine is idle."""
        busy = bool(self._waiting or self._slots.sequences or self._running or self._prefilling)
        while not self._closing:
            if not busy and self._inbox.empty() and self._prefiller.prefill_deferred():
                continue
            try:
                pending = self._receive(block=not busy)
            except queue.Empty:
                return
            if pending is not None:
                for index in range(pending.request.n):
                    continuation = Continuation(index, pending.request.stop)
                    self._waiting.append(SlotSequence(pending, continuation))
                busy = True

    def _drop_cancelled(self) -> None:
        # The flag is read once for each sequence: it may be set while this runs.
        cancelled = {
            sequence
            for sequence in (*self._waiting, *self._prefilling)
            if sequence.pending.is_cancelled
        }
        for sequence in cancelled:
            sequence.finish(FinishReason.CANCELLED)
        self._drop_unstarted(cancelled.__contains__)
        for sequence in list(self._slots.sequences.values()):
            if sequence.pending.is_cancelled:
                self._finish(sequence, FinishReason.CANCELLED)

    def _drop_unstarted(self, dropped: Callable[[SlotSequence], bool]) -> None:
        """Drop sequences that wait or prefill."""
        self._waiting = deque(sequence for sequence in self._waiting if not dropped(sequence))
        self._prefilling = {
            sequence: state for sequence, state in self._prefilling.items() if not dropped(sequence)
        }

    def _prefill_and_insert(self) -> None:
        """Prefill a bounded number of tokens, and insert the sequences that are ready."""
        self._begin_prefills()
        unfinished = [state for state in self._prefilling.values() if not state.done]
        self._prefiller.prefill_chunks(unfinished, _PREFILL_TOKENS_BETWEEN_BLOCKS)
        ready = [(sequence, state) for sequence, state in self._prefilling.items() if state.done]
        for place, (sequence, state) in enumerate(ready, start=1):
            del self._prefilling[sequence]
            sequence.prefix = self._prefiller.finish(state)
            upcoming = len(ready) - place + len(self._prefilling) + len(self._waiting)
            self._slots.insert(sequence, sequence.prefix, upcoming=upcoming)

    def _begin_prefills(self) -> None:
        """Begin prefills for waiting sequences.

        No more than there are free slots, and no more tokens than two rounds prefill, because
        each prefill holds the memory of its entire prompt.
        """
        deferred: deque[SlotSequence] = deque()
        remaining = sum(state.remaining for state in self._prefilling.values())
        while (
            self._waiting
            and len(self._prefilling) < self._slots.free
            and remaining < 2 * _PREFILL_TOKENS_BETWEEN_BLOCKS
        ):
            sequence = self._waiting.popleft()
            tokens, session = sequence.pending.prompt[:-1], sequence.pending.request.session
            if self._prefiller.should_wait(tokens, session, tuple(self._prefilling.values())):
                deferred.append(sequence)
                continue
            state = self._prefiller.begin(tokens, session)
            sequence.cached_tokens = state.cached
            self._prefilling[sequence] = state
            remaining += state.remaining
        self._waiting = deferred + self._waiting

    def _block_steps(self) -> int:
        steps_in_time = int(_BLOCK_SECONDS / max(self._step_seconds, 1e-6))
        return max(1, min(MAX_DECODE_STEPS, steps_in_time))

    def _process_outputs(self, block: DecodeBlock) -> None:
        """Wait for the tokens of a block, and hand them to their sequences."""
        tokens, logprobs = jax.device_get((block.tokens.tokens, block.tokens.logprobs))
        self._measure(int(np.sum(np.any(tokens != NO_TOKEN, axis=1))))
        for slot, sequence in block.sequences.items():
            if sequence.done:
                continue
            count = int(np.sum(tokens[:, slot] != NO_TOKEN))
            ids: list[int] = tokens[:count, slot].tolist()
            pieces = [self._piece(token) for token in ids]
            try:
                sequence.append(ids, pieces, logprobs[:count, slot].tolist())
            except Exception as error:  # a stop rule is the caller's code
                self._fail(sequence.pending, error)
                continue
            reason = self._finish_reason(sequence)
            if reason is not None:
                self._finish(sequence, reason)

    def _piece(self, token: int) -> bytes:
        return b"" if token in self._end_tokens else self._token_bytes(token)

    def _finish_reason(self, sequence: SlotSequence) -> FinishReason | None:
        tokens = sequence.continuation.tokens
        if sequence.continuation.cut is not None:
            return FinishReason.STOP
        if tokens and tokens[-1] in self._end_tokens:
            return FinishReason.END_OF_TEXT
        if len(tokens) == sequence.pending.request.max_tokens:
            return FinishReason.LENGTH
        return None

    def _finish(self, sequence: SlotSequence, reason: FinishReason) -> None:
        request = sequence.pending.request
        # With n above 1 it is unknown which continuation the session will build on.
        if request.session is not None and request.n == 1 and sequence.slot is not None:
            tokens = sequence.continuation.tokens
            decoded = [token for token in tokens if token not in self._end_tokens]
            self._prefiller.defer(sequence.pending.prompt + decoded, request.session)
        self._release(sequence)
        sequence.finish(reason)

    def _release(self, sequence: SlotSequence) -> None:
        self._slots.remove(sequence)
        if sequence.prefix is not None:
            self._prefiller.release(sequence.prefix)
            sequence.prefix = None

    def _fail(self, pending: PendingRequest, error: Exception) -> None:
        """End one request whose own code raised; the others continue."""
        for sequence in list(self._slots.sequences.values()):
            if sequence.pending is pending:
                self._release(sequence)
                sequence.done = True
        self._drop_unstarted(lambda sequence: sequence.pending is pending)
        pending.events.put(error)

    def _measure(self, steps: int) -> None:
        """Update the running mean of the duration of a step."""
        now = time.perf_counter()
        if steps and self._last_processed is not None:
            # Bounded, because a compilation or a prefill in between is not part of a step.
            taken = min((now - self._last_processed) / steps, 10 * _BLOCK_SECONDS)
            self._step_seconds += 0.3 * (taken - self._step_seconds)
        self._last_processed = now
