"""Sampling in the decode batch: the parameters and the randomness of each slot.

`models.sampling` has the algorithm: temperature, top-k and top-p (nucleus).
"""

# ruff: noqa: F722 - shapes in annotations

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from multiturn.models.sampling import log_probabilities, sample_batch, sampling_key

__all__ = ["SamplingParams", "sample_with_logprobs", "uniform_draws"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class SamplingParams:
    """The sampling parameters of each row; see `models.sampling.sample_batch`."""

    temperature: Float[Array, " B"]
    top_p: Float[Array, " B"]
    top_k: Int[Array, " B"]
    want_logprobs: Bool[Array, " B"]


def uniform_draws(seeds: Int[Array, " B"], positions: Int[Array, " B"]) -> Float[Array, " B"]:
    """One uniform number for each row, a function of the seed and the token's position alone.

    The same request therefore draws the same numbers in any batch.
    """
    return jax.vmap(lambda seed, position: jax.random.uniform(sampling_key(seed, position)))(
        seeds, positions
    )


def sample_with_logprobs(
    logits: Float[Array, "B V"], uniforms: Float[Array, " B"], params: SamplingParams
) -> tuple[Int[Array, " B"], Float[Array, " B"]]:
    """The next token of each row and its log-probability, which is 0 if no row wants one."""
    token = sample_batch(logits, uniforms, params.temperature, params.top_p, params.top_k)
    logprob: Array = jax.lax.cond(
        jnp.any(params.want_logprobs),
        lambda: log_probabilities(logits, token),
        lambda: jnp.zeros(len(token), jnp.float32),
    )
    return token, logprob
