"""The command as a process: how soon it answers, what it loads, how it fails."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from multiturn import __version__
from multiturn.apps.cli.error_report import INTERNAL_FAULT, INTERRUPTED, report
from multiturn.apps.cli.lazy_group import COMMANDS
from multiturn.apps.cli.main import run

SCRIPT = Path(sys.executable).with_name("multiturn")


def call(*arguments: str, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [SCRIPT, *arguments], capture_output=True, text=True, timeout=300, **more
    )


def test_help_answers_at_once() -> None:
    seconds = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = call("--help")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert done.returncode == 0
    for command in COMMANDS:
        assert command in done.stdout
    # CPU time, the best of five: what the command takes, not what else the machine does.
    assert min(seconds) < 0.3


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "multiturn", "--version"], capture_output=True, text=True
    )
    assert done.stdout == f"multiturn {__version__}\n"


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from multiturn.apps.cli.main import run; run(['--help']); "
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    loaded = set(done.stderr.split())
    assert "multiturn.apps.cli.lazy_group" in loaded
    heavy = {"rich", "prompt_toolkit", "pygments", "httpx", "jinja2", "sqlite3", "yaml", "numpy"}
    assert not loaded & (heavy | {"xllamacpp", "multiturn.engines", "multiturn.synthesis"})


def test_version() -> None:
    assert call("--version").stdout.strip() == f"multiturn {__version__}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["synht"], "did you mean synth?"),
        (["synth", "--modle", "x", "f.yaml"], "--model"),
        (["synth"], "missing argument"),
        (["synth", "no-such-file.yaml"], "no-such-file.yaml"),
        (["config", "--n", "3"], "no such option"),
        (["--modell", "x"], "--model"),
        (["synth", "f.yaml", "--n", "many"], "--n"),
        (["run", "a.py", "b.py"], "unexpected extra argument"),
        (["run", "no-such-file.py"], "no-such-file.py"),
        (["run", "notes.txt"], ".txt"),
        (["sessions", "show", "no-such-session"], "no-such-session"),
        (["--session", "a", "--continue"], "--continue"),
        (["--continue"], "there is no session to continue"),
    ],
)
def test_a_persons_mistake_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(r"error: .*\n", printed.err)
    assert message.lower() in printed.err.lower()


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        assert run([command, "--help"]) == 0
        assert "Usage: multiturn " + command in capsys.readouterr().out


def test_a_bug_is_reported_as_one_and_its_traceback_saved(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("multiturn.apps.cli.config.resolve_settings", fail)
    assert run(["config"]) == INTERNAL_FAULT
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "a bug in multiturn" in message
    saved = list((home / "data").glob("fault-*.txt"))
    assert len(saved) == 1
    assert str(saved[0]) in message
    assert "ZeroDivisionError: a bug" in saved[0].read_text()
    monkeypatch.setenv("MULTITURN_DEBUG", "1")
    assert run(["config"]) == INTERNAL_FAULT
    assert "Traceback" in capsys.readouterr().err


def test_a_message_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["\x1b[2Jfoo"]) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_interruption_is_no_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(KeyboardInterrupt()) == INTERRUPTED
    assert capsys.readouterr().err == "interrupted\n"


def test_a_reader_that_goes_away_is_no_fault() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [SCRIPT, "config", "--json"], stdout=write, stderr=subprocess.PIPE, text=True, timeout=300
    )
    os.close(write)
    assert done.stderr == ""
    assert done.returncode == 1
