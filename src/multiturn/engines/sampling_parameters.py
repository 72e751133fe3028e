"""The ranges of the sampling parameters: temperature, top-p (nucleus), top-k and the others.

Engines, sessions, benchmarks and the command line check their values against this one table.
Some allow less than an engine does, and say so beside their own settings.
"""

from __future__ import annotations

from collections.abc import Mapping

from multiturn.core.ranges import Range, check_ranges

__all__ = ["SAMPLING_RANGES", "check_sampling"]

SAMPLING_RANGES: Mapping[str, Range] = {
    "n": Range(1),
    "temperature": Range(0, 10),
    "top_p": Range(0, 1, above=True),
    "top_k": Range(0, low_means="off"),
    "max_tokens": Range(1),
    "seed": Range(0, 2**31 - 1),
}
"""What an engine takes."""


def check_sampling(
    record: object, narrower: Mapping[str, Range] | None = None, *, what: str = ""
) -> None:
    """Check those attributes of `record` that are sampling parameters.

    Args:
        record: see `check_ranges`.
        narrower: ranges that take the place of the engine's, by name.
        what: see `check_ranges`.

    Raises:
        InputError: a value is out of its range.
    """
    check_ranges(record, {**SAMPLING_RANGES, **(narrower or {})}, what=what)
