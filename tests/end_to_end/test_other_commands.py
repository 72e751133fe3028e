"""`run`, `sessions` and `doctor` as processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from multiturn.sandbox.isolation import IsolationLevel

pytestmark = pytest.mark.real

HEADER = ("--header", "none", "--style", "comment")
ISOLATED = {
    IsolationLevel.NAMESPACES.value,
    IsolationLevel.SHARED_NAMESPACES.value,
    IsolationLevel.LANDLOCK.value,
}


def test_run_passes_output_on_and_says_what_became_of_it(call: Any, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("import sys\nprint(input(), 6 * 7)\nprint('aside', file=sys.stderr)\n")
    given = tmp_path / "input.txt"
    given.write_text("hello\n")
    done = call("run", program, "--input", given)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "hello 42\n"
    assert done.stderr.startswith("aside\nfinished; ")
    assert done.stderr.strip().split(", ")[-1] in ISOLATED


@pytest.mark.parametrize(
    ("source", "options", "status"),
    [
        ("1 / 0", (), "raised"),
        ("def", (), "syntax_error"),
        ("while True: pass", ("--cpu-seconds", "1"), "timed_out_cpu"),
        ("import time; time.sleep(60)", ("--wall-seconds", "1"), "timed_out_wall"),
        ("x = bytearray(10**9)", ("--memory-mib", "200"), "out_of_memory"),
        ("import os; os._exit(0)", (), "early_exit"),
    ],
)
def test_run_tells_machines_what_became_of_it(
    call: Any, source: str, options: tuple[str, ...], status: str
) -> None:
    done = call("run", "-", "--json", *options, stdin=source)
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert document["schema"] == "multiturn.run/1"
    assert document["outcome"]["status"] == status
    assert document["rung"] in ISOLATED
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("end", "code"), [("exit()", 0), ("raise SystemExit(0)", 0), ("exit(3)", 1)]
)
def test_run_takes_exit_0_for_success(call: Any, end: str, code: int) -> None:
    done = call("run", "-", stdin=f"def main():\n    print(42)\n    {end}\nmain()\n")
    assert (done.returncode, done.stdout) == (code, "42\n")


def test_run_does_not_touch_the_persons_files(call: Any, home: Path) -> None:
    (home / "secret").write_text("secret")
    done = call("run", "-", stdin=f"print(open({str(home / 'secret')!r}).read())")
    assert done.returncode == 1
    assert "secret" not in done.stdout


def test_run_makes_output_safe_for_a_terminal(terminal: Any, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("print('\\x1b]0;title\\x07')")
    person = terminal("run", str(program))
    assert person.ended() == 0
    assert "␛]0;title␇" in person.seen


def test_run_refuses_what_is_no_text(call: Any, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_bytes(b"print('caf\xe9')")
    done = call("run", program)
    assert done.returncode == 2
    assert "UTF-8" in done.stderr


def test_sessions_are_listed_shown_exported_and_deleted(
    call: Any, script: str, tmp_path: Path
) -> None:
    assert "No sessions yet" in call("sessions").stdout
    made = call("--model", script, *HEADER, stdin="Make the list\nSort it\n/undo\nAdd it up\n")
    assert made.returncode == 0, made.stderr
    (summary,) = json.loads(call("sessions", "list", "--json").stdout)["sessions"]
    name = summary["id"]
    assert summary["turns"] == 3
    assert name in call("sessions").stdout
    shown = call("sessions", "show", name)
    assert "print(sum(numbers))" in shown.stdout
    assert "numbers.sort()" not in shown.stdout
    assert "2. ✓ Sort it" in call("sessions", "show", name, "--tree").stdout
    document = json.loads(call("sessions", "show", name, "--json").stdout)
    assert document["path"] == [1, 3]
    for suffix in (".py", ".ipynb", ".md", ".jsonl"):
        out = tmp_path / f"program{suffix}"
        assert call("sessions", "export", name, out).returncode == 0
        assert "print(sum(numbers))" in out.read_text() or suffix == ".jsonl"
    # What was exported as a specification can be run again.
    again = call("synth", tmp_path / "program.jsonl", "--model", script, *HEADER)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "intact" in call("sessions", "check").stdout

    refused = call("sessions", "delete", name)
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    assert call("sessions", "delete", name, "--yes").returncode == 0
    assert call("sessions", "show", name).returncode == 2


def test_doctor_finds_what_works(call: Any) -> None:
    done = call("doctor", "--json")
    document = json.loads(done.stdout)
    checks = {check["name"]: check for check in document["checks"]}
    assert done.returncode == 0, done.stdout
    assert document["works"] is True
    assert checks["sandbox"]["found"].split()[0].rstrip(",;:") in ISOLATED
    assert checks["model"]["state"] == "note"  # the home of this test is empty
    assert "multiturn models pull" in checks["model"]["fix"]


def test_doctor_finds_what_does_not_work_and_how_to_fix_it(call: Any, home: Path) -> None:
    (home / "config.toml").write_text("modle = 'x'")
    (home / "data").mkdir()
    (home / "data" / "sessions.sqlite3").write_bytes(b"no database" * 1000)
    done = call("doctor", "--json")
    assert done.returncode == 1
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert checks["settings"]["state"] == "fails"
    assert checks["sessions"]["state"] == "fails"
    assert checks["sessions"]["fix"]
    for check in checks.values():
        assert check["state"] != "fails" or check["fix"]
    message = call("doctor")
    assert message.returncode == 1
    assert "did you mean" in message.stdout
    assert "Fix the items marked ✗ first." in message.stdout


def test_doctor_lets_the_model_write(call: Any, family_model: Path) -> None:
    done = call("doctor", "--write", "--json", "--model", family_model)
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert checks["writing"]["state"] == "works", checks["writing"]
    assert done.returncode == 0
