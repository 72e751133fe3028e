"""Ctrl-C at a terminal, while commands load, write, train and build."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pexpect
import pytest

pytestmark = pytest.mark.real

SCRIPT = Path(sys.executable).with_name("multiturn")
ANSWERED = r"(?i)stopp|interrupt"
SECONDS = 300
"""For an answer, on a machine on which eight others work; on a quiet one it takes half of one."""


def started(*arguments: object, program: str | None = None) -> pexpect.spawn:
    command = [str(SCRIPT), *map(str, arguments)]
    if program is not None:
        command = [sys.executable, "-c", program, *map(str, arguments)]
    return pexpect.spawn(
        command[0], command[1:], encoding="utf-8", timeout=300, dimensions=(40, 200),
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip


def script(path: Path, pace: float) -> str:
    lines = [
        {"settings": {"slots": 1, "seconds_per_token": pace}},
        {"answers": ["x = 1\nprint(x)\n", "print('nothing')\n"]},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return f"scripted:{path}"


def test_a_bench_reports_that_it_stops_and_what_is_saved_and_resumes(tmp_path: Path) -> None:
    model = script(tmp_path / "any.jsonl", 0.15)
    arguments = ("bench", "own", "-m", model, "-o", tmp_path / "runs", "--limit", 2, "--cases", 1)
    process = started(*arguments)
    process.expect(r"turn [3-9] of \d+, \d+ tokens")
    process.send("\x03")
    process.expect(r"stopping: 0 of 2 samples are saved, and the finished turns", timeout=SECONDS)
    process.expect("stopped; the same command", timeout=SECONDS)
    process.expect(pexpect.EOF)
    process.close()
    assert process.exitstatus == 130
    (saved,) = (tmp_path / "runs").rglob("turns.partial.jsonl")
    turns = saved.read_bytes().count(b"\n")
    assert turns >= 2
    # The script has to stay the same file, which is part of the record.
    again = started(*arguments)
    again.expect(rf"turn {turns + 1} of \d+")
    again.send("\x03\x03")
    again.expect(pexpect.EOF, timeout=SECONDS)
    again.close()


def test_a_second_one_stops_at_once_and_loses_nothing(tmp_path: Path) -> None:
    """An engine that does not hear of it, as one that compiles."""
    program = (
        "import sys, time\n"
        "from multiturn.engines.scripted import ScriptedEngine\n"
        "def deaf(self, request, *, cancel=None):\n"
        "    time.sleep(300)\n"
        "    yield\n"
        "ScriptedEngine.stream = deaf\n"
        "from multiturn.apps.cli.main import entry\n"
        "entry()\n"
    )
    model = script(tmp_path / "any.jsonl", 0)
    place = tmp_path / "runs"
    process = started("bench", "own", "-m", model, "-o", place, "--limit", 1, program=program)
    process.expect("reading the prompts")
    process.send("\x03")
    process.expect("stopping: 0 of ", timeout=SECONDS)
    assert process.isalive()
    process.send("\x03")
    process.expect(pexpect.EOF, timeout=SECONDS)
    process.close()
    assert process.exitstatus == 130 or process.signalstatus == 9
    (record,) = place.rglob("run.json")
    json.loads(record.read_bytes())


HOLDS = {
    "the lock of the interpreter": "sum(range(10**12))",
    "the main thread": "hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)",
}


@pytest.mark.parametrize("call", HOLDS.values(), ids=HOLDS)
@pytest.mark.parametrize("command", ["bench", "synth"])
def test_a_library_that_holds_everything_while_it_loads(
    tmp_path: Path, command: str, call: str
) -> None:
    """llama.cpp holds the interpreter's lock for as long as it reads a model."""
    program = (
        "import hashlib\n"
        "from multiturn.engines import open as opening\n"
        "def load(path):\n"
        "    print('loading now', flush=True)\n"
        f"    {call}\n"
        "opening.read_script = load\n"
        "from multiturn.apps.cli.main import entry\n"
        "entry()\n"
    )
    model = script(tmp_path / "any.jsonl", 0)
    file = tmp_path / "spec.yaml"
    file.write_text("name: a\nturns:\n- Print 1.\n")
    arguments = {
        "bench": ("bench", "own", "-m", model, "-o", tmp_path / "runs"),
        "synth": ("synth", file, "-m", model),
    }[command]
    process = started(*arguments, program=program)
    process.expect("loading now")
    time.sleep(0.5)
    process.send("\x03")
    process.expect(ANSWERED, timeout=SECONDS)
    process.send("\x03")
    process.expect(pexpect.EOF, timeout=SECONDS)
    process.close()
    assert process.exitstatus == 130 or process.signalstatus == 9


@pytest.mark.slow
def test_training_says_that_it_stops_and_keeps_a_checkpoint(tmp_path: Path) -> None:
    pytest.importorskip("jax", reason="jax is not installed")
    process = started("train", "nano", f"out={tmp_path / 'run'}", "steps=1000000")
    process.expect("step", timeout=250)
    process.send("\x03")
    process.expect(ANSWERED, timeout=SECONDS)
    try:
        process.expect(pexpect.EOF, timeout=SECONDS)
    except pexpect.TIMEOUT:  # a busy machine
        process.send("\x03")
        process.expect(pexpect.EOF, timeout=SECONDS)
    process.close()
    assert not process.isalive()


def test_building_a_corpus_is_stopped(tmp_path: Path) -> None:
    process = started("data", "build", "local-python", "--out", tmp_path / "corpus")
    process.expect(r"\d", timeout=120)
    process.send("\x03")
    process.expect([ANSWERED, pexpect.EOF], timeout=SECONDS)
    process.send("\x03")
    process.expect(pexpect.EOF, timeout=SECONDS)
    process.close()
    assert process.exitstatus == 130 or process.signalstatus in (2, 9)
