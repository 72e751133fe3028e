"""pass@k, and pass rates by properties of problems.

A figure that the samples do not determine is None, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from multiturn.benchmarks.task import Item
from multiturn.core.errors import InputError

__all__ = [
    "BY",
    "BestTemperature",
    "Count",
    "ScoredSample",
    "best_temperatures",
    "counts",
    "mean_pass_at_k",
    "measured_difficulty",
    "pass_at_k",
    "pass_rates",
]

EASY, HARD = 0.7, 0.3
"""The paper's classes: problems with a higher pass rate are easy, with a lower one hard."""

_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True)
class ScoredSample:
    """One judged sample."""

    item: Item
    passed: bool


@dataclass(frozen=True, slots=True)
class Count:
    """A number of samples, and how many of them passed."""

    samples: int
    passed: int

    def __post_init__(self) -> None:
        if not 0 <= self.passed <= self.samples:
            raise InputError(
                "more samples passed than there are", got=f"{self.passed} of {self.samples}"
            )

    @property
    def rate(self) -> float | None:
        """The share that passed; None without samples."""
        return self.passed / self.samples if self.samples else None


@dataclass(frozen=True, slots=True)
class BestTemperature:
    """The temperature with the highest pass@k, and that figure."""

    temperature: float
    value: float


def pass_at_k(samples: int, passed: int, k: int) -> float | None:
    r"""The unbiased estimate of the probability that one of `k` samples passes.

    .. math:: 1 - \binom{n-c}{k} / \binom{n}{k} = 1 - \prod_{i=n-c+1}^{n} (1 - k/i)

    Args:
        samples: how many were drawn, n.
        passed: how many of them passed, c.
        k: how many may be tried.

    Returns:
        The estimate; None for fewer than `k` samples.

    Raises:
        InputError: the numbers are inconsistent.

    References:
        Chen et al., "Evaluating Large Language Models Trained on Code", arXiv 2107.03374.

    Example:
        >>> pass_at_k(4, 2, 1), round(pass_at_k(4, 2, 2), 6), pass_at_k(4, 2, 5)
        (0.5, 0.833333, None)
    """
    if k < 1:
        raise InputError("k is out of range", got=k, allowed="1 or more")
    if not 0 <= passed <= samples:
        raise InputError("more samples passed than there are", got=f"{passed} of {samples}")
    if samples < k:
        return None
    failed = samples - passed
    if failed < k:
        return 1.0
    # As a product of ratios: the binomials themselves overflow every float.
    return 1.0 - math.prod(1.0 - k / i for i in range(failed + 1, samples + 1))


def mean_pass_at_k(found: Iterable[Count], k: int) -> float | None:
    """The mean of pass@k over items.

    Args:
        found: samples and passes of each item.
        k: see `pass_at_k`.

    Returns:
        The mean, or None if it is undefined for any item: leaving it out would be another
        benchmark.

    Raises:
        InputError: k is out of range.
    """
    values = [pass_at_k(count.samples, count.passed, k) for count in found]
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known and len(known) == len(values) else None


def counts(scored: Iterable[ScoredSample], by: Callable[[Item], _Key]) -> dict[_Key, Count]:
    """Samples and passes grouped by a property of items, in order of first appearance."""
    totals: dict[_Key, list[int]] = {}
    for sample in scored:
        total = totals.setdefault(by(sample.item), [0, 0])
        total[0] += 1
        total[1] += sample.passed
    return {key: Count(*total) for key, total in totals.items()}


BY: Mapping[str, Callable[[Item], object]] = {
    "problem": lambda item: item.problem,
    "category": lambda item: item.category,
    "turns": lambda item: item.turns,
    "difficulty": lambda item: item.difficulty,
    "turn": lambda item: item.turn,
}
"""The groupings of pass rates. A key is None for items without the property."""


def pass_rates(scored: Sequence[ScoredSample]) -> dict[str, dict[object, Count]]:
    """Samples and passes by each grouping of `BY` that some item has."""
    tables = {name: counts(scored, by) for name, by in BY.items()}
    return {name: table for name, table in tables.items() if any(key is not None for key in table)}


def measured_difficulty(rates: Iterable[float]) -> Literal["easy", "medium", "hard"] | None:
    """The paper's class of a problem, by its mean pass rate over models; None without any.

    Example:
        >>> measured_difficulty([0.9, 0.8]), measured_difficulty([0.7]), measured_difficulty([0.1])
        ('easy', 'medium', 'hard')
    """
    values = list(rates)
    if not values:
        return None
    mean = math.fsum(values) / len(values)
    return "easy" if mean > EASY else "hard" if mean < HARD else "medium"


def best_temperatures(
    found: Mapping[float, Iterable[Count]], ks: Iterable[int]
) -> dict[int, BestTemperature | None]:
    """For each k the temperature with the highest mean pass@k, as the paper reports it.

    The choice is made on the problems themselves, so the figure is the best of several attempts,
    not what a temperature fixed in advance would give. Ties go to the lowest temperature.

    Args:
        found: the samples and passes of every item, by temperature.
        ks: the values of k.

    Returns:
        The best for each k; None if pass@k is undefined at every temperature.
    """
    by_temperature = {temperature: list(items) for temperature, items in sorted(found.items())}
    best: dict[int, BestTemperature | None] = {}
    for k in ks:
        known = [
            BestTemperature(temperature, value)
            for temperature, items in by_temperature.items()
            if (value := mean_pass_at_k(items, k)) is not None
        ]
        best[k] = max(known, key=lambda each: each.value, default=None)
    return best
