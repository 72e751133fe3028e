"""Comparisons of arms on records with known answers."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("statsmodels", reason="the extra `report` is not installed")

from multiturn.report.analysis.arms import (
    POOLED,
    ArmComparison,
    compare_arms,
    compare_arms_by_group,
    gold_prefix_figures,
    stop_rule_effects,
)
from multiturn.report.pages.sections.arms import sentence_of
from multiturn.report.records.read import read_records
from multiturn.report.statistics.contrasts import Conclusion
from tests.report.make_runs import sample, write_run

ROOT = Path(__file__).parents[2]


def runs(place: Path, share: dict[str, int], problems: int = 20, **changes: object) -> None:
    """A run for each arm, of which so many problems pass."""
    for arm, passed in share.items():
        lines = [
            sample(f"p{n}", case, passed=n < passed) for n in range(problems) for case in range(2)
        ]
        name = "-".join([arm, *map(str, changes.values())]).replace("/", "")
        write_run(place / f"{abs(hash(name))}", lines, arm=arm, **changes)  # type: ignore[arg-type]


def by_arms(found: list[ArmComparison], model: str = "small-1b") -> dict[str, ArmComparison]:
    return {f"{each.first} {each.second}": each for each in found if each.model == model}


def test_every_pair_is_compared_and_turns_come_first(tmp_path: Path) -> None:
    runs(tmp_path, {"turns": 12, "concat": 2, "listed": 11, "feedback": 12})
    found = compare_arms(read_records([tmp_path]))
    assert len(found) == 6
    pairs = by_arms(found)
    assert pairs["turns concat"].conclusion is Conclusion.BETTER
    assert pairs["turns concat"].found.interval.estimate == pytest.approx(0.5)
    assert pairs["turns listed"].conclusion is Conclusion.TIED
    assert pairs["turns feedback"].conclusion is Conclusion.TIED
    assert found[0].first == "turns"
    assert not pairs["turns feedback"].same_information


def test_a_tie_says_what_would_have_been_found(tmp_path: Path) -> None:
    runs(tmp_path, {"turns": 12, "concat": 11})
    (found,) = compare_arms(read_records([tmp_path]))
    assert "are tied" in sentence_of(found)
    assert "would have been found four times in five" in sentence_of(found)


def test_only_items_of_both_arms_are_compared(tmp_path: Path) -> None:
    write_run(tmp_path / "a", [sample(f"p{n}", passed=n < 3) for n in range(6)])
    write_run(tmp_path / "b", [sample(f"p{n}", passed=True) for n in range(3)], arm="concat")
    (found,) = compare_arms(read_records([tmp_path]))
    assert found.found.problems == 3
    assert found.found.interval.estimate == 0
    assert found.samples == 6


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "other"}, {"problems_sha256": "1" * 64}, {"sampling": {"temperature": 0.8}},
        {"settings": {"truncation": "parse"}}, {"settings": {"budget": 100}},
    ],
    ids=lambda changes: next(iter(changes)),
)  # fmt: skip
def test_runs_under_other_conditions_are_not_compared(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    runs(tmp_path, {"turns": 5})
    runs(tmp_path, {"concat": 5}, **changes)
    assert compare_arms(read_records([tmp_path])) == []


def test_a_single_answer_is_the_same_under_parse_and_next_prompt(tmp_path: Path) -> None:
    runs(tmp_path, {"turns": 9}, settings={"truncation": "asked"})
    runs(tmp_path, {"concat": 2, "listed": 3}, settings={"truncation": "fair"})
    found = compare_arms(read_records([tmp_path]))
    assert {(each.first, each.second, each.truncation) for each in found} == {
        ("turns", "concat", "next_prompt"),
        ("listed", "concat", "parse"),
    }


def test_several_models_are_pooled(tmp_path: Path) -> None:
    runs(tmp_path, {"turns": 9, "concat": 3})
    runs(tmp_path, {"turns": 15, "concat": 5}, model="large-7b")
    pooled = by_arms(compare_arms(read_records([tmp_path])), POOLED)["turns concat"]
    assert pooled.found.interval.estimate == pytest.approx((6 + 10) / 40)
    assert pooled.found.problems == 20
    assert pooled.samples == 160


def test_models_that_pass_nothing_are_not_pooled(tmp_path: Path) -> None:
    runs(tmp_path, {"turns": 9, "concat": 3})
    runs(tmp_path, {"turns": 0, "concat": 0}, model="tiny-1m")
    assert by_arms(compare_arms(read_records([tmp_path])), POOLED) == {}
    runs(tmp_path, {"turns": 0, "concat": 4}, model="large-7b")
    pooled = by_arms(compare_arms(read_records([tmp_path])), POOLED)["turns concat"]
    assert pooled.models == ("large-7b", "small-1b")
    assert pooled.found.interval.estimate == pytest.approx((6 - 4) / 40)


def test_models_without_room_for_a_difference_are_not_pooled(tmp_path: Path) -> None:
    runs(tmp_path, {"turns": 50, "concat": 30}, 100)
    runs(tmp_path, {"turns": 1, "concat": 0}, 100, model="tiny-1m")
    runs(tmp_path, {"turns": 99, "concat": 100}, 100, model="huge-70b")
    assert by_arms(compare_arms(read_records([tmp_path])), POOLED) == {}
    runs(tmp_path, {"turns": 2, "concat": 0}, 100, model="small-2m")
    runs(tmp_path, {"turns": 98, "concat": 100}, 100, model="large-60b")
    pooled = by_arms(compare_arms(read_records([tmp_path])), POOLED)["turns concat"]
    assert pooled.models == ("large-60b", "small-1b", "small-2m")


def test_what_is_said_of_a_model_does_not_depend_on_the_others(tmp_path: Path) -> None:
    runs(tmp_path, {"turns": 9, "concat": 3, "listed": 4})
    alone = by_arms(compare_arms(read_records([tmp_path])))
    for number in range(5):
        runs(tmp_path, {"turns": 9, "concat": 8, "listed": 8}, model=f"other-{number}b")
    assert by_arms(compare_arms(read_records([tmp_path]))) == alone
    # The two comparisons of turns are a family: Holm doubles the smaller p-value.
    first = alone["turns concat"]
    assert first.found.p_value is not None
    assert first.p_adjusted == pytest.approx(2 * first.found.p_value)


def test_each_model_counts_the_same(tmp_path: Path) -> None:
    """One has nine times the samples of the other."""
    for model, samples, shares in (("a-1b", 9, (12, 10)), ("b-7b", 1, (18, 4))):
        for arm, passed in zip(("turns", "concat"), shares, strict=True):
            lines = [
                sample(f"p{n}", number=each, passed=n < passed)
                for n in range(20)
                for each in range(samples)
            ]
            write_run(tmp_path / model / arm, lines, model=model, arm=arm)
    found = by_arms(compare_arms(read_records([tmp_path])), POOLED)["turns concat"]
    assert found.found.interval.estimate == pytest.approx((0.1 + 0.7) / 2)
    assert found.models == ("a-1b", "b-7b")
    assert found.found.problems == 20
    assert sentence_of(found).startswith("2 models together (a-1b, b-7b) on own")
    assert found.bootstrap is not None
    assert found.bootstrap.low is not None
    assert found.bootstrap.low < 0.4


def test_runs_with_other_seeds_are_one_arm_and_tested_by_welch(tmp_path: Path) -> None:
    for seed, (turns, concat) in enumerate([(10, 4), (11, 5), (12, 3)]):
        runs(tmp_path, {"turns": turns, "concat": concat}, sampling={"seed": seed})
    (found,) = compare_arms(read_records([tmp_path]))
    assert found.samples == 240
    assert found.p_welch is not None
    assert found.p_welch < 0.01


def test_budgets_match_where_they_are_the_same(tmp_path: Path) -> None:
    runs(tmp_path / "a", {"turns": 5, "concat": 5})
    (free,) = compare_arms(read_records([tmp_path / "a"]))
    assert free.same_budget
    runs(tmp_path / "b", {"turns": 5})
    runs(tmp_path / "b", {"concat": 5}, settings={"max_new_tokens": 320})
    (other,) = compare_arms(read_records([tmp_path / "b"]))
    assert not other.same_budget


def test_the_doing_of_the_stop_rule(tmp_path: Path) -> None:
    runs(tmp_path, {"turns": 14, "listed": 0}, settings={"truncation": "published"})
    runs(tmp_path, {"turns": 15, "listed": 12}, settings={"truncation": "next_prompt"})
    (found,) = stop_rule_effects(read_records([tmp_path]))
    assert found.differences == pytest.approx((0.7, 0.15))
    assert found.found.interval.estimate == pytest.approx(0.55)


def test_groups_are_compared_within(tmp_path: Path) -> None:
    for arm, passed in (("turns", 8), ("concat", 0)):
        lines = [
            sample(f"{level}{n}", passed=level == "easy" and n < passed, difficulty=level)
            for level in ("easy", "hard")
            for n in range(10)
        ]
        write_run(tmp_path / arm, lines, arm=arm)
    found = compare_arms_by_group(read_records([tmp_path]), ("difficulty",))
    words = {each.group: each.conclusion for each in found}
    assert words == {
        "difficulty: easy": Conclusion.BETTER,
        "difficulty: hard": Conclusion.UNDECIDED,
    }
    assert [each.group for each in found if each.nothing_passed] == ["difficulty: hard"]


def test_what_earlier_mistakes_cost(tmp_path: Path) -> None:
    """Each single turn passes in 2 of 3 problems, in all of them together."""
    single = [sample(f"p{n}", turn=turn, passed=n % 3 > 0) for n in range(12) for turn in range(3)]
    write_run(tmp_path / "g", single, arm="gold_prefix")
    write_run(tmp_path / "t", [sample(f"p{n}", passed=n % 3 == 1) for n in range(12)])
    (found,) = gold_prefix_figures(read_records([tmp_path]))
    assert found.single.estimate == pytest.approx(2 / 3)
    assert found.chained == pytest.approx(2 / 3)
    assert found.turns == pytest.approx(1 / 3)
    assert found.cost.interval.estimate == pytest.approx(1 / 3)
    assert compare_arms(read_records([tmp_path])) == []


def test_the_saved_runs_have_their_published_differences() -> None:
    """docs/results/multi-turn.md says so, from another implementation."""
    place = ROOT / "docs" / "results" / "multi-turn" / "own" / "qwen2.5-coder-0.5b"
    found = {
        (each.truncation, each.second): round(100 * (each.found.interval.estimate or 0), 1)
        for each in compare_arms(read_records([place]))
        if each.first == "turns"
    }
    assert found == {
        ("next_prompt", "concat"): 8.9, ("next_prompt", "listed"): 3.2,
        ("next_prompt", "prose"): 7.7, ("parse", "concat"): -3.6, ("parse", "listed"): -5.6,
        ("parse", "prose"): -4.8, ("published", "concat"): 11.7, ("published", "listed"): 14.1,
        ("published", "prose"): 11.3,
    }  # fmt: skip
