"""Sampling with temperature, top-k and top-p (nucleus).

A draw maps one uniform number to a token through the cumulative probabilities of the tokens that
top-k and top-p leave. Even with a vocabulary of 150,000 that costs little more than two passes over
the logits, because the nucleus is nearly always within the `CANDIDATES` most likely tokens, which
are found without a full sort. For the other rows the search continues with more candidates where
the caller provides a fast way to find them, or else with a full sort.
"""

# ruff: noqa: F722 - shapes in annotations

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int, Key

__all__ = [
    "CANDIDATES",
    "TopCandidates",
    "sample",
    "sample_batch",
    "top_k_top_p_mask",
    "log_probabilities",
    "top_candidates",
    "sampling_key",
]

CANDIDATES = 128
"""How many of the most likely tokens are examined first."""

_BLOCK = 32
"""The search for candidates compares the maximum logits of blocks of so many tokens."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TopCandidates:
    """The most likely tokens of each row, for a draw with top-k or top-p."""

    values: Float[Array, "B C"]
    """Logits in descending order, equal ones by id: `CANDIDATES` or more, or the entire
    vocabulary. Among tokens equal to the last one, the selection is arbitrary."""
    ids: Int[Array, "B C"]
    logsumexp: Float[Array, " B"]
    """Of the tempered logits of all tokens."""


def sampling_key(seed: int | Int[Array, ""], position: int | Int[Array, ""]) -> Key[Array, ""]:
    """The random key of one token, derived from the seed and the token's position alone.

    A sample therefore does not depend on the batch, or on how many steps a call decodes.
    """
    return jax.random.fold_in(jax.random.key(seed), position)


@jax.jit
def sample(
    logits: Float[Array, " V"],
    key: Key[Array, ""],
    temperature: float | Array,
    top_p: float | Array = 1.0,
    top_k: int | Array = 0,
) -> Int[Array, ""]:
    """Sample the next token of one row; see `sample_batch`."""
    uniform = jax.random.uniform(key)
    one = sample_batch(
        logits[None],
        uniform[None],
        jnp.asarray(temperature, jnp.float32)[None],
        jnp.asarray(top_p, jnp.float32)[None],
        jnp.asarray(top_k, jnp.int32)[None],
    )
    return one[0]


def sample_batch(
    logits: Float[Array, "B V"],
    uniforms: Float[Array, " B"],
    temperatures: Float[Array, " B"],
    top_p: Float[Array, " B"],
    top_k: Int[Array, " B"],
    candidates: TopCandidates | None = None,
    more_candidates: Callable[[Int[Array, ""]], TopCandidates] | None = None,
) -> Int[Array, " B"]:
    """Sample the next token of each row.

    Args:
        logits: float32.
        uniforms: in [0, 1); one draw for each row.
        temperatures: divide the logits; a row with 0 takes its most likely token (the smallest
            id among equals).
        top_p: the nucleus (Holtzman et al., arXiv 1904.09751) is the smallest set of most likely
            tokens whose probabilities sum to it; 1 is off.
        top_k: limits the tokens to the most likely ones, before top-p; 0 is off.
        candidates: of the logits; by default `top_candidates` finds them. A row without top-k
            and nucleus uses the first one alone.
        more_candidates: finds more candidates for one row, given by its index, where `candidates`
            do not cover the nucleus of that row.

    The draw inverts the cumulative distribution of the remaining tokens, which are ordered by
    probability and then by id (by id alone where both filters are off). Rows are independent.
    """
    best = _argmax(logits) if candidates is None else candidates.ids[:, 0]
    sampled = temperatures > 0
    filtered = sampled & ((top_p < 1) | (top_k > 0))
    scale = 1 / jnp.maximum(temperatures, 1e-6)

    def from_all(tokens: Array) -> Array:
        drawn = _draw_from_all(logits, uniforms, scale)
        chosen: Array = jnp.where(sampled & ~filtered, drawn, tokens)
        return chosen

    def from_likely(tokens: Array) -> Array:
        found = top_candidates(logits, scale) if candidates is None else candidates
        drawn, sufficient = _draw_from_candidates(found, uniforms, scale, top_p, top_k)
        sufficient |= found.values.shape[1] == logits.shape[1]

        def one_row(row: Array, found: Array) -> Array:
            def from_full_sort() -> Array:
                return _draw_from_sorted(
                    logits[row], uniforms[row], scale[row], top_p[row], top_k[row]
                )

            def from_more_candidates() -> Array:
                if more_candidates is None:
                    return from_full_sort()
                alone = (values[row][None] for values in (uniforms, scale, top_p, top_k))
                token, sufficient = _draw_from_candidates(more_candidates(row), *alone)
                drawn: Array = jax.lax.cond(sufficient[0], lambda: token[0], from_full_sort)
                return drawn

            updated: Array = jax.lax.cond(
                filtered[row] & ~sufficient[row],
                lambda: found.at[row].set(from_more_candidates()),
                lambda: found,
            )
            return updated

        rows = logits.shape[0]
        chosen: Array = jnp.where(filtered, jax.lax.fori_loop(0, rows, one_row, drawn), tokens)
        return chosen

    tokens = jax.lax.cond(jnp.any(sampled & ~filtered), from_all, lambda tokens: tokens, best)
    drawn: Array = jax.lax.cond(jnp.any(filtered), from_likely, lambda tokens: tokens, tokens)
    return drawn


def top_candidates(logits: Float[Array, "B V"], scale: Float[Array, " B"]) -> TopCandidates:
    """The candidates of each row, whose logits are multiplied by `scale`."""
    values, ids = _top_tokens(logits)
    return TopCandidates(values, ids, _logsumexp(logits, scale))


def log_probabilities(logits: Float[Array, "B V"], tokens: Int[Array, " B"]) -> Float[Array, " B"]:
    """The natural log-probability of one token of each row, at temperature 1."""
    chosen = jnp.take_along_axis(logits, tokens[:, None], axis=1)[:, 0]
    return chosen - _logsumexp(logits, jnp.ones(len(logits), jnp.float32))


def top_k_top_p_mask(
    ranked: Float[Array, "B C"],
    logsumexp: Float[Array, " B"],
    top_p: Float[Array, " B"],
    top_k: Int[Array, " B"],
) -> Bool[Array, "B C"]:
    """Which candidates top-k and top-p leave; the most likely one always remains.

    Args:
        ranked: the tempered logits of the most likely tokens, in descending order.
        logsumexp: of the tempered logits of all tokens.
        top_p: see `sample_batch`.
        top_k: see `sample_batch`.
    """
    place = jnp.arange(ranked.shape[1])
    limited = (top_k > 0)[:, None]
    inside = ~limited | (place < top_k[:, None])
    # Top-p applies to the distribution that top-k left, renormalized.
    weights = jnp.where(inside, jnp.exp(ranked - ranked[:, :1]), 0)
    total = jnp.where(limited[:, 0], weights.sum(1), jnp.exp(logsumexp - ranked[:, 0]))
    before = jnp.cumsum(weights, axis=1) - weights
    nucleus = (top_p[:, None] >= 1) | (before < top_p[:, None] * total[:, None])
    return inside & (nucleus | (place == 0))


def _argmax(logits: Float[Array, "B V"]) -> Int[Array, " B"]:
    """`argmax` of each row, by blocks: twenty times faster on CPU than XLA's own."""
    blocks = _blocks(logits)
    block = jnp.argmax(blocks.max(-1), axis=1)
    inside = jnp.take_along_axis(blocks, block[:, None, None], axis=1)[:, 0]
    return block * _BLOCK + jnp.argmax(inside, axis=1)


