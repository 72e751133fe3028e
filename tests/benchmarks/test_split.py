"""The parts of the own problems: fixed, balanced, and recorded."""

from __future__ import annotations

from collections import Counter

import pytest

from multiturn.benchmarks.problem_set import own_problems
from multiturn.benchmarks.runner.config import Selection
from multiturn.benchmarks.split import part_of
from multiturn.benchmarks.task import Item
from multiturn.core.errors import InputError

PROBLEMS = own_problems()


def differences_by(group) -> dict[object, int]:
    found: Counter[object] = Counter()
    for problem in PROBLEMS:
        found[group(problem)] += 1 if part_of(problem.id) == "dev" else -1
    return dict(found)


def test_the_parts_are_halves():
    assert sum(part_of(problem.id) == "dev" for problem in PROBLEMS) == 63
    assert len(PROBLEMS) == 124


@pytest.mark.parametrize(
    "group",
    [
        lambda problem: problem.category,
        lambda problem: problem.difficulty,
        lambda problem: (problem.category, problem.difficulty),
    ],
    ids=["category", "difficulty", "both"],
)
def test_the_parts_are_balanced(group):
    assert max(map(abs, differences_by(group).values())) <= 2


def test_the_parts_never_change():
    """Published figures name the part: a problem that changes sides would spoil them."""
    dev = "checkerboard_sums conveyor_rotation missing_page_numbers museum_map podium_with_ties"
    test = "balancing_index garden_fence longest_dry_spell paired_socks_by_size quarry_blocks"
    assert {part_of(name) for name in dev.split()} == {"dev"}
    assert {part_of(name) for name in test.split()} == {"test"}


def items() -> list[Item]:
    return [Item(id=f"{each.id}/0", problem=each.id) for each in PROBLEMS]


def test_a_selection_of_a_part():
    parts = {
        split: {item.problem for item in Selection(split=split).of(items())}
        for split in ("dev", "test", "all")
    }
    assert parts["dev"] | parts["test"] == parts["all"]
    assert not parts["dev"] & parts["test"]
    few = Selection(split="test", limit=3).of(items())
    assert len(few) == 3
    assert {part_of(item.problem) for item in few} == {"test"}


def test_a_problem_of_the_other_part_is_not_selected():
    name = next(each.id for each in PROBLEMS if part_of(each.id) == "test")
    with pytest.raises(InputError, match="of the part dev"):
        Selection(split="dev", problems=(name,)).of(items())
