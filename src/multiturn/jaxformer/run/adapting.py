"""Coding a text with a model that learns from it on the way, as adaptive compressors do.

A part of the text is paid for with the model as it is, and only then does the model take a
step of Adam on it: whoever has read the parts before can do the same, so that the bits are
those of a code that can be decoded. Source: dynamic evaluation, Krause et al., arXiv
1709.07432.
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
from multiturn.jaxformer.step.loss import next_token_loss
from multiturn.models.config import DecoderConfig
from multiturn.models.decoder import hidden_states
from multiturn.models.parameters import Parameters
from multiturn.text.tokenizers import Tokenizer

__all__ = ["Adaptation", "adapting_bits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptation:
    """How a model learns from a text that it codes.

    Attributes:
        rate: of Adam without momentum; 0 learns nothing.
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


def adapting_bits(
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

    The text begins after an end of text, with the model as it was given. A token is predicted
    from all that stands before it in the window that ends with its part.

    Args:
        parameters: of the model; not changed.
        config: of the model.
        tokenizer: of the model, with an end of text.
        text: any.
        window: tokens of context, those of the part included.
        adaptation: how it learns.
        native: compute by `models.native.training`, whose kernels must be loaded.

    Raises:
        InputError: the window does not fit the model or the parts, or there is no end of text.
    """
    if not adaptation.part <= window <= config.context:
        raise InputError(
            "the window is out of range",
            got=window,
            allowed=f"{adaptation.part} to {config.context}",
        )
    if not tokenizer.end_of_text:
        raise InputError("the tokenizer has no end of text")
    end = tokenizer.end_of_text[0]
    stream = np.asarray([end, *tokenizer.encode(text), end], np.int32)
    learner = _learner(adaptation)
    moments = learner.init(parameters)
    part = adaptation.part
    for first in range(0, len(stream) - 1, part):
        start = max(0, first + part - window)
        seen = stream[start : first + part + 1]
        tokens = np.zeros((1, window + 1), np.int32)
        tokens[0, : len(seen)] = seen
        counted = np.zeros((1, part), np.float32)
        counted[0, : len(stream) - 1 - first] = 1
        nats, parameters, moments = _coded(
            parameters, moments, tokens, first - start, counted, config, adaptation, native
        )
        yield float(nats) / math.log(2)


def _learner(adaptation: Adaptation) -> optax.GradientTransformation:
    return optax.adam(adaptation.rate, b1=0.0, b2=adaptation.b2, eps=1e-6)


@partial(jax.jit, static_argnames=("config", "adaptation", "native"))
def _coded(
    parameters: Any,
    moments: Any,
    tokens: Any,
    first: Any,
    counted: Any,
    config: DecoderConfig,
    adaptation: Adaptation,
    native: bool,
) -> tuple[Array, Any, Any]:
    """What the part from `first` on costs, in nats, and the model that has learnt from it."""
    part = partial(jax.lax.dynamic_slice_in_dim, slice_size=adaptation.part, axis=1)
    targets = part(jnp.asarray(tokens), first + 1)

    def cost(current: Parameters) -> Array:
        hidden = hidden_states(current, tokens[:, :-1], config, native=native, unroll=True)
        return next_token_loss(current, part(hidden, first), targets, counted, native=native)[0]

    nats, gradient = jax.value_and_grad(cost)(parameters)
    mean = jax.tree.map(lambda found: found / jnp.sum(counted), gradient)
    change, moments = _learner(adaptation).update(mean, moments, parameters)
    return nats, optax.apply_updates(parameters, change), moments
