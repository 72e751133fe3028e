"""The program of a sample in its turns, and why a sample failed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from multiturn.benchmarks.runner.sample_index import failure_label
from multiturn.benchmarks.runner.samples import Sample, read_sample
from multiturn.benchmarks.written_turns import written_program
from tests.report.make_runs import sample


def made(program: str, *texts: Any) -> Sample:
    steps = [{"text": each} if isinstance(each, str) else {"text": each["text"]} for each in texts]
    line = sample("p", program=program, steps=steps)
    for step, given in zip(line["steps"], texts, strict=True):
        step.update(given if isinstance(given, dict) else {})
    return read_sample(json.dumps(line), where="test")


PROGRAM = "import numpy as np\n\n# Set x.\nx = 1\n\n# Print x.\n# Twice.\nprint(x)\nprint(x)\n"


def test_prompts_are_the_comments_above_the_code() -> None:
    found = written_program(made(PROGRAM, "x = 1", "print(x)\nprint(x)"))
    assert found.header == "import numpy as np\n\n"
    assert [turn.prompt for turn in found.turns] == ["Set x.", "Print x.\nTwice."]
    assert [found.turn_of_line(line) for line in (1, 4, 8, 9, 99, None)] == [
        None, 0, 1, 1, None, None
    ]  # fmt: skip


def test_known_prompts_take_their_place() -> None:
    found = written_program(made(PROGRAM, "x = 1", "print(x)\nprint(x)"), ["a", "b"])
    assert [turn.prompt for turn in found.turns] == ["a", "b"]


def test_several_texts_of_one_turn_are_one_turn() -> None:
    first = {"text": "x = 0", "turn": 0, "chosen": False}
    second = {"text": "x = 1", "turn": 0, "chosen": True}
    third = {"text": "print(x)\nprint(x)", "turn": 1, "chosen": True}
    found = written_program(made(PROGRAM, first, second, third))
    assert [turn.code for turn in found.turns] == ["x = 1", "print(x)\nprint(x)"]
    assert [len(turn.steps) for turn in found.turns] == [2, 1]


@pytest.mark.parametrize("texts", [("gone",), ()])
def test_a_program_without_its_texts_is_one_turn(texts: tuple[str, ...]) -> None:
    one = made(PROGRAM, *(texts or ("x",)))
    if not texts:
        one = read_sample(json.dumps({**sample("p", program=PROGRAM), "steps": []}), where="test")
    found = written_program(one, ["a", "b"])
    assert [(turn.prompt, turn.code) for turn in found.turns] == [("a\nb", PROGRAM)]


@pytest.mark.parametrize(
    ("verdict", "label"),
    [
        ({"passed": True}, ""),
        ({}, "wrong_answer"),
        ({"judgement": "no_output"}, "no_output"),
        ({"judgement": "prevented", "outcome": {"status": "raised", "error": "a.b.MyError: x"}},
         "MyError"),
        ({"judgement": "prevented", "outcome": {"status": "raised", "error": "KeyError"}},
         "KeyError"),
        ({"judgement": "prevented", "outcome": {"status": "timed_out_cpu"}}, "timed_out_cpu"),
    ],
)  # fmt: skip
def test_why_a_sample_failed(verdict: dict[str, Any], label: str) -> None:
    found = read_sample(json.dumps(sample("p", **verdict)), where="test")
    assert failure_label(found.verdicts["strict"]) == label
