"""Reference generation: a full forward pass for each new token.

No KV cache, no batching, no early stop. It is slow and obviously correct; tests compare the engines
with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array

from multiturn.core.errors import ContextOverflowError, InputError
from multiturn.models.attention import Kernel
from multiturn.models.config import DecoderConfig
from multiturn.models.decoder import hidden_states, unembed
from multiturn.models.parameters import Parameters
from multiturn.models.sampling import sample, sampling_key

__all__ = ["generate_reference"]


def generate_reference(
    parameters: Parameters,
    config: DecoderConfig,
    prompt: Sequence[int],
    *,
    max_tokens: int,
    temperature: float = 0.0,
    top_p: float = 1.0,
    top_k: int = 0,
    seed: int = 0,
    kernel: Kernel = "auto",
) -> list[int]:
    """Generate tokens by a full forward pass for each: slow, and the reference for the engines.

    Args:
        parameters: of the model.
        config: of the model.
        prompt: ids of the prompt.
        max_tokens: how many tokens to generate.
        temperature: 0 is greedy; otherwise each draw depends on the seed and the position of the
            token (see `sampling_key`).
        top_p: the nucleus; 1 is off.
        top_k: 0 is off.
        seed: of the draws.
        kernel: the attention kernel.

    Returns:
        the ids of the generated tokens.

    Raises:
        InputError: an empty prompt, or an id outside the vocabulary.
        ContextOverflowError: the prompt and the new tokens exceed the context.
    """
    if not prompt:
        raise InputError("the prompt has no tokens", fix="start with the end-of-text token")
    invalid = [token for token in prompt if not 0 <= token < config.vocab_size]
    if invalid:
        raise InputError(
            "a token is not in the vocabulary",
            got=invalid[0],
            allowed=f"0 to {config.vocab_size - 1}",
        )
    total = len(prompt) + max_tokens
    if total > config.max_seq_len:
        raise ContextOverflowError(
            "prompt and continuation exceed the context",
            got=f"{len(prompt)} + {max_tokens} tokens",
            allowed=f"{config.max_seq_len}",
            fix="shorten the prompt or ask for fewer tokens",
        )
    # Padded to a multiple of 64, so that few lengths are compiled.
    padded = -(-total // 64) * 64
    tokens = jnp.zeros((1, padded), jnp.int32).at[0, : len(prompt)].set(jnp.asarray(prompt))
    for position in range(len(prompt), total):
        logits = _logits_before(parameters, tokens, position, config, kernel)
        token = sample(logits, sampling_key(seed, position), temperature, top_p, top_k)
        tokens = tokens.at[0, position].set(token)
    return [int(token) for token in tokens[0, len(prompt) : total]]


@partial(jax.jit, static_argnames=("config", "kernel"))
def _logits_before(
    parameters: Parameters, tokens: Array, position: int, config: DecoderConfig, kernel: Kernel
) -> Array:
    hidden = hidden_states(parameters, tokens, config, kernel=kernel)
    return unembed(parameters, hidden[:, position - 1])[0]
