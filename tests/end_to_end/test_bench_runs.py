"""`multiturn bench` as a process: stopped, doubled, and gone on with."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(sys.executable).with_name("multiturn")
SMALL = ("--limit", "2", "--cases", "2", "-n", "2", "-t", "0.8")


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    """A script that answers anything; tests make it slow and quick."""
    return tmp_path / "any.jsonl"


def write(path: Path, pace: float) -> str:
    """The script's pace does not change what it says, but its file is part of a run's record."""
    lines: list[dict[str, Any]] = [
        {"settings": {"slots": 2, "seconds_per_token": pace}},
        {"answers": ["x = 1\nprint(x)\n", "print('nothing')\n", "y = = 2\n"]},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return f"scripted:{path}"


Process = subprocess.Popen[str]
Start = Callable[..., Process]


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    """Starts `multiturn bench`; ends what still runs afterwards."""
    started: list[Process] = []

    def begin(model: str, out: Path, *, in_flight: int = 12) -> Process:
        effort = ("--in-flight", str(in_flight))
        started.append(
            subprocess.Popen(
                [SCRIPT, "bench", "own", "-m", model, "-o", str(out), *SMALL, *effort],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def expected(start: Start, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The complete file of a run that nobody disturbed."""
    place = tmp_path_factory.mktemp("whole")
    _, printed = start(write(place / "any.jsonl", 0.0), place / "runs").communicate(timeout=120)
    assert printed == ""
    (found,) = place.rglob("samples.jsonl")
    return found.read_bytes()


def wait_for_samples(out: Path, process: subprocess.Popen[Any], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        if any(path.stat().st_size for path in out.rglob("samples.partial.jsonl")):
            return
        time.sleep(0.02)
    raise AssertionError(f"no sample was written: {process.communicate()}")


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, -9, marks=pytest.mark.slow),
    ],
)
def test_stopped_and_gone_on_with(answers, tmp_path, start, expected, number, code):
    model = write(answers, 0.05)
    broken = tmp_path / "broken"
    process = start(model, broken, in_flight=2)
    wait_for_samples(broken, process)
    process.send_signal(number)
    _, printed = process.communicate(timeout=300)
    assert process.returncode == code
    if number != signal.SIGKILL:
        assert printed == "stopped; the same command resumes\n"
    assert not list(broken.rglob("samples.jsonl"))
    rest = start(model, broken)
    out, printed = rest.communicate(timeout=120)
    assert rest.returncode == 0, printed
    assert "resuming: " in out
    (found,) = broken.rglob("samples.jsonl")
    assert found.read_bytes() == expected
    assert found.read_bytes().count(b"\n") == 8


@pytest.mark.slow
def test_a_second_runner_is_refused(answers, tmp_path, start):
    model = write(answers, 0.25)
    first = start(model, tmp_path / "runs", in_flight=2)
    wait_for_samples(tmp_path / "runs", first)
    second = start(model, tmp_path / "runs")
    _, printed = second.communicate(timeout=300)
    assert second.returncode == 2
    assert printed.startswith("error: another process is working on this run")
    assert printed.count("\n") == 1
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=300)
    assert first.returncode == 130


def test_where_nothing_can_run_programs_nothing_is_written(answers, tmp_path):
    """Without namespaces, Landlock or bubblewrap the command says so at once."""
    model = write(answers, 0.0)
    program = (
        "import sys\n"
        "from multiturn.sandbox import open as opening\n"
        "opening.ISOLATED = ()\n"
        "from multiturn.apps.cli.main import run\n"
        "sys.exit(run(sys.argv[1:]))\n"
    )
    out = tmp_path / "runs"
    command = [sys.executable, "-c", program, "bench", "own", "-m", model, "-o", out, *SMALL]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert done.stderr.startswith("error: programs cannot be run in isolation here")
    assert done.stderr.count("\n") == 1
    assert not out.exists()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_real_model_makes_the_same_file_in_one_go_and_in_pieces(family_model, tmp_path):
    """The native engine's texts depend on the request alone, so its runs are the same too."""
    small = ("--limit", "4", "--cases", "1", "-n", "2", "--max-new-tokens", "16", "-t", "0.6")
    command = [SCRIPT, "bench", "own", "-m", str(family_model), "--engine", "jax", *small]
    subprocess.run([*command, "-o", tmp_path / "whole"], check=True, timeout=1500)
    process = subprocess.Popen([*command, "-o", str(tmp_path / "broken")])
    wait_for_samples(tmp_path / "broken", process, seconds=1500)
    process.kill()
    process.wait()
    subprocess.run([*command, "-o", tmp_path / "broken"], check=True, timeout=1500)
    (expected,) = (tmp_path / "whole").rglob("samples.jsonl")
    (found,) = (tmp_path / "broken").rglob("samples.jsonl")
    assert found.read_bytes() == expected.read_bytes()
