"""Packed documents train as if each stood alone."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from multiturn.jaxformer.datasets.packed import TokenizedDocument, pack
from multiturn.jaxformer.step.loss import token_losses
from multiturn.models.arrays import initialize
from multiturn.models.config import codegen_config
from multiturn.models.decoder import hidden_states
from multiturn.models.parameters import parameter_specs

CONFIG = codegen_config(layers=2, heads=4, head_dim=8, rotary_size=4, vocab_size=64, max_seq_len=64)


LENGTH = 64


@jax.jit
def losses(parameters: Any, tokens: Any, segments: Any) -> Any:
    """Of the token after each but the last: [rows, LENGTH]."""
    hidden = hidden_states(parameters, tokens[:, :-1], CONFIG, segments=segments)
    return token_losses(parameters, hidden, tokens[:, 1:])


def padded(rows: list[list[int]], size: int) -> Any:
    """Rows of one length; what is behind a token changes nothing for it."""
    return np.asarray([row + [0] * (size - len(row)) for row in rows], np.int32)


@pytest.mark.parametrize(
    "length",
    [pytest.param(64, marks=pytest.mark.slow), 16, pytest.param(7, marks=pytest.mark.slow)],
)
def test_counted_targets_have_the_loss_that_they_have_alone(length: int) -> None:
    parameters = initialize(parameter_specs(CONFIG), 0)
    rng = np.random.default_rng(1)
    texts = [rng.integers(1, 64, size).tolist() for size in (9, 1, 16, 2, 7, 20, 3)]
    documents = [
        TokenizedDocument(str(number), np.asarray(ids, np.int32), len(ids))
        for number, ids in enumerate(texts)
    ]
    samples = pack(documents, length=length, vocab_size=64, source="here")
    read = samples.read(range(samples.count))
    packed, marks, alone, places = [], [], [], []
    for row in range(samples.count):
        tokens, segments = read.tokens[row].tolist(), read.segments[row].tolist()
        packed.append([*tokens, int(read.targets[row, -1])])
        marks.append(segments)
        for mark in sorted(set(segments)):
            begin, size = segments.index(mark), segments.count(mark)
            # What the row has of this document is all that it may see.
            alone.append(packed[-1][begin : begin + size + 1])
            places.append((row, begin, size))
    count = len(packed) + len(alone)
    rows = padded([*packed, *alone], LENGTH + 1)
    segments = np.zeros((count, LENGTH), np.int32)
    segments[: len(marks)] = padded(marks, LENGTH)
    found = np.asarray(losses(parameters, rows, segments))
    counted = 0
    for number, (row, begin, size) in enumerate(places, len(packed)):
        for place in range(size):
            if read.loss_mask[row, begin + place]:
                assert found[row, begin + place] == pytest.approx(found[number, place], abs=2e-5)
                counted += 1
    # Every token but a document's first is learned once.
    assert counted == sum(len(ids) - 1 for ids in texts) == np.count_nonzero(read.loss_mask)
