"""Statistics of the report: cases with known answers."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multiturn.benchmarks.metrics import pass_at_k
from multiturn.core.errors import InputError

pytest.importorskip("statsmodels", reason="the extra `report` is not installed")

from multiturn.report.statistics.clusters import (
    Clusters,
    Interval,
    cluster_totals,
    clustered_interval,
)
from multiturn.report.statistics.contrasts import (
    Conclusion,
    conclude,
    contrast,
    holm,
    mcnemar,
    sign_flip_test,
    welch,
)
from multiturn.report.statistics.pass_at_k import pass_at_k_interval, pass_at_k_of_items
from multiturn.report.statistics.power import detectable_difference, problems_needed, spread_of
from multiturn.report.statistics.resampling import bootstrap_interval


def clusters(sums: Any, counts: Any) -> Clusters:
    return Clusters(np.asarray(sums, float), np.asarray(counts, float))


def ends(found: Interval) -> tuple[float, float]:
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


def test_one_sample_for_each_problem_is_wilsons_interval_with_t() -> None:
    # 15 of 50: statsmodels' Wilson interval with z is (0.191, 0.438); t and n - 1 widen it.
    found = clustered_interval(clusters([1] * 15 + [0] * 35, [1] * 50))
    assert found.estimate == 0.3
    low, high = ends(found)
    assert 0.180 < low < 0.191
    assert 0.438 < high < 0.450


def test_samples_of_a_problem_that_all_agree_are_no_more_than_one() -> None:
    once = clustered_interval(clusters([1] * 15 + [0] * 35, [1] * 50))
    often = clustered_interval(clusters([20] * 15 + [0] * 35, [20] * 50))
    assert ends(often) == pytest.approx(ends(once))


def test_independent_samples_of_a_problem_do_narrow_the_interval() -> None:
    draw = np.random.default_rng(0)
    few = clustered_interval(clusters(draw.binomial(1, 0.4, 60), [1] * 60))
    many = clustered_interval(clusters(draw.binomial(20, 0.4, 60), [20] * 60))
    assert np.subtract(*ends(many)[::-1]) < 0.5 * np.subtract(*ends(few)[::-1])


def test_none_passed_is_the_rule_of_three() -> None:
    found = clustered_interval(clusters([0] * 100, [7] * 100))
    assert ends(found) == pytest.approx((0, 1 - 0.025 ** (1 / 100)))  # 3.6 %, not 0.5 %
    assert "Clopper" in found.method


def test_all_passed_mirrors_none_passed() -> None:
    low, high = ends(clustered_interval(clusters([7] * 100, [7] * 100)))
    assert (1 - low, high) == pytest.approx((1 - 0.025 ** (1 / 100), 1))


def test_no_sample_has_no_rate() -> None:
    assert clustered_interval(clusters([0, 0], [0, 0])) == Interval(None, method="no samples")


@pytest.mark.parametrize("passed", [0, 1])
def test_one_sample_has_a_rate_without_an_interval(passed: int) -> None:
    found = clustered_interval(clusters([passed, 0], [1, 0]))
    assert (found.estimate, found.low, found.high) == (passed, None, None)


def test_equal_rates_of_all_problems_claim_no_certainty() -> None:
    low, high = ends(clustered_interval(clusters([1] * 10, [2] * 10)))
    assert high - low > 0.3


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12),
)
def test_an_interval_holds_its_estimate_and_lies_in_0_to_1(pairs: list[tuple[int, int]]) -> None:
    sums = [min(pair) for pair in pairs]
    counts = [max(pair) for pair in pairs]
    found = clustered_interval(clusters(sums, counts))
    if found.low is not None and found.high is not None and found.estimate is not None:
        assert 0 <= found.low <= found.estimate + 1e-12
        assert found.estimate - 1e-12 <= found.high <= 1


def test_more_confidence_is_wider() -> None:
    data = clusters([1, 0, 2, 3], [3] * 4)
    narrow, wide = (ends(clustered_interval(data, confidence=c)) for c in (0.8, 0.99))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


@pytest.mark.parametrize("confidence", [0, 1, 95])
def test_a_confidence_that_is_no_share_is_refused(confidence: float) -> None:
    with pytest.raises(InputError, match="confidence"):
        clustered_interval(clusters([1], [1]), confidence=confidence)


@pytest.mark.parametrize(("sums", "counts"), [([2], [1]), ([-1], [1]), ([1, 0], [1])])
def test_sums_that_cannot_be_are_refused(sums: list[int], counts: list[int]) -> None:
    with pytest.raises(InputError):
        clusters(sums, counts)


def test_totals_count_by_problem() -> None:
    found = cluster_totals(np.array([2, 0, 2]), np.array([1, 1, 0]), 4)
    assert found.sums.tolist() == [1, 0, 1, 0]
    assert found.counts.tolist() == [1, 0, 2, 0]
    assert (found.samples, found.problems) == (3, 2)


def test_the_interval_of_a_difference_is_the_paired_t_interval() -> None:
    # Equal counts: the cluster-robust interval is scipy's ttest_rel on the rates.
    from scipy import stats

    ours, theirs = np.array([3, 2, 3, 1, 2]) / 3, np.array([1, 1, 2, 0, 2]) / 3
    expected = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
    found = contrast([clusters(ours * 3, [3] * 5), clusters(theirs * 3, [3] * 5)])
    assert ends(found.interval) == pytest.approx((expected.low, expected.high))
    assert found.p_value == pytest.approx(stats.ttest_rel(ours, theirs).pvalue)


def test_only_problems_of_both_sides_are_compared() -> None:
    ours = clusters([1, 1, 0, 1], [1, 1, 1, 1])
    theirs = clusters([0, 1, 0, 0], [1, 1, 1, 0])
    found = contrast([ours, theirs])
    assert found.problems == 3
    assert found.interval.estimate == pytest.approx(1 / 3)


def test_nothing_in_common_is_no_result() -> None:
    found = contrast([clusters([1, 0], [1, 0]), clusters([0, 1], [0, 1])])
    assert found.interval.estimate is None
    assert conclude(found, found.p_value) is Conclusion.UNDECIDED


def test_equal_results_are_tied() -> None:
    same = clusters([1, 0, 1, 0], [1] * 4)
    found = contrast([same, same])
    assert (found.p_value, found.p_permutation, found.p_sign) == (1.0, 1.0, 1.0)
    assert found.interval.estimate == 0
    assert conclude(found, found.p_value) is Conclusion.TIED


def test_words_of_a_clear_difference() -> None:
    good, bad = clusters([1] * 12, [1] * 12), clusters([0] * 12, [1] * 12)
    better, worse = contrast([good, bad]), contrast([bad, good])
    assert conclude(better, better.p_value) is Conclusion.BETTER
    assert conclude(worse, worse.p_value) is Conclusion.WORSE


def test_a_difference_of_differences() -> None:
    cells = [clusters(sums, [2] * 3) for sums in ([2, 2, 1], [1, 1, 1], [1, 2, 0], [1, 1, 1])]
    found = contrast(cells, (1, -1, -1, 1))
    assert found.interval.estimate == pytest.approx((5 - 3 - 3 + 3) / 6)


def test_sign_flips_are_all_of_them_where_there_are_few() -> None:
    shares = np.array([0.5, -0.1, 0.3, 0.2, 0.4])
    sums = [abs(np.dot(s, shares)) for s in itertools.product((1, -1), repeat=5)]
    expected = np.mean([each >= shares.sum() - 1e-9 for each in sums])
    assert sign_flip_test(shares) == expected
    assert sign_flip_test(-shares) == expected
    assert sign_flip_test(np.append(shares, [0, 0])) == expected


def test_sign_flips_are_like_scipys_where_there_are_many() -> None:
    from scipy import stats

    draw = np.random.default_rng(0)
    shares = draw.normal(0.25, 1, 40)
    expected = stats.permutation_test(
        (shares, np.zeros(40)), lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples", n_resamples=9_999, rng=1,
    ).pvalue  # fmt: skip
    assert sign_flip_test(shares) == pytest.approx(expected, abs=0.02)
    assert sign_flip_test(shares) == sign_flip_test(shares)


@pytest.mark.parametrize(
    ("first", "second", "p"), [(0, 0, 1.0), (5, 5, 1.0), (0, 6, 2 / 64), (1, 9, 22 / 1024)]
)
def test_mcnemar_is_the_binomial_test_of_the_discordant(first: int, second: int, p: float) -> None:
    assert mcnemar(first, second) == pytest.approx(p)


def test_the_sign_test_is_mcnemars_for_single_samples() -> None:
    ours, theirs = clusters([1] * 9 + [0] * 3, [1] * 12), clusters([0] * 9 + [1] * 3, [1] * 12)
    assert contrast([ours, theirs]).p_sign == pytest.approx(mcnemar(9, 3))


def test_welch_is_that_of_a_textbook() -> None:
    # Welch's test on the data of R's `t.test(extra ~ group, sleep)`: p = 0.07939.
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    assert welch(first, second) == pytest.approx(0.07939, abs=5e-6)


def test_holm_is_that_of_r() -> None:
    # As R computes it with its function p.adjust.
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    assert holm([None, None]) == [None, None]
    assert holm([0.04]) == [0.04]


@settings(max_examples=20)  # each collects garbage in statsmodels
@given(st.lists(st.none() | st.floats(0, 1), max_size=12))
def test_holm_is_that_of_statsmodels(values: list[float | None]) -> None:
    from statsmodels.stats.multitest import multipletests

    known = [p for p in values if p is not None]
    expected = iter(multipletests(known, method="holm")[1] if known else ())
    wanted = [None if p is None else pytest.approx(float(next(expected))) for p in values]
    assert holm(values) == wanted


def test_a_comparison_collects_no_garbage(monkeypatch: pytest.MonkeyPatch) -> None:
    """statsmodels does so for each family: 80 milliseconds in a process with a report's modules."""
    collected: list[int] = []
    monkeypatch.setattr("gc.collect", lambda generation=2: collected.append(generation))
    found = contrast([clusters([3, 2, 3], [3] * 3), clusters([1, 1, 3], [3] * 3)])
    holm([found.p_value, 0.3])
    assert collected == []


