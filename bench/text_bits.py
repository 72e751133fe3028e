"""How many bits a model needs for a text, which compares it with any compressor.

`text_bits` codes with the model as it is. `adaptive_text_bits` codes a part of the text and then
takes a step of Adam on it, as adaptive compressors do (dynamic evaluation, Krause et al., arXiv
1709.07432). A decoder has read the same parts, so it can take the same steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from multiturn.core.errors import InputError
from multiturn.jaxformer.step.loss import next_token_loss, token_losses
from multiturn.models.config import DecoderConfig
from multiturn.models.decoder import hidden_states
from multiturn.models.parameters import Parameters
from multiturn.text.tokenizers import Tokenizer

_ROWS = 8


def text_bits(
    parameters: Parameters,
    config: DecoderConfig,
    tokenizer: Tokenizer,
    text: str,
    *,
    window: int,
    native: bool = False,
) -> float:
    """The sum of ``-log2 p(token)`` over a text and the end of text after it.

    The text begins after an end of text and is read in windows that overlap by half, so each
    token has at least half a window of context, except at the beginning of the text.

    Args:
        parameters: of the model.
        config: of the model.
        tokenizer: of the model, with an end of text.
        text: any.
        window: tokens of context; even.
        native: compute by `models.native.training`, whose kernels must be loaded.

    Raises:
        InputError: the window does not fit the model, or there is no end of text.
    """
    if not 2 <= window <= config.max_seq_len or window % 2:
        raise InputError(
            "the window is out of range", got=window, allowed=f"even, 2 to {config.max_seq_len}"
        )
    stream = _token_stream(tokenizer, text)
    # Each window has one token more than its context; after the first, only the second half counts.
    starts = [0, *range(window // 2, max(len(stream) - 1 - window // 2, 1), window // 2)]
    total = 0.0
    for first in range(0, len(starts), _ROWS):
        tokens = np.zeros((_ROWS, window + 1), np.int32)
        mask = np.zeros((_ROWS, window), np.float64)
        for row, start in enumerate(starts[first : first + _ROWS]):
            part = stream[start : start + window + 1]
            tokens[row, : len(part)] = part
            mask[row, 0 if start == 0 else window // 2 : len(part) - 1] = 1
        losses = _losses(parameters, tokens[:, :-1], tokens[:, 1:], config, native)
        total += float((np.asarray(losses, np.float64) * mask).sum())
    return total / math.log(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptation:
    """How a model learns from a text while coding it.

    Attributes:
        rate: learning rate of Adam without momentum; 0 learns nothing.
        b2: decay of the mean of squared gradients.
        part: tokens coded between two steps.
    """

    rate: float
    b2: float = 0.99
    part: int = 128

    def __post_init__(self) -> None:
        if self.rate < 0 or self.part < 1 or not 0 <= self.b2 < 1:
            raise InputError(
                "the adaptation is out of range",
                got=f"rate {self.rate}, b2 {self.b2}, part {self.part}",
                allowed="a rate of 0 or more, b2 from 0 to below 1, a part of 1 or more",
            )


def adaptive_text_bits(
    parameters: Parameters,
    config: DecoderConfig,
    tokenizer: Tokenizer,
    text: str,
    *,
    window: int,
    adaptation: Adaptation,
    native: bool = False,
) -> Iterator[float]:
    """The bits of each part of a text, and of the end of text after it.

    Args:
        parameters: of the model; not changed.
        config: of the model.
        tokenizer: of the model, with an end of text.
        text: any; it begins after an end of text.
        window: tokens of context, the part included.
        adaptation: how the model learns.
        native: compute by `models.native.training`, whose kernels must be loaded.

    Raises:
        InputError: the window does not fit the model or the parts, or there is no end of text.
    """
    if not adaptation.part <= window <= config.max_seq_len:
        raise InputError(
            "the window is out of range",
            got=window,
            allowed=f"{adaptation.part} to {config.max_seq_len}",
        )
    stream = _token_stream(tokenizer, text)
    moments = _adam(adaptation).init(parameters)
    part = adaptation.part
    for first in range(0, len(stream) - 1, part):
        start = max(0, first + part - window)
        seen = stream[start : first + part + 1]
        tokens = np.zeros((1, window + 1), np.int32)
        tokens[0, : len(seen)] = seen
        mask = np.zeros((1, part), np.float32)
        mask[0, : len(stream) - 1 - first] = 1
        nats, parameters, moments = _code_and_learn(
            parameters, moments, tokens, first - start, mask, config, adaptation, native
        )
        yield float(nats) / math.log(2)


def _token_stream(tokenizer: Tokenizer, text: str) -> Any:
    if not tokenizer.end_of_text:
        raise InputError("the tokenizer has no end of text")
    end = tokenizer.end_of_text[0]
    return np.asarray([end, *tokenizer.encode(text), end], np.int32)


@partial(jax.jit, static_argnames=("config", "native"))
def _losses(
    parameters: Parameters, tokens: Any, targets: Any, config: DecoderConfig, native: bool
) -> Array:
    hidden = hidden_states(parameters, tokens, config, native=native)
    return token_losses(parameters, hidden, jnp.asarray(targets), native=native)


def _adam(adaptation: Adaptation) -> optax.GradientTransformation:
    return optax.adam(adaptation.rate, b1=0.0, b2=adaptation.b2, eps=1e-6)


@partial(jax.jit, static_argnames=("config", "adaptation", "native"))
def _code_and_learn(
    parameters: Any,
    moments: Any,
    tokens: Any,
    first: Any,
    mask: Any,
    config: DecoderConfig,
    adaptation: Adaptation,
    native: bool,
) -> tuple[Array, Any, Any]:
    """The nats of the part that begins at `first`, and the model and moments after a step on it."""
    part = partial(jax.lax.dynamic_slice_in_dim, slice_size=adaptation.part, axis=1)
    targets = part(jnp.asarray(tokens), first + 1)

    def cost(current: Parameters) -> Array:
        hidden = hidden_states(current, tokens[:, :-1], config, native=native, unroll=True)
        return next_token_loss(current, part(hidden, first), targets, mask, native=native)[0]

    nats, gradient = jax.value_and_grad(cost)(parameters)
    mean = jax.tree.map(lambda found: found / jnp.sum(mask), gradient)
    change, moments = _adam(adaptation).update(mean, moments, parameters)
    return nats, optax.apply_updates(parameters, change), moments