def _blocks(logits: Float[Array, "B V"]) -> Float[Array, "B n m"]:
    rows, size = logits.shape
    if size % _BLOCK:
        padding = _BLOCK - size % _BLOCK
        logits = jnp.pad(logits, ((0, 0), (0, padding)), constant_values=-jnp.inf)
    return logits.reshape(rows, -1, _BLOCK)


def _logsumexp(logits: Float[Array, "B V"], scale: Float[Array, " B"]) -> Float[Array, " B"]:
    greatest = logits.max(1)
    weights = jnp.exp((logits - greatest[:, None]) * scale[:, None])
    return jnp.log(weights.sum(1)) + greatest * scale


def _top_tokens(logits: Float[Array, "B V"]) -> tuple[Float[Array, "B C"], Int[Array, "B C"]]:
    """The values and ids of `TopCandidates`."""
    size = logits.shape[1]
    if size <= 4 * CANDIDATES * _BLOCK:
        values, ids = jax.lax.top_k(logits, min(CANDIDATES, size))
    else:
        # Fewer than C blocks have a token above the last candidate, so all such tokens are in the
        # C blocks with the greatest maxima.
        blocks = _blocks(logits)
        _, chosen = jax.lax.top_k(blocks.max(-1), CANDIDATES)
        inside = jnp.take_along_axis(blocks, chosen[:, :, None], axis=1)
        values, places = jax.lax.top_k(inside.reshape(logits.shape[0], -1), CANDIDATES)
        block = jnp.take_along_axis(chosen, places // _BLOCK, axis=1)
        ids = block * _BLOCK + places % _BLOCK
    # On some devices `top_k` returns equal values in any order.
    negated, ids = jax.lax.sort((-values, ids), dimension=1, num_keys=2)
    return -negated, ids


def _draw_from_candidates(
    found: TopCandidates, uniforms: Array, scale: Array, top_p: Array, top_k: Array
) -> tuple[Int[Array, " B"], Bool[Array, " B"]]:
    """The draw of each row, and whether its candidates include every token that the mask leaves."""
    ranked = found.values * scale[:, None]
    inside = top_k_top_p_mask(ranked, found.logsumexp, top_p, top_k)
    smallest = jnp.where(inside, found.values, jnp.inf).min(1)
    sufficient = (smallest > found.values[:, -1]) & (top_k <= found.values.shape[1])
    index = _draw_inside(ranked, inside, uniforms)
    return jnp.take_along_axis(found.ids, index[:, None], axis=1)[:, 0], sufficient


def _draw_from_sorted(
    logits: Float[Array, " V"], uniform: Array, scale: Array, top_p: Array, top_k: Array
) -> Int[Array, ""]:
    """The draw of one row, by a full sort."""
    order = jnp.argsort(-logits, stable=True)
    ranked = logits[order][None] * scale
    total = _logsumexp(logits[None], scale[None])
    inside = top_k_top_p_mask(ranked, total, top_p[None], top_k[None])
    return order[_draw_inside(ranked, inside, uniform[None])[0]]


def _draw_inside(
    ranked: Float[Array, "B C"], inside: Bool[Array, "B C"], uniforms: Float[Array, " B"]
) -> Int[Array, " B"]:
    """The index of the token that the uniform number selects among those `inside`."""
    weights = jnp.where(inside, jnp.exp(ranked - ranked[:, :1]), 0)
    return _inverse_cdf(weights, uniforms * weights.sum(1))


def _inverse_cdf(weights: Float[Array, "B C"], target: Float[Array, " B"]) -> Int[Array, " B"]:
    """The first index at which the cumulative weights exceed `target`.

    Rounding may put the target at or above the sum; then it is the last index with a weight.
    """
    summed = jnp.cumsum(weights, axis=1)
    index = jnp.sum(summed <= target[:, None], axis=1)
    last = weights.shape[1] - 1 - jnp.argmax(weights[:, ::-1] > 0, axis=1)
    return jnp.minimum(index, last)


def _draw_from_all(logits: Array, uniforms: Array, scale: Array) -> Int[Array, " B"]:
    """Draws from all tokens, by id: first the block, then the token in it."""
    blocks = _blocks(logits)
    greatest = blocks.max((1, 2))
    weights = jnp.exp((blocks - greatest[:, None, None]) * scale[:, None, None])
    sums = weights.sum(-1)
    target = uniforms * sums.sum(1)
    block = _inverse_cdf(sums, target)
    before = jnp.where(jnp.arange(sums.shape[1]) < block[:, None], sums, 0).sum(1)
    inside = jnp.take_along_axis(weights, block[:, None, None], axis=1)[:, 0]
    return block * _BLOCK + _inverse_cdf(inside, target - before)
