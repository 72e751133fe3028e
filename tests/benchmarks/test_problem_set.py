"""The built problem set: its schema, and reading it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from multiturn.benchmarks.problem_set import (
    OWN,
    own_problems,
    read_problems,
    to_lines,
)
from multiturn.core.errors import InputError, StorageError
from multiturn.text.format_template import fill_code, format_template

PUBLISHED_KEYS = {
    "id",
    "name",
    "description",
    "category",
    "prompts",
    "inputs",
    "outputs",
    "max_gen_length",
}


def test_counts() -> None:
    problems = own_problems()
    assert len(problems) >= 120
    assert len({problem.id for problem in problems}) == len(problems)
    counts = Counter(problem.category for problem in problems)
    assert all(counts[category] >= 8 for category in OWN.categories)
    assert {len(problem.turns) for problem in problems} == set(range(3, 10))
    assert {problem.difficulty for problem in problems} == {"easy", "medium", "hard"}
    assert all(len(problem.inputs) == len(problem.outputs) >= 5 for problem in problems)


def test_lines_have_the_keys_of_the_published_schema() -> None:
    for line in to_lines(own_problems()).splitlines():
        data = json.loads(line)
        assert set(data) >= PUBLISHED_KEYS
        assert len(data["prompts"]) == len(data["references"]) == len(data["leaves"])


def test_every_case_fills_every_text() -> None:
    for problem in own_problems():
        for variables in problem.inputs:
            filled = problem.fill(variables)
            assert "<<" not in "".join(filled.references)
            assert "{{" not in filled.single + "".join(filled.prompts)


def test_writing_and_reading_gives_the_same(tmp_path: Path) -> None:
    path = tmp_path / "copy.jsonl"
    path.write_text(to_lines(own_problems()), encoding="utf-8")
    assert read_problems(path) == own_problems()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.pop("single"), "set.jsonl: line 2: the key 'single' is missing"),
        (lambda data: data.update(category="maths"), "did you mean 'math'"),
        (lambda data: data.update(answers=1), "unknown key"),
        (lambda data: data["outputs"].pop(), "inputs and outputs differ in length"),
        (lambda data: data["leaves"].pop(), "prompts, references and leaves"),
    ],
)
def test_a_faulty_line_is_named(tmp_path: Path, change, message: str) -> None:
    lines = to_lines(own_problems()[:2]).splitlines()
    data = json.loads(lines[1])
    change(data)
    path = tmp_path / "set.jsonl"
    path.write_text(f"{lines[0]}\n{json.dumps(data)}\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 2") as caught:
        read_problems(path)
    assert message in str(caught.value)


def test_a_line_that_is_no_json_and_a_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="line 1 is not JSON"):
        read_problems(path)
    with pytest.raises(StorageError):
        read_problems(tmp_path / "absent.jsonl")


def test_filling_refuses_what_is_missing() -> None:
    with pytest.raises(InputError, match="cannot be filled"):
        format_template("Set x to {x}.", {})
    with pytest.raises(InputError, match="cannot be filled"):
        format_template("Set x to {x.", {"x": 1})
    with pytest.raises(InputError, match="no variable"):
        fill_code("x = <<x>>", {"y": 1})


def test_code_is_filled_with_literals() -> None:
    assert fill_code("x = <<x>> << 2", {"x": 'say "hi"\n'}) == "x = 'say \"hi\"\\n' << 2"
