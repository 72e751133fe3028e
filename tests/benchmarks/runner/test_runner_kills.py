"""A real process with the real sandbox, ended in every way there is, again and again."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from multiturn.benchmarks.runner.directory import COMPLETE, PARTIAL
from multiturn.benchmarks.runner.results import find_runs, read_run

pytestmark = pytest.mark.slow

TOY = Path(__file__).with_name("runner_toy.py")
ARMS = ("turns", "feedback")
SAMPLES = 72


PATIENCE = 250
"""Seconds for one process to come to its end; a few, on a quiet machine."""


@contextlib.contextmanager
def started(place: Path, pace: float) -> Iterator[subprocess.Popen[str]]:
    """The runner in a process of its own."""
    command = [sys.executable, str(TOY), str(place), str(pace)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def finish(place: Path) -> None:
    with started(place, 0.0) as process:
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said


def files_of(place: Path) -> dict[str, bytes]:
    return {arm: (place / arm / COMPLETE).read_bytes() for arm in ARMS}


def saved(place: Path) -> int:
    """How many samples are on disk; each must be complete."""
    if not place.exists() or not any(place.rglob("run.json")):
        return 0
    return sum(len(read_run(path).samples) for path in find_runs(place))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    place = tmp_path_factory.mktemp("uninterrupted")
    finish(place)
    return files_of(place)


def size_of(place: Path) -> int:
    """Bytes of samples on the disk."""
    size = 0
    for path in place.rglob("samples*"):
        with contextlib.suppress(FileNotFoundError):  # renamed meanwhile
            size += path.stat().st_size
    return size


def wait_for_bytes(process: subprocess.Popen[str], place: Path, more: float) -> None:
    """Wait until so many bytes of samples were added, however fast the machine is."""
    goal = size_of(place) + more
    while size_of(place) < goal and process.poll() is None:
        time.sleep(0.002)


def kill_at_random(place: Path, rounds: int, expected: dict[str, bytes]) -> None:
    """Kill it so often, mostly while it writes samples; each has some 700 bytes."""
    chance = random.Random(20220325)
    grown = before = 0
    for round_ in range(rounds):
        with started(place, 0.02) as process:
            if round_ % 4:  # else in the middle of starting
                wait_for_bytes(process, place, chance.uniform(0, 3000))
                time.sleep(chance.uniform(0, 0.02))
            else:
                time.sleep(chance.uniform(0, 1.0))
        there = saved(place)
        assert there >= before
        grown += there > before
        before = there
        if process.returncode != -signal.SIGKILL:  # it was complete: from the beginning
            assert files_of(place) == expected
            shutil.rmtree(place)
            before = 0
    assert grown >= rounds // 4
    finish(place)
    assert files_of(place) == expected
    assert not list(place.rglob(PARTIAL))


def test_killed_at_random_moments(tmp_path, uninterrupted):
    kill_at_random(tmp_path / "run", 5, uninterrupted)


@pytest.mark.timeout(1800)
def test_killed_fifty_times(tmp_path, uninterrupted):
    kill_at_random(tmp_path / "run", 50, uninterrupted)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_it_keeps_what_is_done(tmp_path, uninterrupted, number):
    with started(tmp_path, 0.02) as process:
        wait_for_bytes(process, tmp_path, 700)
        process.send_signal(number)
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert 0 < saved(tmp_path) < SAMPLES
    finish(tmp_path)
    assert files_of(tmp_path) == uninterrupted


def test_a_second_runner_is_refused(tmp_path, uninterrupted):
    with started(tmp_path, 5.0) as first:
        assert first.stdout is not None
        first.stdout.readline()
        with started(tmp_path, 0.0) as second:
            _, said = second.communicate(timeout=PATIENCE)
        assert second.returncode == 2
        assert "another process is working" in said
        assert said.count("\n") == 1
        assert first.poll() is None
    finish(tmp_path)
    assert files_of(tmp_path) == uninterrupted


@pytest.fixture
def small_disk(disk_of: Callable[[str], Path]) -> Path:
    """A real file system on which the samples do not all have room."""
    return disk_of("512k")


@pytest.mark.parametrize("room_kib", [24, 60, 100])
def test_a_full_disk(small_disk, uninterrupted, room_kib):
    """It fills up among the samples, or where the complete file is written beside them."""
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * ((512 - room_kib) * 1024))
    with started(small_disk / "run", 0.0) as process:
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert said.count("\n") == 1
    assert "no space left" in said
    assert "fix: " in said
    assert "same command" in said
    before = saved(small_disk / "run")
    assert before > 0
    filler.unlink()
    finish(small_disk / "run")
    assert files_of(small_disk / "run") == uninterrupted


def test_the_processes_of_the_sandbox_killed_under_way(tmp_path, uninterrupted):
    """Fork-servers that die are replaced, and no program is judged by their death."""
    with started(tmp_path, 0.02) as process:
        assert process.stdout is not None
        process.stdout.readline()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for child in children:
            os.kill(int(child), signal.SIGKILL)
        process.communicate(timeout=PATIENCE)
    if process.returncode:  # it may also have said that the sandbox failed too often
        assert process.returncode == 2
        finish(tmp_path)
    assert children
    assert files_of(tmp_path) == uninterrupted
