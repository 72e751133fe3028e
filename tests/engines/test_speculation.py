"""Drafts from earlier text: what is drafted, and when it pays."""

from __future__ import annotations

import random

import pytest

from multiturn.engines.native.prompt_lookup import PromptLookup
from multiturn.engines.native.speculation import MAX_DRAFT, Acceptance, StepCost, draft_sizes

TEXT = list(range(40))


def ignore(_run: int, _correct: bool) -> None:
    """Watch nothing."""


def costs(per_token: float) -> StepCost:
    cost = StepCost()
    for tokens in (1, 2, 4, 8, 16, 32):
        for _ in range(3):
            cost.observe(tokens, 1 + per_token * (tokens - 1))
    return cost


def sizes(lookups: list[PromptLookup | None], acceptance: Acceptance, cost: StepCost) -> list[int]:
    return draft_sizes(lookups, [100] * len(lookups), acceptance, cost)


def test_what_followed_the_same_tokens_is_drafted() -> None:
    lookup = PromptLookup([*TEXT, 99, 10, 11, 12], ignore)
    assert lookup.draft(4) == [13, 14, 15, 16]
    assert lookup.draft(0) == []
    assert PromptLookup(TEXT, ignore).draft(4) == []
    assert PromptLookup([], ignore).draft(4) == []
    assert PromptLookup([1, 2], ignore).draft(4) == []


def test_the_latest_occurrence_is_the_source() -> None:
    lookup = PromptLookup([1, 2, 3, 50, 1, 2, 3, 60, 1, 2, 3], ignore)
    assert lookup.draft(2) == [60, 1]


def test_a_copy_goes_on_at_its_source() -> None:
    """Even where a part of it occurred more recently elsewhere."""
    seen: list[tuple[int, bool]] = []
    lookup = PromptLookup(
        [1, 2, 3, 4, 5, 6, 7, 8, 3, 4, 5, 70, 1, 2], lambda *one: seen.append(one)
    )
    for token in (3, 4, 5, 6):
        lookup.append(token)
    assert lookup.draft(2) == [7, 8]
    assert seen == [(0, True), (1, True), (2, True)]
    lookup.append(99)
    assert seen[-1] == (3, False)
    assert not lookup.has_draft
    assert lookup.run == 0


def test_a_repeating_text_is_drafted_from_itself() -> None:
    lookup = PromptLookup([1, 2, 3] * 4, ignore)
    assert lookup.draft(3) == [1, 2, 3]


def test_random_text_is_watched_as_it_is() -> None:
    """Every prediction is observed once, whether or not a draft is asked for."""
    draw = random.Random(5)
    seen: list[bool] = []
    lookup = PromptLookup([], lambda _run, correct: seen.append(correct))
    expected = []
    for _ in range(2000):
        token = draw.randrange(6)
        predicted = lookup.draft(1)
        if predicted:
            expected.append(predicted[0] == token)
        lookup.append(token)
    assert seen == expected
    assert 0.1 < sum(seen) / len(seen) < 0.25


def test_nothing_is_drafted_before_a_step_was_measured_or_without_a_source() -> None:
    source = PromptLookup([*TEXT, 1, 2, 3], ignore)
    assert sizes([source], Acceptance(), StepCost()) == [0]
    assert sizes([PromptLookup(TEXT, ignore)], Acceptance(), costs(0.01)) == [0]
    assert sizes([None], Acceptance(), costs(0.01)) == [0]


def test_copies_are_drafted_far_and_fresh_text_is_not() -> None:
    copied, fresh = Acceptance(), Acceptance()
    for number in range(300):
        copied.observe(number, True)
        copied.observe(0, True)
        for run in range(3):
            fresh.observe(run, number % 20 == 0)
    lookup = PromptLookup([*TEXT, 1, 2, 3], ignore)
    assert sizes([lookup], copied, costs(0.05))[0] >= 10
    assert sizes([lookup], fresh, costs(0.1)) == [0]


def test_drafts_that_cost_as_much_as_steps_are_not_made() -> None:
    sure = Acceptance()
    for _ in range(300):
        for run in (0, 1, 2, 4, 8, 16, 32):
            sure.observe(run, True)
    lookup = PromptLookup([*TEXT, 1, 2, 3], ignore)
    assert sizes([lookup], sure, costs(1.0)) == [0]
    assert sizes([lookup], sure, costs(0.5))[0] > 0


def test_many_rows_are_not_drafted_and_limits_hold() -> None:
    sure = Acceptance()
    lookup = PromptLookup([*TEXT, 1, 2, 3], ignore)
    assert sizes([lookup] * 8, sure, costs(0.01)) == [0] * 8
    few = draft_sizes([lookup] * 3, [2, 0, 100], sure, costs(0.01))
    assert few[0] <= 2
    assert few[1] == 0
    assert 0 < few[2] <= MAX_DRAFT


def test_an_interrupted_step_is_not_believed_at_once() -> None:
    cost = costs(0.1)
    cost.observe(1, 50.0)
    usual = cost.seconds(1)
    assert usual is not None
    assert usual < 1.3
    assert cost.seconds(6) == pytest.approx(1.5)
    assert StepCost().seconds(3) is None