def test_power_is_that_of_r() -> None:
    # R: power.t.test(delta = 0.5, power = 0.8, type = "paired")$n is 33.37.
    assert problems_needed(1, 0.5) == 34
    # R: power.t.test(n = 20, power = 0.8, type = "paired")$delta is 0.6604.
    assert detectable_difference(1, 20) == pytest.approx(0.6604, abs=5e-4)


def test_power_without_a_question() -> None:
    assert problems_needed(0.3, 0) is None
    assert problems_needed(0, 0.1) == 2
    assert problems_needed(0.001, 0.9) == 2
    with pytest.raises(InputError):
        detectable_difference(0.3, 1)


def test_the_detectable_difference_of_a_comparison_is_that_of_the_design() -> None:
    draw = np.random.default_rng(2)
    cells = [clusters(draw.binomial(4, p, 80), [4] * 80) for p in (0.5, 0.4)]
    found = contrast(cells)
    spread = spread_of(found)
    assert spread is not None
    assert found.detectable == pytest.approx(detectable_difference(spread, 80), rel=0.02)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1), st.integers(1, 40))
def test_pass_at_k_of_items_is_that_of_the_benchmarks(pairs: list[tuple[int, int]], k: int) -> None:
    samples = np.array([max(pair) for pair in pairs])
    passed = np.array([min(pair) for pair in pairs])
    found = pass_at_k_of_items(samples, passed, k)
    for each, n, c in zip(found, samples, passed, strict=True):
        known = pass_at_k(int(n), int(c), k)
        assert math.isnan(each) if known is None else each == pytest.approx(known, abs=1e-9)


