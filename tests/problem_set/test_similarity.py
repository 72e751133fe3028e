"""Repeated problems and texts that name other quantities."""

from __future__ import annotations

import re

import pytest

from tools.problem_set.authored import AuthoredProblem
from tools.problem_set.check import MAX_CODE_OVERLAP, MAX_PROMPT_OVERLAP
from tools.problem_set.quantities import quantities
from tools.problem_set.similarity import code_shingles, overlap, prompt_shingles


def test_a_renamed_copy_is_alike(authored: dict[str, AuthoredProblem]) -> None:
    for problem in list(authored.values())[::10]:
        prompts = [turn.prompt for turn in problem.turns]
        renamed = [re.sub(r'"(\w+)"', r'"\1_2"', prompt) for prompt in prompts]
        assert overlap(prompt_shingles(prompts), prompt_shingles(renamed)) == 1.0
        code = "\n".join(turn.reference for turn in problem.turns)
        other = re.sub(r"\b[1-9]\b", "7", code)
        assert overlap(code_shingles(code), code_shingles(other)) > MAX_CODE_OVERLAP


def test_names_in_code_do_not_hide_a_copy() -> None:
    one = "prices = <<p>>\ntotal = 0\nfor price in prices:\n    total += price * 2\nprint(total)"
    other = "points = <<q>>\nscore = 5\nfor point in points:\n    score += point * 9\nprint(score)"
    assert overlap(code_shingles(one), code_shingles(other)) > 0.9


def test_different_texts_are_not_alike() -> None:
    one = prompt_shingles(["Sort the list of names by length and print the last one."])
    other = prompt_shingles(["Count the vowels of a word and print the count twice."])
    assert overlap(one, other) < MAX_PROMPT_OVERLAP


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('Add 2.50 to "a" and {b}.', {"2.5", '"a"', "{b}"}),
        ("Take two or ten of them, each one twice.", {"2", "10"}),
        ('Call it "{name}", not {{name}}.', {"{name}"}),
        ('Print "two words" and 007.', {'"two words"', "7"}),
        ("nothing at all", set()),
    ],
)
def test_quantities(text: str, named: set[str]) -> None:
    assert quantities(text) == named
