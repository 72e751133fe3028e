"""How many bits a model needs for a text, which compares it with any compressor."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from multiturn.core.errors import InputError
from multiturn.jaxformer.step.loss import token_losses
from multiturn.models.config import DecoderConfig
from multiturn.models.decoder import hidden_states
from multiturn.models.parameters import Parameters
from multiturn.text.tokenizers import Tokenizer

__all__ = ["text_bits"]

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

    The text begins after an end of text. It is read in windows that overlap by half: each
    token is predicted from all that stands before it in its window, at least half of one
    but at the text's own beginning.

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
    if not 2 <= window <= config.context or window % 2:
        raise InputError(
            "the window is out of range", got=window, allowed=f"even, 2 to {config.context}"
        )
    if not tokenizer.end_of_text:
        raise InputError("the tokenizer has no end of text")
    end = tokenizer.end_of_text[0]
    stream = np.asarray([end, *tokenizer.encode(text), end], np.int32)
    # Each window is one more than its tokens; a window after the first counts its second half.
    starts = [0, *range(window // 2, max(len(stream) - 1 - window // 2, 1), window // 2)]
    total = 0.0
    for first in range(0, len(starts), _ROWS):
        tokens = np.zeros((_ROWS, window + 1), np.int32)
        counted = np.zeros((_ROWS, window), np.float64)
        for row, start in enumerate(starts[first : first + _ROWS]):
            part = stream[start : start + window + 1]
            tokens[row, : len(part)] = part
            counted[row, 0 if start == 0 else window // 2 : len(part) - 1] = 1
        losses = _losses(parameters, tokens[:, :-1], tokens[:, 1:], config, native)
        total += float((np.asarray(losses, np.float64) * counted).sum())
    return total / math.log(2)


@partial(jax.jit, static_argnames=("config", "native"))
def _losses(
    parameters: Parameters, tokens: Any, targets: Any, config: DecoderConfig, native: bool
) -> Array:
    hidden = hidden_states(parameters, tokens, config, native=native)
    return token_losses(parameters, hidden, jnp.asarray(targets), native=native)
