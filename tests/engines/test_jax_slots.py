"""The slots of the decode batch, without a model: a backend that counts."""

from __future__ import annotations

import numpy as np
from counting_backend import CountingBackend, prefilled, sequence, tokens_in

from multiturn.engines.jax.decode import NO_TOKEN
from multiturn.engines.jax.sequence import SlotSequence
from multiturn.engines.jax.slots import DecodeBlock, Slots

BACKEND = CountingBackend()


def slots_with(*sequences: SlotSequence) -> Slots:
    slots = Slots(BACKEND, None, ())
    for one in sequences:
        slots.insert(one, prefilled(BACKEND, one.pending.prompt[:-1]))
    return slots


def decoded(block: DecodeBlock, one: SlotSequence) -> list[int]:
    """The tokens of a sequence in a block."""
    (slot,) = (slot for slot, each in block.sequences.items() if each is one)
    column = np.asarray(block.tokens.tokens)[:, slot]
    return column[column != NO_TOKEN].tolist()


def keys(slots: Slots, one: SlotSequence) -> list[int]:
    """The tokens whose keys are in the slot of a sequence."""
    assert one.slot is not None
    return tokens_in(slots._device_state().cache, one.slot)


def test_a_sequence_continues_its_prompt() -> None:
    one = sequence([1, 2, 7], max_tokens=5)
    slots = slots_with(one)
    assert (slots.count, slots.free) == (1, 3)
    assert decoded(slots.decode(3), one) == [8, 9, 10]
    assert decoded(slots.decode(3), one) == [11, 12]
    assert decoded(slots.decode(3), one) == []


def test_each_slot_decodes_its_own_sequence() -> None:
    first, second, third = (sequence([start], max_tokens=9) for start in (10, 20, 30))
    slots = slots_with(first, second)
    assert decoded(slots.decode(2), first) == [11, 12]
    slots.insert(third, prefilled(BACKEND, []))
    assert slots.count == 4
    block = slots.decode(2)
    assert [decoded(block, one) for one in (first, second, third)] == [
        [13, 14], [23, 24], [31, 32],
    ]  # fmt: skip


def test_a_removed_sequence_leaves_an_idle_slot() -> None:
    first, second = sequence([10], max_tokens=9), sequence([20], max_tokens=9)
    slots = slots_with(first, second)
    slots.remove(first)
    assert first.slot is None
    assert slots.free == 3
    block = slots.decode(2)
    assert list(block.sequences.values()) == [second]
    assert decoded(block, second) == [21, 22]
    assert (np.asarray(block.tokens.tokens)[:, 0] == NO_TOKEN).all()
    slots.remove(first)  # does nothing


def test_shrinking_moves_sequences_and_frees_memory() -> None:
    many = [sequence([10 * n], max_tokens=99) for n in range(1, 5)]
    slots = slots_with(*many)
    slots.decode(1)
    for one in many[:3]:
        slots.remove(one)
    slots.shrink()
    assert (slots.count, many[3].slot) == (1, 0)
    assert decoded(slots.decode(2), many[3]) == [42, 43]
    slots.remove(many[3])
    slots.shrink()
    assert slots.count == 0


def test_the_keys_of_each_slot_are_its_own_wherever_it_moves() -> None:
    one, other, third = (sequence([start, start + 1], max_tokens=9) for start in (1, 50, 70))
    slots = slots_with(other, one)
    slots.decode(4)
    assert keys(slots, one) == [1, 2, 3, 4, 5]
    slots.insert(third, prefilled(BACKEND, [70]))
    assert [keys(slots, each) for each in (one, other, third)] == [
        [1, 2, 3, 4, 5], [50, 51, 52, 53, 54], [70],
    ]  # fmt: skip
    for each in (other, third):
        slots.remove(each)
    slots.shrink()
    assert keys(slots, one) == [1, 2, 3, 4, 5]


def test_the_capacity_grows_with_the_longest_sequence() -> None:
    one = sequence(list(range(1, 251)), max_tokens=40)
    slots = slots_with(one)
    assert slots._capacity == 256
    written = decoded(slots.decode(16), one)
    assert slots._capacity == 512
    assert written == list(range(251, 267))
    assert keys(slots, one) == list(range(1, 266))
