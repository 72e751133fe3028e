"""Simulated runs with a known effect: intervals cover it as often as they say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("statsmodels", reason="the extra `report` is not installed")

from multiturn.report.statistics.clusters import Clusters, Interval, clustered_interval
from multiturn.report.statistics.contrasts import Conclusion, conclude, contrast, holm

pytestmark = pytest.mark.real

RUNS = 1000
PROBLEMS = [10, 30, 120]

Shape = tuple[float, float]

SHAPES: list[Shape] = [(0.3, 1.2), (0.5, 0.5), (1, 3)]
"""Rates of problems, as beta distributions: mostly unsolved, solved or not, hard."""


def simulated(draw: np.random.Generator, rates: np.ndarray, cases: np.ndarray) -> Clusters:
    return Clusters(draw.binomial(cases, rates).astype(float), cases.astype(float))


def share(covered: Callable[[np.random.Generator], bool], seed: int) -> float:
    draw = np.random.default_rng(seed)
    return 100 * sum(covered(draw) for _ in range(RUNS)) / RUNS


def covers(found: Interval, truth: float) -> bool:
    assert found.low is not None
    assert found.high is not None
    return found.low <= truth <= found.high


@pytest.mark.parametrize("problems", PROBLEMS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_intervals_of_rates_cover_the_rate(problems: int, shape: Shape) -> None:
    truth = shape[0] / sum(shape)

    def covered(draw: np.random.Generator) -> bool:
        cases = draw.integers(5, 9, problems)
        return covers(
            clustered_interval(simulated(draw, draw.beta(*shape, problems), cases)), truth
        )

    assert share(covered, seed=problems) == pytest.approx(95, abs=2)


@pytest.mark.parametrize("problems", PROBLEMS)
@pytest.mark.parametrize("effect", [0.0, 0.15], ids=["none", "some"])
def test_intervals_of_differences_cover_the_effect(problems: int, effect: float) -> None:
    truth = _mean_of_clipped(effect)

    def covered(draw: np.random.Generator) -> bool:
        cases = draw.integers(5, 9, problems)
        rates = draw.beta(1, 2, problems) * (1 - effect)
        moved = np.clip(draw.normal(effect, 0.1, problems), -rates, 1 - rates)
        cells = [simulated(draw, each, cases) for each in (rates + moved, rates)]
        return covers(contrast(cells, flips=9).interval, truth)

    assert share(covered, seed=problems + 1) == pytest.approx(95, abs=2)


def _mean_of_clipped(effect: float) -> float:
    """The effect in the population of problems: clipping moves it a little."""
    draw = np.random.default_rng(0)
    rates = draw.beta(1, 2, 200_000) * (1 - effect)
    return float(np.clip(draw.normal(effect, 0.1, 200_000), -rates, 1 - rates).mean())


@pytest.mark.parametrize("problems", PROBLEMS)
def test_runs_without_a_difference_are_called_tied_at_the_nominal_rate(problems: int) -> None:
    def tied(draw: np.random.Generator) -> bool:
        cases = draw.integers(5, 9, problems)
        rates = draw.beta(1, 2, problems)
        found = contrast([simulated(draw, rates, cases) for _ in range(2)], flips=9)
        return conclude(found, found.p_value) is Conclusion.TIED

    assert share(tied, seed=problems + 2) == pytest.approx(95, abs=2)


@pytest.mark.parametrize("problems", PROBLEMS)
def test_a_family_without_a_difference_is_called_tied_as_a_family(problems: int) -> None:
    def tied(draw: np.random.Generator) -> bool:
        cases = draw.integers(5, 9, problems)
        rates = draw.beta(1, 2, problems)
        arms = [simulated(draw, rates, cases) for _ in range(4)]
        found = [contrast([arms[0], other], flips=9) for other in arms[1:]]
        adjusted = holm([each.p_value for each in found])
        return all(
            conclude(each, p) is Conclusion.TIED for each, p in zip(found, adjusted, strict=True)
        )

    # Holm's correction is conservative where comparisons share an arm.
    assert 93 <= share(tied, seed=4) <= 98.5


@pytest.mark.parametrize(
    ("problems", "effect"), [(10, 0.226), (30, 0.124), (60, 0.0863), (120, 0.06)]
)
def test_a_detectable_difference_is_found_four_times_in_five(problems: int, effect: float) -> None:
    """The true difference is that which designs of this size promise to find."""
    promised = []

    def found(draw: np.random.Generator) -> bool:
        cases = draw.integers(5, 9, problems)
        rates = draw.beta(1, 2, problems) * (1 - effect)
        cells = [simulated(draw, rates + effect, cases), simulated(draw, rates, cases)]
        result = contrast(cells, flips=9)
        promised.append(result.detectable)
        return conclude(result, result.p_value) is Conclusion.BETTER

    assert share(found, seed=0) == pytest.approx(80, abs=4)
    assert float(np.median(np.array(promised, float))) == pytest.approx(effect, rel=0.02)
