"""Ranges of numeric settings, checked when a record is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from multiturn.core.errors import InputError

__all__ = ["Range", "check_ranges"]


@dataclass(frozen=True, slots=True)
class Range:
    """The values that a parameter may have; both bounds are included.

    Attributes:
        low: the least value.
        high: the greatest value; None where there is no limit.
        above: `low` itself is not allowed.
        low_means: what `low` switches on or off, for the message.

    Example:
        >>> str(Range(1, 64)), str(Range(0, 1, above=True)), str(Range(0, low_means="off"))
        ('1 to 64', 'above 0, up to 1', '0 (off) or more')
    """

    low: float
    high: float | None = None
    above: bool = False
    low_means: str = ""

    def __contains__(self, value: float) -> bool:
        # Each comparison is false for NaN.
        reached = value > self.low if self.above else value >= self.low
        return reached and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        low = f"{self.low} ({self.low_means})" if self.low_means else f"{self.low}"
        if self.above:
            return f"above {low}" if self.high is None else f"above {low}, up to {self.high}"
        return f"{low} or more" if self.high is None else f"{low} to {self.high}"


def check_ranges(record: object, ranges: Mapping[str, Range], *, what: str = "") -> None:
    """Check the attributes of `record` that `ranges` names and `record` has.

    An attribute that is None is not set, and passes.

    Args:
        record: usually a dataclass, in its `__post_init__`.
        ranges: by the name of the attribute.
        what: stands before the name in the message.

    Raises:
        InputError: a value is out of its range.
    """
    for name, allowed in ranges.items():
        value = getattr(record, name, None)
        if value is not None and value not in allowed:
            raise InputError(f"{what}{name} is out of range", got=value, allowed=str(allowed))
