"""The slots of the decode batch, as the host sees them: which sequence decodes in which slot."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from multiturn.engines.jax.backend import Backend
from multiturn.engines.jax.decode import (
    DecodeState,
    SlotParams,
    TokenBlock,
    decode,
    empty_state,
    insert,
    resize,
)
from multiturn.engines.jax.kv_cache import capacity_for
from multiturn.engines.jax.prefix_cache import PrefixCacheEntry
from multiturn.engines.jax.sequence import SlotSequence

__all__ = ["DecodeBlock", "Slots"]


@dataclass(frozen=True, slots=True)
class DecodeBlock:
    """A call of `decode` that may still run on the device, and the sequences that it decodes."""

    tokens: TokenBlock
    steps: int
    sequences: dict[int, SlotSequence]


class Slots:
    """Slots, each with a sequence or idle; their number is one of `Backend.decode_batch_sizes`.

    Not thread-safe: the scheduler's thread owns it.
    """

    def __init__(self, backend: Backend, weights: Any, end_tokens: tuple[int, ...]) -> None:
        self._backend = backend
        self._weights = weights
        self._end_tokens = end_tokens
        self._state: DecodeState | None = None
        self.sequences: dict[int, SlotSequence] = {}
        """By slot."""
        self._lengths: dict[int, tuple[int, int]] = {}
        """For each slot: an upper bound of its tokens now, and at the end."""
        self._params = _idle_params(0)

    @property
    def count(self) -> int:
        """How many slots there are, idle ones included."""
        return len(self._params.seed)

    @property
    def free(self) -> int:
        """How many more sequences can be inserted."""
        return self._backend.decode_batch_sizes[-1] - len(self.sequences)

    def insert(
        self, sequence: SlotSequence, prefix: PrefixCacheEntry, *, upcoming: int = 0
    ) -> None:
        """Start decoding a sequence.

        Args:
            sequence: has no slot yet.
            prefix: holds its prompt without the last token.
            upcoming: how many more sequences will be inserted soon.
        """
        prompt, request = sequence.pending.prompt, sequence.pending.request
        final_length = len(prompt) + request.max_tokens
        slot = self._idle_slot(len(prompt) + 1, len(self.sequences) + 1 + upcoming)
        self._state = insert(
            self._device_state(), np.int32(slot), prefix.cache, np.int32(len(prompt) - 1)
        )
        self.sequences[slot], sequence.slot = sequence, slot
        self._lengths[slot] = (len(prompt) - 1, final_length)
        self._set_params(
            slot,
            changed=True,
            token=prompt[-1],
            remaining=request.max_tokens,
            seed=(request.seed + sequence.continuation.index) % 2**31,
            temperature=request.temperature_of(sequence.continuation.index),
            top_p=request.top_p,
            top_k=request.top_k,
            want_logprobs=request.logprobs,
        )

    def remove(self, sequence: SlotSequence) -> None:
        """Stop decoding a sequence; its slot becomes idle."""
        if sequence.slot is None:
            return
        self._set_params(
            sequence.slot, changed=True, token=0, remaining=0, temperature=0, want_logprobs=False
        )
        del self.sequences[sequence.slot], self._lengths[sequence.slot]
        sequence.slot = None

    def decode(self, steps: int) -> DecodeBlock:
        """Start a block of at most `steps` steps; returns before the device is done."""
        grown = {
            slot: (min(now + steps, final), final) for slot, (now, final) in self._lengths.items()
        }
        self._fit(max(now for now, _ in grown.values()))
        self._lengths = grown
        self._state, tokens = decode(
            self._backend,
            self._end_tokens,
            self._weights,
            self._device_state(),
            self._params,
            np.int32(steps),
        )
        self._params = replace(self._params, changed=np.zeros(self.count, bool))
        return DecodeBlock(tokens, steps, dict(self.sequences))

    def shrink(self) -> None:
        """Free idle slots that are no longer needed; all memory where no sequence is left."""
        if not self.sequences:
            self._state, self._params = None, _idle_params(0)
            return
        fewer = _smallest_size(self._backend.decode_batch_sizes, len(self.sequences))
        if fewer < self.count:
            self._resize(fewer, self._capacity)

    def close(self) -> None:
        """Free all memory and drop the weights."""
        self.sequences.clear()
        self._state = self._weights = None

    @property
    def _capacity(self) -> int:
        return self._device_state().cache.capacity

    def _device_state(self) -> DecodeState:
        if self._state is None:
            raise RuntimeError("the batch has no slots yet")
        return self._state

    def _idle_slot(self, length: int, wanted: int) -> int:
        slots = _smallest_size(self._backend.decode_batch_sizes, wanted)
        if self._state is None:
            self._state = empty_state(self._backend, slots, capacity_for(length))
            self._params = _idle_params(slots)
        if slots > self.count:
            self._resize(slots, self._capacity)
        self._fit(length)
        return next(slot for slot in range(self.count) if slot not in self.sequences)

    def _fit(self, length: int) -> None:
        if capacity_for(length) > self._capacity:
            self._resize(self.count, capacity_for(length))

    def _resize(self, slots: int, capacity: int) -> None:
        """Change the number or the capacity of slots; with fewer, idle ones are dropped."""
        order = list(range(self.count)) if slots >= self.count else sorted(self.sequences)
        moved_to = {slot: place for place, slot in enumerate(order)}
        order += [0] * (slots - len(order))
        idle = np.ones(slots, bool)
        idle[[moved_to[slot] for slot in self.sequences]] = False
        indices = np.array(order, np.int32)
        self._state = resize(self._backend, self._device_state(), indices, idle, capacity)
        moved = {name: values[indices] for name, values in vars(self._params).items()}
        # A new slot is filled with a copy of slot 0, which must not start decoding.
        moved["changed"] = moved["changed"] & ~idle
        self._params = SlotParams(**moved)
        self.sequences = {moved_to[slot]: sequence for slot, sequence in self.sequences.items()}
        self._lengths = {moved_to[slot]: lengths for slot, lengths in self._lengths.items()}
        for slot, sequence in self.sequences.items():
            sequence.slot = slot

    def _set_params(self, slot: int, **values: Any) -> None:
        for name, value in values.items():
            # In a copy: the device may still read the old array.
            changed = getattr(self._params, name).copy()
            changed[slot] = value
            self._params = replace(self._params, **{name: changed})


def _idle_params(slots: int) -> Any:
    ints, floats = np.zeros(slots, np.int32), np.zeros(slots, np.float32)
    return SlotParams(
        changed=np.zeros(slots, bool),  # type: ignore[arg-type]
        token=ints,  # type: ignore[arg-type]
        remaining=ints,  # type: ignore[arg-type]
        seed=ints,  # type: ignore[arg-type]
        temperature=floats,  # type: ignore[arg-type]
        top_p=floats,  # type: ignore[arg-type]
        top_k=ints,  # type: ignore[arg-type]
        want_logprobs=np.zeros(slots, bool),  # type: ignore[arg-type]
    )


def _smallest_size(sizes: tuple[int, ...], wanted: int) -> int:
    """The smallest size that holds so many; the largest where none does."""
    return next((size for size in sizes if size >= wanted), sizes[-1])
