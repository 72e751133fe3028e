"""Choosing the next token of each row.

A draw takes one uniform number for a token and finds where it falls in the cumulated
probabilities of the tokens that top-k and the nucleus keep. With a vocabulary of 150,000
that costs little more than reading the logits twice: the nucleus nearly always lies within
the `CANDIDATES` most likely tokens, which are found without sorting the rest. A row where it
does not is looked at again with more of them, where somebody finds those fast, or is sorted
whole.
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
"""How many of the most likely tokens are looked at first."""

_BLOCK = 32
"""Tokens whose greatest logit stands for all of them in the search for the candidates."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TopCandidates:
    """What a draw with top-k or a nucleus needs to know of rows of logits."""

    values: Float[Array, "B C"]
    """The logits of the most likely tokens, greatest first, equals by id. There are
    `CANDIDATES` or more, or the whole vocabulary. Of several that are as likely as the last
    of them, any may be among them."""
    ids: Int[Array, "B C"]
    logsumexp: Float[Array, " B"]
    """The logarithm of what the tempered, exponentiated logits of all tokens sum to."""


def sampling_key(seed: int | Int[Array, ""], position: int | Int[Array, ""]) -> Key[Array, ""]:
    """The randomness of one token: of the request's seed and the token's position alone.

    So a sample does not depend on what else is in the batch, nor on how it is cut in steps.
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
    """The next token of one row; see `sample_batch`."""
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
    """The next token of each row.

    Args:
        logits: float32.
        uniforms: from 0 up to, but not, 1; what a row draws.
        temperatures: logits are divided by them; a row with 0 takes its most likely token
            (the one of least id among equals).
        top_p: the nucleus (Holtzman et al., arXiv 1904.09751): the fewest most likely tokens
            whose probabilities reach it are kept; 1 is off.
        top_k: only so many of the most likely tokens are kept, before the nucleus is taken;
            0 is off.
        candidates: of the logits; by default `top_candidates` finds them. A row without top-k
            and nucleus uses the first one alone.
        more_candidates: finds more candidates for one row, given by its index, where `candidates`
            do not cover the nucleus of that row.

    The kept tokens are lined up, most likely first and equals by id (where both filters
    are off: by id), each as long as it is likely, and the uniform number points at one.
    Rows are independent: neighbours change nothing.
    """
    best = _most_likely(logits) if candidates is None else candidates.ids[:, 0]
    sampled = temperatures > 0
    filtered = sampled & ((top_p < 1) | (top_k > 0))
    scale = 1 / jnp.maximum(temperatures, 1e-6)

    def from_all(tokens: Array) -> Array:
        drawn = _draw_from_all(logits, uniforms, scale)
        chosen: Array = jnp.where(sampled & ~filtered, drawn, tokens)
        return chosen

    def from_likely(tokens: Array) -> Array:
        found = top_candidates(logits, scale) if candidates is None else candidates
        drawn, sure = _draw_from_candidates(found, uniforms, scale, top_p, top_k)
        sure |= found.values.shape[1] == logits.shape[1]

        def one_row(row: Array, found: Array) -> Array:
            def sorted_whole() -> Array:
                return _draw_from_sorted(
                    logits[row], uniforms[row], scale[row], top_p[row], top_k[row]
                )

            def ranked_again() -> Array:
                if more_candidates is None:
                    return sorted_whole()
                alone = (values[row][None] for values in (uniforms, scale, top_p, top_k))
                token, sure = _draw_from_candidates(more_candidates(row), *alone)
                drawn: Array = jax.lax.cond(sure[0], lambda: token[0], sorted_whole)
                return drawn

            updated: Array = jax.lax.cond(
                filtered[row] & ~sure[row],
                lambda: found.at[row].set(ranked_again()),
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
    """What `sample_batch` needs to know of each row, whose logits are multiplied by `scale`."""
    values, ids = _candidates(logits)
    return TopCandidates(values, ids, _log_total(logits, scale))


def log_probabilities(logits: Float[Array, "B V"], tokens: Int[Array, " B"]) -> Float[Array, " B"]:
    """The natural log-probability of one token of each row, of the model as it is."""
    chosen = jnp.take_along_axis(logits, tokens[:, None], axis=1)[:, 0]
    return chosen - _log_total(logits, jnp.ones(len(logits), jnp.float32))


def top_k_top_p_mask(
    ranked: Float[Array, "B C"],
    logsumexp: Float[Array, " B"],
    top_p: Float[Array, " B"],
    top_k: Int[Array, " B"],
) -> Bool[Array, "B C"]:
    """Which tokens top-k and the nucleus keep; the most likely one is always among them.

    Args:
        ranked: the tempered logits of the most likely tokens, greatest first.
        logsumexp: the logarithm of what the tempered, exponentiated logits of all tokens sum to.
        top_p: see `sample_batch`.
        top_k: see `sample_batch`.
    """
    place = jnp.arange(ranked.shape[1])
    limited = (top_k > 0)[:, None]
    inside = ~limited | (place < top_k[:, None])
    # The nucleus is one of what top-k left, whose probabilities sum to 1 again.
    weights = jnp.where(inside, jnp.exp(ranked - ranked[:, :1]), 0)
    whole = jnp.where(limited[:, 0], weights.sum(1), jnp.exp(logsumexp - ranked[:, 0]))
    before = jnp.cumsum(weights, axis=1) - weights
    nucleus = (top_p[:, None] >= 1) | (before < top_p[:, None] * whole[:, None])
    return inside & (nucleus | (place == 0))


def _most_likely(logits: Float[Array, "B V"]) -> Int[Array, " B"]:
    """`argmax` of each row. The block first: XLA's own reads a row twenty times slower on CPU."""
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


