"""What plain Python runs, runs the same in the sandbox, at every isolation level."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from multiturn.sandbox.outcomes import RunResult, Status
from multiturn.sandbox.protocol import Limits, Program, Sandbox

pytestmark = pytest.mark.real

HERE = Path(__file__).parent / "plain"
LIMITS = Limits(cpu_seconds=20, wall_seconds=120)
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "TERM": "dumb",
}


@dataclass(frozen=True)
class Case:
    name: str
    source: str
    stdin: bytes


@dataclass(frozen=True)
class Ended:
    """What a person sees of a program that has ended."""

    stdout: bytes
    exit: int
    complaint: str
    """The last line of standard error where it left with an error."""


def cases(theme: str) -> list[Case]:
    """The programs of a file: each after a line ``#### name``, maybe with ``stdin=`` on it."""
    text = (HERE / f"{theme}.txt").read_text(encoding="utf-8")
    found = []
    for part in ("\n" + text).split("\n#### ")[1:]:
        head, _, source = part.partition("\n")
        name, _, stdin = head.partition(" stdin=")
        if stdin.startswith("@"):
            data = (b"0123456789\n" * int(stdin[1:]))[: int(stdin[1:])]
        else:
            data = stdin.encode("ascii").decode("unicode_escape").encode("latin-1")
        found.append(Case(name, source.replace("\\r\n", "\r\n") + "\n", data))
    return found


THEMES = sorted(path.stem for path in HERE.glob("*.txt"))


def test_there_are_enough_programs():
    names = [case.name for theme in THEMES for case in cases(theme)]
    assert len(names) == len(set(names)) >= 150


@pytest.fixture(scope="module")
def plainly(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, dict[str, Ended]]:
    """What each program does under the interpreter alone, once for all levels."""
    place = tmp_path_factory.mktemp("plain")

    def run(case: Case) -> Ended:
        directory = place / case.name
        directory.mkdir()
        (directory / "program.py").write_bytes(case.source.encode())
        (place / f"tmp-{case.name}").mkdir()
        tmp = {"TMPDIR": str(place / f"tmp-{case.name}"), "HOME": str(directory)}
        ended = subprocess.run(
            [sys.executable, "program.py"],
            input=case.stdin,
            capture_output=True,
            cwd=directory,
            env=ENVIRONMENT | tmp,
            timeout=300,
        )
        return _ended(ended.stdout, ended.returncode, ended.stderr)

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return {
            theme: dict(
                zip((case.name for case in cases(theme)), pool.map(run, cases(theme)), strict=True)
            )
            for theme in THEMES
        }


def _ended(stdout: bytes, code: int, stderr: bytes) -> Ended:
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    return Ended(stdout, code, lines[-1] if code > 0 and lines else "")


def _of(result: RunResult) -> Ended:
    outcome = result.outcome
    code = {
        Status.FINISHED: 0,
        Status.RAISED: 1,
        Status.SYNTAX_ERROR: 1,
        Status.OUT_OF_MEMORY: 1,
        Status.EARLY_EXIT: outcome.exit_code,
        Status.KILLED: -signal.Signals[outcome.signal].value if outcome.signal else None,
    }[outcome.status]
    assert code is not None
    return _ended(result.stdout, code, result.stderr)


# Where plain Python is left by a signal of its own making, for which a shell shows 128 + 2.
INTERRUPTED = {"raise_keyboard": -signal.SIGINT}


@pytest.mark.parametrize("theme", THEMES)
def test_it_is_the_same_in_the_sandbox(
    sandbox: Sandbox, plainly: Mapping[str, dict[str, Ended]], theme: str
):
    if theme == "science":
        pytest.importorskip("numpy")
        pytest.importorskip("pandas")
    programs = cases(theme)
    results = dict(
        sandbox.run_many(
            (Program(source=case.source, stdin=case.stdin), LIMITS) for case in programs
        )
    )
    differences = []
    for at, case in enumerate(programs):
        here, there = _of(results[at]), plainly[theme][case.name]
        if case.name in INTERRUPTED:
            assert there.exit == INTERRUPTED[case.name]
            there = Ended(there.stdout, here.exit, here.complaint)
        if here != there:
            differences.append(f"{case.name}\n  plain:   {there}\n  sandbox: {here}")
    assert not differences, "\n".join(differences)
