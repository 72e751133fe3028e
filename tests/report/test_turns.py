"""Where failures start, from records with known answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("statsmodels", reason="the extra `report` is not installed")

from multiturn.benchmarks.variables.differences import SCHEMA, VARIABLES
from multiturn.report.analysis.first_turns import first_turns, read_variable_records
from multiturn.report.make import make_report
from multiturn.report.pages.render import to_html, to_markdown
from multiturn.report.problem_texts import CaseTexts
from multiturn.report.records.read import read_records
from tests.report.make_runs import sample, step, write_run


def line(item: str, turn: int | None, reason: str = "value", **more: Any) -> dict[str, Any]:
    return {"item": item, "sample": 0, "turn": turn, "reason": reason, "name": None,
            "detail": "", **more}  # fmt: skip


def write_lines(place: Path, lines: list[Any], end: str = "") -> None:
    text = "".join(json.dumps(each) + "\n" for each in [{"schema": SCHEMA}, *lines])
    (place / VARIABLES).write_text(text + end)


STEPS = [step(text="a = 1"), step(text="b = 2"), step(text="print(a)")]


def test_failures_are_counted_by_their_first_turn(tmp_path: Path) -> None:
    samples = [sample(f"p{n}", passed=n > 4, steps=STEPS) for n in range(7)]
    write_run(tmp_path, samples)
    write_lines(
        tmp_path,
        [
            line("p0/0", 1, name="b", detail="got 2, expected 3"), line("p1/0", 1, "raised"),
            line("p2/0", 2, "syntax"), line("p3/0", None, "none"), line("p5/0", None, "none"),
            line("p6/0", 0), line("p0/0", 2), line("gone/0", 0),
        ],
    )  # fmt: skip
    records = read_records([tmp_path])
    (found,) = first_turns(records, read_variable_records(records))
    assert (found.failed, found.examined) == (5, 4)
    assert found.turns == {1: 2, 2: 1}
    assert found.reasons == {"value": 1, "raised": 1, "syntax": 1, "none": 1}
    assert (found.passed, found.passed_differing) == (2, 1)
    text = to_markdown(make_report(records, {}, safety=False))
    assert "in 1 of 2 samples that passed, a variable differs" in text
    assert "| 5 | 4 | 0 | 2 | 1 |" in text


def test_what_is_not_recorded_or_not_applicable_is_said(tmp_path: Path) -> None:
    write_run(tmp_path / "turns", [sample("a"), sample("b", passed=True)])
    write_run(tmp_path / "concat", [sample("a"), sample("b", passed=True)], arm="concat")
    text = to_markdown(make_report(read_records([tmp_path]), {}, safety=False))
    assert "Not recorded for 1 run; `multiturn bench variables` records it" in text.replace(
        "\\", ""
    )
    assert "Not applicable to concat" in text


def test_the_failure_browser_marks_the_turn(tmp_path: Path) -> None:
    write_run(tmp_path, [sample("a", steps=STEPS, program="a = 1\nb = 2\nprint(a)\n")])
    write_lines(tmp_path, [line("a/0", 1, name="b", detail="got 2, expected 3")])
    records = read_records([tmp_path])
    case = CaseTexts(prompts=("One.", "Two.", "Three."), gold=3, inputs={})
    document = make_report(records, {("0" * 64, "a", 0): case}, safety=False)
    (failure,) = document.failures
    assert [each.differs for each in failure.steps] == [False, True, False]
    assert failure.difference == "turn 2: a variable has another value: b: got 2, expected 3"
    page = to_html(document)
    assert page.count("The variables differ from the reference from here on.") == 1


def test_texts_of_one_turn_share_its_prompt(tmp_path: Path) -> None:
    """Arms that generate several texts for a turn say which turn and which text it is."""
    steps = [
        {**step(text="a = 0"), "turn": 0, "chosen": False},
        {**step(text="a = 1"), "turn": 0, "chosen": True},
        {**step(text="print(a)"), "turn": 1, "chosen": True},
    ]
    write_run(tmp_path, [{**sample("a"), "steps": steps}], arm="loop")
    write_lines(tmp_path, [line("a/0", 0, name="a")])
    case = CaseTexts(prompts=("One.", "Two."), gold=3, inputs={})
    document = make_report(read_records([tmp_path]), {("0" * 64, "a", 0): case}, safety=False)
    (failure,) = document.failures
    assert [each.prompt for each in failure.steps] == ["One.", "One.", "Two."]
    assert [each.differs for each in failure.steps] == [False, True, False]
    assert failure.steps[0].note.endswith("not in the program")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]\n", '{"schema": "multiturn.bench-variables/2"}\n', "NaN\n", "\xff\n", "[" * 9999],
)
def test_a_file_that_is_none_is_none(tmp_path: Path, text: str) -> None:
    write_run(tmp_path, [sample("a")])
    (tmp_path / VARIABLES).write_text(text, encoding="latin-1")
    records = read_records([tmp_path])
    assert read_variable_records(records) == {}
    assert "Not recorded" in to_markdown(make_report(records, {}, safety=False))


def test_strange_lines_do_not_count(tmp_path: Path) -> None:
    write_run(tmp_path, [sample("a"), sample("b")])
    strange = [
        [], 3, {}, line("a/0", -1), line("a/0", 10**9), line("a/0", 1, "because"),
        {**line("a/0", 1), "turn": "x"}, {**line("a/0", 1), "turn": float("inf")},
        line("b/0", 1),
    ]  # fmt: skip
    write_lines(tmp_path, strange, end='{"item": "a/0", "sample": 0, "turn": 1, "reas')
    records = read_records([tmp_path])
    (found,) = first_turns(records, read_variable_records(records))
    assert found.turns == {1: 1}
    assert found.examined == 1