def _log_total(logits: Float[Array, "B V"], scale: Float[Array, " B"]) -> Float[Array, " B"]:
    greatest = logits.max(1)
    weights = jnp.exp((logits - greatest[:, None]) * scale[:, None])
    return jnp.log(weights.sum(1)) + greatest * scale


def _candidates(logits: Float[Array, "B V"]) -> tuple[Float[Array, "B C"], Int[Array, "B C"]]:
    """The values and ids of `TopCandidates`."""
    size = logits.shape[1]
    if size <= 4 * CANDIDATES * _BLOCK:
        values, ids = jax.lax.top_k(logits, min(CANDIDATES, size))
    else:
        # Fewer than C blocks have a token that is likelier than the last candidate, so that
        # all such tokens are in the C blocks of greatest maximum.
        blocks = _blocks(logits)
        _, chosen = jax.lax.top_k(blocks.max(-1), CANDIDATES)
        inside = jnp.take_along_axis(blocks, chosen[:, :, None], axis=1)
        values, places = jax.lax.top_k(inside.reshape(logits.shape[0], -1), CANDIDATES)
        block = jnp.take_along_axis(chosen, places // _BLOCK, axis=1)
        ids = block * _BLOCK + places % _BLOCK
    # `top_k` leaves equal values in any order on some devices.
    falling, ids = jax.lax.sort((-values, ids), dimension=1, num_keys=2)
    return -falling, ids


def _draw_from_candidates(
    found: TopCandidates, uniforms: Array, scale: Array, top_p: Array, top_k: Array
) -> tuple[Int[Array, " B"], Bool[Array, " B"]]:
    """The draw of each row, and whether the candidates surely held all that is kept there."""
    ranked = found.values * scale[:, None]
    inside = top_k_top_p_mask(ranked, found.logsumexp, top_p, top_k)
    least = jnp.where(inside, found.values, jnp.inf).min(1)
    sure = (least > found.values[:, -1]) & (top_k <= found.values.shape[1])
    place = _point(ranked, inside, uniforms)
    return jnp.take_along_axis(found.ids, place[:, None], axis=1)[:, 0], sure


def _draw_from_sorted(
    logits: Float[Array, " V"], uniform: Array, scale: Array, top_p: Array, top_k: Array
) -> Int[Array, ""]:
    """The draw of one row, all of whose tokens are ranked."""
    order = jnp.argsort(-logits, stable=True)
    ranked = logits[order][None] * scale
    total = _log_total(logits[None], scale[None])
    inside = top_k_top_p_mask(ranked, total, top_p[None], top_k[None])
    return order[_point(ranked, inside, uniform[None])[0]]


def _point(
    ranked: Float[Array, "B C"], inside: Bool[Array, "B C"], uniforms: Float[Array, " B"]
) -> Int[Array, " B"]:
    """Which of the tokens that are `inside` the uniform number points at."""
    weights = jnp.where(inside, jnp.exp(ranked - ranked[:, :1]), 0)
    return _fall(weights, uniforms * weights.sum(1))


def _fall(weights: Float[Array, "B C"], target: Float[Array, " B"]) -> Int[Array, " B"]:
    """The first place up to which the weights sum to more than `target`.

    Rounding may put the target at or above the sum: the last place with a weight is meant.
    """
    summed = jnp.cumsum(weights, axis=1)
    place = jnp.sum(summed <= target[:, None], axis=1)
    last = weights.shape[1] - 1 - jnp.argmax(weights[:, ::-1] > 0, axis=1)
    return jnp.minimum(place, last)


def _draw_from_all(logits: Array, uniforms: Array, scale: Array) -> Int[Array, " B"]:
    """Draws from whole rows, by id: first the block of tokens, then the token in it."""
    blocks = _blocks(logits)
    greatest = blocks.max((1, 2))
    weights = jnp.exp((blocks - greatest[:, None, None]) * scale[:, None, None])
    sums = weights.sum(-1)
    target = uniforms * sums.sum(1)
    block = _fall(sums, target)
    before = jnp.where(jnp.arange(sums.shape[1]) < block[:, None], sums, 0).sum(1)
    inside = jnp.take_along_axis(weights, block[:, None, None], axis=1)[:, 0]
    return block * _BLOCK + _fall(inside, target - before)
