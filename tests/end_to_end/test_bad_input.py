"""What people get wrong: each is one line with the fix, exit code 2, and nothing is lost."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from multiturn.synthesis.store import SessionStore

pytestmark = pytest.mark.real

HEADER = ("--header", "none", "--style", "comment")


def told_in_one_line(done: Any) -> str:
    """The line, once it is sure that it is one, and says what to do or what is allowed."""
    line: str = done.stderr.splitlines()[-1] if done.stderr else ""
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert len(re.findall(r"^error: ", done.stderr, re.MULTILINE)) == 1
    assert line.startswith("error: ")
    assert any(words in line for words in ("fix: ", "allowed: ", "expected "))
    return line


def prompts(home: Path) -> list[list[str]]:
    with SessionStore(home / "data" / "sessions.sqlite3") as store:
        return [
            [turn.prompt for turn in store.load(each.id).turns.values()] for each in store.list()
        ]


BAD_TURNS = {
    "x" * 100_000: "the turn is too long",
    "Print \x1b[2J a line": "control character",
    "Print \x00": "control character",
    "words " * 1500: "window",
    "/undoo": "did you mean /undo",
}


def test_a_bad_turn_is_refused_and_the_turns_before_it_stay(
    call: Any, script: str, home: Path
) -> None:
    assert call("--model", script, *HEADER, stdin="Make the list\n").returncode == 0
    for turn, message in BAD_TURNS.items():
        done = call("--continue", stdin=f"{turn}\nSort it\n")
        assert message in told_in_one_line(done)
        assert "\x1b" not in done.stdout + done.stderr
        assert prompts(home) == [["Make the list"]]
    going_on = call("--continue", stdin="Sort it\n")
    assert going_on.returncode == 0, going_on.stderr
    assert prompts(home) == [["Make the list", "Sort it"]]


def test_a_turn_that_is_no_text_is_refused(call: Any, script: str, tmp_path: Path) -> None:
    specification = tmp_path / "bytes.yaml"
    specification.write_bytes(b"turns: [caf\xe9]\n")
    assert "UTF-8" in told_in_one_line(call("synth", specification, "--model", script))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("turns: [a]\ntruns: [b]", "did you mean 'turns'", id="unknown key"),
        pytest.param("turns: ['Print {name}.']", "name", id="missing variable"),
        pytest.param("turns: ['Print it.']\nvariables: {x: 1}", "'x'", id="unused variable"),
        pytest.param("turns: ['']", "the turn is empty", id="empty turn"),
        pytest.param("turns: ['  ']", "the turn is empty", id="blank turn"),
        pytest.param("turns: []", "no turns", id="no turns"),
        pytest.param("turns: 7", "turns", id="wrong type"),
        pytest.param('turns: ["a\\x07"]', "control character", id="control characters"),
        pytest.param("turns: [", "", id="broken YAML"),
        pytest.param("", "", id="empty file"),
        pytest.param("turns: ['Print {'] ", "brace", id="a brace alone"),
    ],
)
def test_a_bad_specification_is_refused(
    call: Any, script: str, tmp_path: Path, home: Path, text: str, message: str
) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text(text, encoding="utf-8")
    line = told_in_one_line(call("synth", file, "--model", script))
    assert message in line
    assert "spec.yaml" in line


def test_a_corrupt_model_is_refused(call: Any, tmp_path: Path, family_model: Path) -> None:
    complete = family_model.read_bytes()
    for name, data in (
        ("text", b"this is no model\n" * 100),
        ("cut", complete[: len(complete) // 2]),
        ("garbled", complete[:24] + b"\xff" * 4096 + complete[4120:]),
    ):
        model = tmp_path / f"{name}.gguf"
        model.write_bytes(data)
        line = told_in_one_line(call("--model", model, stdin="Make the list\n"))
        assert f"{name}.gguf" in line


def test_a_model_that_is_not_there(call: Any) -> None:
    assert "nowhere.gguf" in told_in_one_line(call("--model", "./nowhere.gguf", stdin="a\n"))
    line = told_in_one_line(call("--model", "smollm2-135", stdin="a\n"))
    assert "smollm2-135m" in line


def test_a_broken_store_is_refused_and_left_as_it_is(call: Any, script: str, home: Path) -> None:
    assert call("--model", script, *HEADER, stdin="Make the list\n").returncode == 0
    store = home / "data" / "sessions.sqlite3"
    complete = store.read_bytes()
    for bad in (b"not a database at all\n" * 500, complete[: len(complete) // 2]):
        store.write_bytes(bad)
        line = told_in_one_line(call("--model", script, *HEADER, stdin="Sort it\n"))
        assert "sessions.sqlite3" in line
        assert store.read_bytes() == bad
        moved = call("sessions", "move-aside")
        assert moved.returncode == 0, moved.stderr
        assert not store.exists()
        assert call("--model", script, *HEADER, stdin="Make the list\n").returncode == 0
        assert prompts(home) == [["Make the list"]]


def test_a_database_of_something_else_is_refused(call: Any, script: str, home: Path) -> None:
    (home / "data").mkdir()
    store = home / "data" / "sessions.sqlite3"
    with sqlite3.connect(store) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.close()
    before = store.read_bytes()
    told_in_one_line(call("--model", script, stdin="Make the list\n"))
    assert store.read_bytes() == before


def test_a_place_that_cannot_be_written(call: Any, script: str, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    line = told_in_one_line(
        call("--model", script, stdin="Make the list\n", MULTITURN_HOME=str(blocked / "home"))
    )
    assert str(blocked) in line
    line = told_in_one_line(call("config", MULTITURN_HOME="relative/home"))
    assert "MULTITURN_HOME" in line


def test_bad_settings(call: Any, home: Path) -> None:
    (home / "config.toml").write_text("modle = 'x'\n")
    assert "did you mean 'model'" in told_in_one_line(call(stdin="Make the list\n"))
