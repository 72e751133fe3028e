"""The prompt on a real terminal: what a person types, and what they see."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import stat
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.real

HEADER = ("--header", "none", "--style", "comment")


def saved(home: Path) -> list[dict[str, Any]]:
    """What is in the store, by way of the command line."""
    from multiturn.synthesis.store import SessionStore

    with SessionStore(home / "data" / "sessions.sqlite3") as store:
        return [
            {"id": each.id, "prompts": [t.prompt for t in store.load(each.id).turns.values()]}
            for each in store.list()
        ]


def test_a_program_is_written_steered_saved_and_continued(
    terminal: Any, script: str, home: Path, tmp_path: Path
) -> None:
    person = terminal("--model", script, *HEADER, "--n", "1")
    person.wait_for("/help lists the commands")
    person.wait_for("1> ")
    person.type("Make the list")
    person.wait_for("numbers = [3, 1, 2]")
    person.wait_for("✓ ran, not checked")
    person.wait_for("│ [3, 1, 2]")
    person.wait_for("2> ")

    person.type("Sort it")
    person.wait_for("numbers.sort()")
    output = person.wait_for("3> ")
    assert "│ [1, 2, 3]" in output
    assert "[3, 1, 2]" not in output  # only what is new is shown

    person.type("/undo")
    person.wait_for("undid turn 2")
    person.wait_for("2> ")
    person.type("/retry 2")
    person.wait_for("numbers = list((3, 1, 2))")
    person.wait_for("→ 2.")
    person.wait_for("2> ")
    person.type("/pick 1")
    person.wait_for("numbers = [3, 1, 2]")
    person.wait_for("2> ")
    person.type("/branch")
    person.wait_for("2. ✓ Sort it")
    person.wait_for("2> ")
    person.type("/branch 2")
    person.wait_for("numbers.sort()")
    person.wait_for("3> ")
    person.type("/show")
    person.wait_for("# Make the list")
    person.wait_for("# Sort it")
    person.wait_for("3> ")
    person.type("/save program.py")
    person.wait_for("saved program.py")
    person.type("/save program.ipynb")
    person.wait_for("saved program.ipynb")
    person.wait_for("3> ")
    assert person.leave() == 0
    assert "multiturn --session" in person.seen

    program = (tmp_path / "program.py").read_text()
    assert "# Sort it\nnumbers.sort()\nprint(numbers)\n" in program
    assert json.loads((tmp_path / "program.ipynb").read_text())["nbformat"] == 4
    name = person.seen.split("--session ")[1].split()[0]
    assert [each["id"] for each in saved(home)] == [name]

    again = terminal("--continue")
    again.wait_for("numbers.sort()")
    again.wait_for("3> ")
    again.type("Add it up")
    again.wait_for("│ 6")
    again.wait_for("4> ")
    assert again.leave() == 0


def test_ctrl_c_stops_the_writing_and_not_the_program(
    terminal: Any, slow_script: str, home: Path
) -> None:
    person = terminal("--model", slow_script, *HEADER)
    person.wait_for("1> ")
    person.type("Make the list")
    person.wait_for("numbers")
    person.process.send("typed meanwhile")
    time.sleep(0.3)
    assert "meanwhile" not in person.process.before
    begun = time.perf_counter()
    person.press("c")
    person.wait_for("stopped")
    assert time.perf_counter() - begun < 5
    person.wait_for("1> ")
    assert saved(home) == []

    person.type("Add it up")  # the engine is as good as before; the program has no `numbers`
    person.wait_for("✗ raised NameError")
    person.wait_for("2> ")
    person.press("half a line")
    person.wait_for("half a line")
    person.press("c")
    person.wait_for("2> ")
    assert person.leave() == 0
    assert [each["prompts"] for each in saved(home)] == [["Add it up"]]


@pytest.mark.slow
def test_a_kill_in_the_middle_loses_the_turn_in_flight_at_most(
    terminal: Any, slow_script: str, home: Path
) -> None:
    person = terminal("--model", slow_script, *HEADER)
    person.wait_for("1> ")
    person.type("Make the list")
    person.wait_for("│ [3, 1, 2]")
    person.wait_for("2> ")
    person.type("Sort it")
    person.wait_for("numbers.s")
    os.kill(person.process.pid, signal.SIGKILL)
    person.process.wait()

    assert [each["prompts"] for each in saved(home)] == [["Make the list"]]
    again = terminal("--continue")
    again.wait_for("│ [3, 1, 2]")
    again.wait_for("2> ")
    again.type("Sort it")
    again.wait_for("│ [1, 2, 3]")
    again.wait_for("3> ")
    assert again.leave() == 0


def test_mistakes_are_reported_and_nothing_is_lost(terminal: Any, script: str, home: Path) -> None:
    person = terminal("--model", script, *HEADER)
    person.wait_for("1> ")
    person.type("/undo")
    person.wait_for("error: there is no turn yet")
    person.wait_for("1> ")
    person.type("Make the list")
    person.wait_for("2> ")
    for words, message in (
        ("/undoo", "did you mean /undo"),
        ("/pick 9", "error: "),
        ("/pick first", "whole number"),
        ("/retry 2 hot", "a temperature is a number"),
        ("/branch 7", "unknown turn"),
        ("/undo now", "takes no argument"),
        ("/save", "needs a file"),
        ("/save program.docx", ".docx"),
        ("/save nowhere/at/all.py", "fix: create the directory first"),
        ("/open nothing", "unknown session"),
        ("/model no-such-model", "unknown model"),
        ("/show everything", "/show: unknown argument"),
        ("Break down", "the engine broke down"),
    ):
        person.type(words)
        person.wait_for("error: ")
        person.seen = "error: " + person.seen
        person.wait_for(message)
        person.wait_for("2> ")
    person.type("   ")
    person.type("Sort it")
    person.wait_for("│ [1, 2, 3]")
    person.wait_for("3> ")
    assert person.leave() == 0
    assert [each["prompts"] for each in saved(home)] == [["Make the list", "Sort it"]]


def test_a_turn_of_several_lines(terminal: Any, script: str, home: Path) -> None:
    person = terminal("--model", script, *HEADER)
    person.wait_for("1> ")
    person.press("Make the list\x1b\rof three numbers")
    person.type("")
    person.wait_for("✓ ran, not checked")
    person.wait_for("2> ")
    # Pasted in one piece, as terminals mark it.
    person.press("\x1b[200~Sort it\nin place\x1b[201~")
    person.type("")
    person.wait_for("✓ ran, not checked")
    person.wait_for("3> ")
    assert person.leave() == 0
    assert [each["prompts"] for each in saved(home)] == [
        ["Make the list\nof three numbers", "Sort it\nin place"]
    ]


def test_searching_the_history_keeps_the_line(terminal: Any, script: str, home: Path) -> None:
    person = terminal("--model", script, *HEADER)
    person.wait_for("1> ")
    person.type("Make the list")
    person.wait_for("2> ")
    # Enter takes what was found, and nothing is sent before it is pressed again.
    person.press("r")
    person.wait_for("I-search backward")
    person.press("Make")
    person.wait_for("Make the list")
    person.type("")
    person.press(" once more")
    person.wait_for("once more")
    person.type("")
    person.wait_for("✓ ran, not checked")
    person.wait_for("3> ")
    # Given up, the search leaves what was being typed; Enter without a find does so too.
    for leave in ("g", "c"):
        person.press("Sort ")
        person.wait_for("Sort")
        person.press("r")
        person.wait_for("I-search backward")
        person.press("Make")
        person.wait_for("Make")
        person.press(leave)
        person.press("it now")
        person.wait_for("it now")
        person.type("")
        person.wait_for("✓ ran, not checked")
        person.wait_for("> ")
    person.press("Sort ")
    person.wait_for("Sort")
    person.press("r")
    person.wait_for("I-search backward")
    person.press("zzz")
    person.wait_for("zzz")
    person.type("")
    person.press("it last")
    person.wait_for("it last")
    person.type("")
    person.wait_for("✓ ran, not checked")
    person.wait_for("6> ")
    # What stood there when something else was taken is one line further down.
    person.press("Add it")
    person.wait_for("Add it")
    person.press("r")
    person.wait_for("I-search backward")
    person.press("once")
    person.wait_for("once")
    person.type("")
    person.press("\x1b[B" * 9)
    person.press(" up")
    person.wait_for("up")
    person.type("")
    person.wait_for("│ 6")
    person.wait_for("7> ")
    assert person.leave() == 0
    prompts = saved(home)[0]["prompts"]
    assert prompts == [
        "Make the list", "Make the list once more", "Sort it now", "Sort it now", "Sort it last",
        "Add it up",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ("Make the list", 0),
        ("Fail", 1),
        ("Make the list\nFail", 1),
        ("Fail\nMake the list", 1),
        ("Make the list\nFail\n/undo", 0),
        ("Make the list\nFail\n/undo\nSort it", 0),
        ("Make the list\nFail\n/branch 1", 0),
        ("Fail\n/quit\n", 1),
        ("Fail\n/open new\nMake the list", 1),
        ("/sessions", 0),
        ("", 0),
        ("/undoo", 2),
        ("Break down", 2),
    ],
)
def test_the_exit_code_of_piped_turns(call: Any, script: str, lines: str, code: int) -> None:
    done = call("--model", script, *HEADER, stdin=f"{lines}\n")
    assert done.returncode == code, done.stdout + done.stderr


def test_the_exit_code_of_a_session_that_is_piped_into(call: Any, script: str) -> None:
    assert call("--model", script, *HEADER, stdin="Fail\n").returncode == 1
    assert call("--continue", stdin="/show\n").returncode == 0
    assert call("--continue", stdin="/run\n").returncode == 1
    assert call("--continue", stdin="Make the list\n").returncode == 1
    assert call("--continue", stdin="/branch 0\nMake the list\n").returncode == 0


def test_editing_in_ones_own_editor(terminal: Any, script: str, tmp_path: Path) -> None:
    editor = tmp_path / "my editor"
    editor.write_text('#!/bin/sh\nprintf "numbers = [9]\\nprint(numbers)\\n" > "$1"\n')
    editor.chmod(editor.stat().st_mode | stat.S_IXUSR)
    person = terminal("--model", script, *HEADER, EDITOR=f"'{editor}'", VISUAL="")
    person.wait_for("1> ")
    person.type("Make the list")
    person.wait_for("2> ")
    person.type("/edit")
    person.wait_for("│ [9]")
    person.wait_for("yours")
    person.wait_for("2> ")
    assert person.leave() == 0


def test_editing_in_place(terminal: Any, script: str) -> None:
    person = terminal("--model", script, *HEADER, EDITOR="", VISUAL="")
    person.wait_for("1> ")
    person.type("Make the list")
    person.wait_for("2> ")
    person.type("/edit")
    person.wait_for("Ctrl-C cancels")
    person.type("")  # Enter is a new line here
    person.press("print(len(numbers))")
    person.press("\x1b\r")
    person.wait_for("✓ ran, not checked")
    person.wait_for("│ 3")
    person.wait_for("2> ")
    person.type("/edit")
    person.wait_for("Ctrl-C cancels")
    person.wait_for("print(len(numbers))")  # from here on a key goes to the editor
    person.press("c")
    person.wait_for("no change")
    person.wait_for("2> ")
    assert person.leave() == 0


def test_hostile_output_does_not_reach_the_terminal(terminal: Any, script: str) -> None:
    person = terminal("--model", script, *HEADER)
    person.wait_for("1> ")
    person.process.logfile_read = log = _Log()
    person.type("Be hostile")
    person.wait_for("␛]0;title␇␛[31mred")
    person.wait_for("2> ")
    assert "\x1b]0;title" not in log.text
    assert "\x1b[31mred" not in log.text
    assert person.leave() == 0


def test_a_failing_program_is_retried_with_its_error(terminal: Any, script: str) -> None:
    person = terminal("--model", script, *HEADER, "--retries", "1")
    person.wait_for("1> ")
    person.type("Fail")
    person.wait_for("with this error in the prompt (1 of 1)")
    person.wait_for("✗ raised NameError")
    person.wait_for("line 2: print(missing)")
    person.wait_for("2> ")
    assert person.leave() == 0


STEPS = (
    {"when": "Make the list named prices", "answers": ["prices = [3.5, 12]"]},
    {
        "when": "Define the function taxed(price)",
        "answers": ["def tax(p):\n    return p * 1.2", "def taxed(p):\n    return p * 1.2"],
    },
    {"when": "Print taxed of each", "answers": ["for p in prices:\n    print(taxed(p))"]},
    {"when": "Look at the prices", "answers": ["prices"]},
    {"when": "Make it again", "answers": ["prices = [3.5, 12]\nprint(prices)"]},
)


def test_a_step_shows_what_it_did_and_where_an_error_comes_from(
    terminal: Any, tmp_path: Path, home: Path
) -> None:
    path = tmp_path / "steps.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in STEPS))
    person = terminal("--model", f"scripted:{path}", *HEADER, "--n", "1")
    person.wait_for("1> ")
    person.type("Make the list named prices.")
    person.wait_for("✓ ran, not checked")
    person.wait_for("set prices = [3.5, 12]")
    person.wait_for("2> ")
    person.type("Define the function taxed(price).")
    person.wait_for("set tax(p)")
    person.wait_for("3> ")
    person.type("Print taxed of each.")
    person.wait_for("✗ raised NameError: name 'taxed' is not defined")
    person.wait_for("the error may come from turn 2 (Define the function taxed(price).)")
    person.wait_for("it was asked for taxed, and does not set it")
    person.wait_for("/repair 2 writes turn 2 again with the error in the prompt")
    person.wait_for("4> ")

    person.type("/repair 2")
    person.wait_for("def taxed(p):")
    person.wait_for("set taxed(p)")
    person.wait_for("again: Print taxed of each.")
    person.wait_for("✓ ran, not checked")
    person.wait_for("│ 14.399999999999999")
    person.wait_for("4> ")

    person.type("/expect 14.4")
    person.wait_for("✓ ran, as expected (1 of 1)")
    person.wait_for("4> ")
    person.type("/expect len(prices) == 3")
    person.wait_for("✗ ran, but not as expected (1 of 2)")
    person.wait_for("expected: len(prices) == 3")
    person.wait_for("/repair writes the step again with this in the prompt, /retry without")
    person.wait_for("4> ")

    person.type("/undo")
    person.wait_for("3> ")
    person.type("Look at the prices.")
    person.wait_for("this step set nothing and printed nothing")
    person.wait_for("4> ")
    person.type("/expect next prices == [3.5, 12]")
    person.wait_for("expected of the next step: prices == [3.5, 12]")
    person.type("Make it again.")
    person.wait_for("✓ ran, as expected (1 of 1)")
    person.wait_for("it repeats code of turn 1")
    person.wait_for("5> ")
    person.type("/repair 99")
    person.wait_for("this turn is not part of the program so far")
    assert person.leave() == 0

    again = terminal("--continue")
    again.wait_for("✓ ran, as expected (1 of 1)")
    again.wait_for("5> ")
    again.type("/show tree")
    again.wait_for("Make it again.  as expected")
    assert again.leave() == 0


def test_a_model_that_is_not_here_is_not_fetched_unasked(terminal: Any, home: Path) -> None:
    person = terminal("--model", "smollm2-135m")
    person.wait_for("has not been downloaded yet")
    person.wait_for("Download it now? [Y/n]")
    person.type("n")
    assert person.ended() == 2
    assert "multiturn models pull smollm2-135m" in person.seen
    assert not list((home / "models").rglob("*.gguf"))


@pytest.mark.timeout(240)
def test_with_a_real_model(terminal: Any, family_model: Path, home: Path) -> None:
    person = terminal("--model", str(family_model), "--style", "comment", "--max-tokens", "48")
    person.process.timeout = 120
    person.wait_for("1> ")
    person.type("Assign the number 7 to a variable named x and print it.")
    person.wait_for(" s, ")
    person.wait_for("2> ")
    person.type("Print x plus one.")
    person.wait_for(" s, ")
    person.wait_for("3> ")
    person.type("/undo")
    person.wait_for("2> ")
    assert person.leave() == 0
    connection = sqlite3.connect(home / "data" / "sessions.sqlite3")
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    assert len(saved(home)[0]["prompts"]) == 2


class _Log:
    """Keeps what the terminal was sent, byte for byte."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        pass
