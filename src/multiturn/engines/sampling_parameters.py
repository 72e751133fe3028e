"""The ranges of the sampling parameters: temperature, top-p (nucleus), top-k and the others.

Engines, sessions, benchmarks and the command line check their values against these tables, and
the options of the command line are described from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from multiturn.core.errors import InputError
from multiturn.core.ranges import Range, check_ranges

__all__ = [
    "BENCHMARK_RANGES",
    "SAMPLING_RANGES",
    "SESSION_RANGES",
    "SESSION_SEEDS",
    "check_logit_bias",
    "check_sampling",
]

SAMPLING_RANGES: Mapping[str, Range] = {
    "n": Range(1),
    "temperature": Range(0, 10),
    "first_temperature": Range(0, 10),
    "other_temperature": Range(0, 10),
    "top_p": Range(0, 1, above=True),
    "top_k": Range(0, low_means="off"),
    "max_tokens": Range(1),
    "seed": Range(0, 2**31 - 1),
    "top_logprobs": Range(0, 1000, low_means="off"),
}
"""For a request to an engine."""

SESSION_SEEDS = 2**30
"""Seeds of sessions are below: an engine adds the index of a candidate and needs 31 bits."""

SESSION_RANGES: Mapping[str, Range] = {
    **SAMPLING_RANGES,
    "n": Range(1, 64),
    "seed": Range(0, SESSION_SEEDS - 1),
}

BENCHMARK_RANGES: Mapping[str, Range] = {**SAMPLING_RANGES, "n": Range(1, 100_000)}


def check_sampling(record: object, ranges: Mapping[str, Range] = SAMPLING_RANGES) -> None:
    """Check those attributes of `record` that are sampling parameters.

    Raises:
        InputError: a value is out of its range.
    """
    check_ranges(record, ranges)


_LOGIT_BIASES = Range(-100, 100)


def check_logit_bias(pairs: Iterable[tuple[int, float]]) -> None:
    """Check the values that are added to logits.

    Raises:
        InputError: one is out of its range.
    """
    for token, value in pairs:
        if value not in _LOGIT_BIASES:
            raise InputError(
                f"the logit bias of token {token} is out of range",
                got=value,
                allowed=str(_LOGIT_BIASES),
            )
