"""pass@k against counting all ways to draw, and the tables made of counts."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiturn.benchmarks.metrics import (
    BestTemperature,
    Count,
    ScoredSample,
    best_temperatures,
    counts,
    mean_pass_at_k,
    measured_difficulty,
    pass_at_k,
    pass_rates,
)
from multiturn.benchmarks.task import Item
from multiturn.core.errors import InputError

drawn = st.integers(0, 9).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


@given(drawn, st.integers(1, 10))
def test_is_the_share_of_draws_that_hold_a_pass(counted: tuple[int, int], k: int) -> None:
    samples, passed = counted
    outcomes = [True] * passed + [False] * (samples - passed)
    draws = [any(draw) for draw in itertools.combinations(outcomes, k)]
    value = pass_at_k(samples, passed, k)
    if not draws:
        assert value is None
    else:
        assert value == pytest.approx(sum(draws) / len(draws), abs=1e-12)


@pytest.mark.parametrize(
    ("samples", "passed", "k"), [(200, 3, 100), (5000, 7, 1000), (10**5, 1, 7)]
)
def test_is_exact_where_binomials_overflow(samples: int, passed: int, k: int) -> None:
    ways = Fraction(math.comb(samples - passed, k), math.comb(samples, k))
    assert pass_at_k(samples, passed, k) == pytest.approx(float(1 - ways), rel=1e-9)


@given(drawn)
def test_pass_at_1_is_the_pass_rate_and_more_tries_never_hurt(counted: tuple[int, int]) -> None:
    samples, passed = counted
    values = [pass_at_k(samples, passed, k) for k in range(1, samples + 1)]
    assert all(value is not None for value in values)
    if values:
        assert values[0] == pytest.approx(passed / samples)
        assert values == sorted(values)
        assert values[-1] == float(passed > 0)


@pytest.mark.parametrize(("samples", "passed", "k"), [(1, 2, 1), (3, -1, 1), (3, 1, 0), (-1, 0, 1)])
def test_numbers_that_make_no_sense_are_refused(samples: int, passed: int, k: int) -> None:
    with pytest.raises(InputError):
        pass_at_k(samples, passed, k)


def test_a_mean_is_undefined_where_one_item_has_too_few_samples() -> None:
    assert mean_pass_at_k([Count(2, 1), Count(2, 2)], 2) == 1.0
    assert mean_pass_at_k([Count(2, 1), Count(1, 1)], 2) is None
    assert mean_pass_at_k([], 1) is None
    assert Count(0, 0).rate is None


def item(problem: str, case: int, turns: int, category: str | None = "array") -> Item:
    return Item(id=f"{problem}/{case}", problem=problem, case=case, category=category, turns=turns)


SCORED = (
    ScoredSample(item("a", 0, 3), True),
    ScoredSample(item("a", 1, 3), False),
    ScoredSample(item("b", 0, 4, "math"), True),
)


def test_pass_rates_by_what_items_have() -> None:
    assert pass_rates(SCORED) == {
        "problem": {"a": Count(2, 1), "b": Count(1, 1)},
        "category": {"array": Count(2, 1), "math": Count(1, 1)},
        "turns": {3: Count(2, 1), 4: Count(1, 1)},
    }
    assert pass_rates(()) == {}


@given(st.lists(st.sampled_from(SCORED)))
def test_every_table_counts_every_sample_once(scored: list[ScoredSample]) -> None:
    for table in pass_rates(scored).values():
        assert sum(count.samples for count in table.values()) == len(scored)
        assert sum(count.passed for count in table.values()) == sum(s.passed for s in scored)
    by_case = counts(scored, lambda each: each.id)
    assert set(by_case) == {sample.item.id for sample in scored}


@pytest.mark.parametrize(
    ("rates", "difficulty"),
    [([0.71], "easy"), ([0.7], "medium"), ([0.3], "medium"), ([0.29], "hard"), ([], None),
     ([1.0, 0.0], "medium")],
)  # fmt: skip
def test_measured_difficulty_has_the_papers_bounds(rates: list[float], difficulty: str) -> None:
    assert measured_difficulty(rates) == difficulty


def test_best_temperature_depends_on_k() -> None:
    cold = [Count(4, 4), Count(4, 0)]  # one always, one never
    warm = [Count(4, 1), Count(4, 1)]  # each now and then
    best = best_temperatures({0.8: warm, 0.2: cold}, [1, 4, 5])
    assert best == {1: BestTemperature(0.2, 0.5), 4: BestTemperature(0.8, 1.0), 5: None}


def test_of_equal_temperatures_the_lowest_counts() -> None:
    assert best_temperatures({0.8: [Count(1, 1)], 0.2: [Count(1, 1)]}, [1]) == {
        1: BestTemperature(0.2, 1.0)
    }


def test_a_temperature_with_too_few_samples_is_passed_over() -> None:
    found = {0.2: [Count(1, 1)], 0.8: [Count(2, 1)]}
    assert best_temperatures(found, [2]) == {2: BestTemperature(0.8, 1.0)}
