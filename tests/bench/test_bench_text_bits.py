"""Bits of a text: what they are the sum of, and that a decoder could reproduce the coding."""

from __future__ import annotations

import importlib
import math
from itertools import accumulate
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from multiturn.core.errors import InputError
from multiturn.models.arrays import initialize
from multiturn.models.config import codegen_config
from multiturn.models.decoder import forward
from multiturn.models.parameters import parameter_specs
from multiturn.text.tokenizers import Tokenizer
from multiturn.text.tokenizers_codegen import train_tokenizer

CONFIG = codegen_config(
    layers=1, heads=2, head_dim=8, rotary_size=4, vocab_size=300, max_seq_len=32
)
PARAMETERS = initialize(parameter_specs(CONFIG, jnp.float32), 0)
TEXT = "".join(f"x{n} = {n % 3} + y{n}\n" for n in range(30))


@pytest.fixture
def coder(bench_importable: Path) -> Any:
    del bench_importable
    return importlib.import_module("text_bits")


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer([TEXT] * 3, 300)


def bits(coder: Any, tokenizer: Tokenizer, text: str, **adaptation: float) -> list[float]:
    made = coder.Adaptation(part=8, **adaptation)
    return list(
        coder.adaptive_text_bits(PARAMETERS, CONFIG, tokenizer, text, window=32, adaptation=made)
    )


def test_a_short_text_costs_what_its_tokens_cost(coder: Any, tokenizer: Tokenizer) -> None:
    text = TEXT[:25]
    end = tokenizer.end_of_text[0]
    ids = np.asarray([[end, *tokenizer.encode(text), end]], np.int32)
    assert ids.size < 32
    logs = jax.nn.log_softmax(forward(PARAMETERS, jnp.asarray(ids[:, :-1]), CONFIG))
    nats = -float(jnp.sum(jnp.take_along_axis(logs, jnp.asarray(ids)[:, 1:, None], axis=-1)))
    found = coder.text_bits(PARAMETERS, CONFIG, tokenizer, text, window=32)
    assert found == pytest.approx(nats / math.log(2), rel=1e-5)
    assert sum(bits(coder, tokenizer, text, rate=0.0)) == pytest.approx(found, rel=1e-5)


def test_what_is_paid_for_never_depends_on_what_follows(coder: Any, tokenizer: Tokenizer) -> None:
    """Otherwise a decoder could not follow."""
    of_all = bits(coder, tokenizer, TEXT, rate=1e-2)
    ids = tokenizer.encode(TEXT)
    for parts in (1, 3, 9):
        begun = tokenizer.decode(ids[: 8 * parts]) + "otherwise" * 5
        if tokenizer.encode(begun)[: 8 * parts] == ids[: 8 * parts]:
            np.testing.assert_array_equal(
                bits(coder, tokenizer, begun, rate=1e-2)[:parts], of_all[:parts]
            )


def test_learning_pays(coder: Any, tokenizer: Tokenizer) -> None:
    still, learning = (bits(coder, tokenizer, TEXT, rate=rate) for rate in (0.0, 1e-2))
    assert learning[0] == still[0]
    assert sum(learning) < 0.8 * sum(still)
    ahead = [a < b for a, b in zip(accumulate(learning), accumulate(still), strict=True)]
    assert ahead[-1]


def test_what_is_out_of_range_is_refused(coder: Any, tokenizer: Tokenizer) -> None:
    for wrong in ({"rate": -1.0}, {"rate": 0.1, "b2": 1.0}):
        with pytest.raises(InputError, match="adaptation is out of range"):
            bits(coder, tokenizer, TEXT, **wrong)
    for window in (4, 64):
        with pytest.raises(InputError, match="window is out of range"):
            next(
                coder.adaptive_text_bits(
                    PARAMETERS,
                    CONFIG,
                    tokenizer,
                    TEXT,
                    window=window,
                    adaptation=coder.Adaptation(rate=0.0, part=8),
                )
            )
    with pytest.raises(InputError, match="window is out of range"):
        coder.text_bits(PARAMETERS, CONFIG, tokenizer, TEXT, window=33)
