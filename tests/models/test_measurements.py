"""Answers that are measured once on a machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from multiturn.models.native import measurements
from multiturn.models.native.measurements import remembered_seconds
from multiturn.models.native.processor import Processor


@pytest.fixture(autouse=True)
def folder(home: Path) -> Path:
    (home / "native").unlink()
    return home / "native" / "measured"


def ask(answers: list[float], **question: object) -> dict[str, float]:
    def measure() -> dict[str, float]:
        return {"a": answers.pop(0), "b": 2.0}

    return remembered_seconds("test", question, measure)


def test_the_same_question_is_measured_once_and_another_one_again(folder: Path) -> None:
    answers = [1.0, 3.0]
    assert ask(answers, width=4) == ask(answers, width=4) == {"a": 1.0, "b": 2.0}
    assert ask(answers, width=5) == {"a": 3.0, "b": 2.0}
    assert len(list(folder.iterdir())) == 2
    for file in folder.iterdir():
        file.unlink()
    assert ask([7.0], width=4)["a"] == 7.0


def test_another_machine_is_measured_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask([1.0])
    other = Processor("x86_64", "another", frozenset({"avx2"}))
    monkeypatch.setattr(measurements, "this_processor", lambda: other)
    assert ask([5.0])["a"] == 5.0
    cpus = os.sched_getaffinity(0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {*cpus, 10_000})
    assert ask([6.0])["a"] == 6.0


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", "\0\0", '{"schema": "multiturn.measurement/1"}',
        '{"schema": "multiturn.measurement/1", "seconds": []}',
        '{"schema": "multiturn.measurement/1", "seconds": {}}',
        '{"schema": "multiturn.measurement/1", "seconds": {"a": "fast"}}',
        '{"schema": "multiturn.measurement/1", "seconds": {"a": NaN, "b": 1}}',
        '{"schema": "multiturn.measurement/1", "seconds": {"a": 1e999, "b": 1}}',
        '{"schema": "multiturn.measurement/1", "seconds": {"a": -1, "b": 1}}',
        '{"schema": "multiturn.measurement/9", "seconds": {"a": 1, "b": 1}}',
    ],
)  # fmt: skip
def test_a_damaged_answer_is_measured_again(folder: Path, text: str) -> None:
    ask([1.0])
    (file,) = folder.iterdir()
    file.write_text(text)
    assert ask([4.0])["a"] == 4.0
    assert ask([])["a"] == 4.0


def test_where_nothing_can_be_written_the_answer_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MULTITURN_HOME", str(tmp_path / "file"))
    assert ask([1.0])["a"] == 1.0
    assert ask([2.0])["a"] == 2.0