def test_pass_at_1_is_the_pass_rate_of_equally_often_sampled_items() -> None:
    problems, passed = np.array([0, 0, 1, 2]), np.array([3, 1, 0, 2])
    at_1 = pass_at_k_interval(problems, np.full(4, 4), passed, 1, number=3)
    rate = clustered_interval(clusters([4, 0, 2], [8, 4, 4]))
    assert at_1.estimate == pytest.approx(rate.estimate)


def test_pass_at_k_of_too_few_samples_is_undefined() -> None:
    found = pass_at_k_interval(np.array([0, 1]), np.array([5, 4]), np.array([1, 1]), 5, number=2)
    assert (found.estimate, found.low) == (None, None)


def test_a_large_k_does_not_overflow() -> None:
    found = pass_at_k_of_items(np.array([100_000]), np.array([50]), 1000)
    assert 0.39 < found[0] < 0.41


def test_the_bootstrap_is_seeded_and_close_to_the_clustered_interval() -> None:
    draw = np.random.default_rng(3)
    data = clusters(draw.binomial(6, draw.beta(1, 2, 120)), [6] * 120)
    first = bootstrap_interval([data], [1], seed=5)
    assert first == bootstrap_interval([data], [1], seed=5)
    assert ends(first) == pytest.approx(ends(clustered_interval(data)), abs=0.01)


def test_the_bootstrap_of_a_difference_is_paired() -> None:
    draw = np.random.default_rng(3)
    hard = draw.beta(0.3, 0.3, 60)
    ours, theirs = (clusters(draw.binomial(20, hard), [20] * 60) for _ in range(2))
    low, high = ends(bootstrap_interval([ours, theirs], [1, -1]))
    assert high - low < 0.1  # unpaired it would be about 0.3
    assert bootstrap_interval([ours], [1]).low == pytest.approx(
        clustered_interval(ours).low, abs=0.03
    )


@pytest.mark.parametrize("problems", [2, 3, 10, 20, 120, 5000])
def test_power_is_one_number_for_every_size(problems: int) -> None:
    """statsmodels gives a number or an array, by how it found the solution."""
    found = detectable_difference(0.3, problems)
    assert isinstance(found, float)
    needed = problems_needed(0.3, found)
    assert needed is not None
    assert abs(needed - problems) <= 1 + problems // 500
