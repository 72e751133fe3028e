"""Failures of the sandbox itself: killed fork-servers lose no result, and nothing is left."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import threading

import psutil
import pytest

from multiturn.core.errors import SandboxUnavailableError
from multiturn.sandbox.isolation import IsolationLevel, NamespaceProvider
from multiturn.sandbox.open import ISOLATED, open_sandbox, probe_level
from multiturn.sandbox.outcomes import Outcome, Status
from multiturn.sandbox.probe import ProbeResult
from multiturn.sandbox.protocol import Limits, Program, Sandbox
from multiturn.sandbox.specs import ChildSpec

pytestmark = pytest.mark.real

KILLS = (8, 12, 16)
"""After so many results; see `MAX_TRIES`."""

AWHILE = "import time\ntime.sleep(0.3)\nprint({number})"


def helpers() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def warm_parents() -> list[psutil.Process]:
    """Fork-servers, and what stands between them and this process; no program among them."""
    found = []
    for process in helpers():
        try:
            if process.ppid() == os.getpid() or process.children():
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def open_or_skip(level: IsolationLevel, **options) -> Sandbox:
    try:
        return open_sandbox(isolation=level, **options)
    except SandboxUnavailableError as error:
        pytest.skip(str(error))


def kill_all(processes: list[psutil.Process]) -> None:
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


@pytest.mark.parametrize(
    "level",
    [ISOLATED[0], *(pytest.param(level, marks=pytest.mark.slow) for level in ISOLATED[1:])],
    ids=lambda level: level.name,
)
@pytest.mark.parametrize("all_workers", [False, True], ids=["one", "all workers"])
def test_a_kill_in_the_middle_of_a_batch_loses_no_result(level, all_workers):
    before = {process.pid for process in helpers()}
    with open_or_skip(level, workers=2) as sandbox:
        batch = [(Program(source=AWHILE.format(number=n)), Limits()) for n in range(24)]
        results = {}
        for index, result in sandbox.run_many(batch):
            results[index] = result
            # Fewer kills than a program is tried: each of them may hit the same one.
            if len(results) in KILLS:
                victims = helpers() if all_workers else warm_parents()
                victims = [each for each in victims if each.pid not in before]
                # None is left where all of them are being started again at this moment.
                kill_all(victims if all_workers else random.sample(victims, k=min(1, len(victims))))
        assert sorted(results) == list(range(24))
        for index, result in results.items():
            assert result.outcome == Outcome(Status.FINISHED)
            assert result.stdout == f"{index}\n".encode()
        again = [result for result in results.values() if result.retries]
        assert again, "nothing was running when the fork-servers were killed"
        for result in again:
            assert any("sandbox failed" in note for note in result.notes)
    assert {process.pid for process in helpers()} <= before


@pytest.mark.slow
@pytest.mark.parametrize("level", ISOLATED, ids=lambda level: level.name)
def test_kills_at_random_moments_lose_no_result(level):
    before = {process.pid for process in helpers()}
    with open_or_skip(level, workers=2) as sandbox:
        ended = threading.Event()

        def hunt() -> None:
            while not ended.wait(random.uniform(1, 3)):
                victims = [each for each in warm_parents() if each.pid not in before]
                kill_all(random.sample(victims, k=min(1, len(victims))))

        hunter = threading.Thread(target=hunt)
        hunter.start()
        try:
            batch = [(Program(source=AWHILE.format(number=n)), Limits()) for n in range(300)]
            results = dict(sandbox.run_many(batch))
        finally:
            ended.set()
            hunter.join()
    assert [results[n].stdout for n in range(300)] == [f"{n}\n".encode() for n in range(300)]
    assert any(result.retries for result in results.values())


def test_a_session_reports_a_killed_fork_server():
    before = {process.pid for process in helpers()}
    with open_sandbox(workers=1) as sandbox:
        program = Program(source="import time\ndef wait(): time.sleep(30)")
        with sandbox.open_session(program) as candidate:
            victims = [each for each in helpers() if each.pid not in before]
            threading.Timer(0.3, kill_all, [victims]).start()
            with pytest.raises(SandboxUnavailableError, match="during a call"):
                candidate.call("wait")
            assert not candidate.alive
        with sandbox.open_session(program) as candidate:
            assert candidate.alive


def test_nothing_runs_after_close_and_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = {process.pid for process in helpers()}
    sandbox = open_sandbox(workers=1)
    candidate = sandbox.open_session(Program(source="open('left', 'w').write('x')"))
    sandbox.close()
    sandbox.close()
    candidate.close()
    assert {process.pid for process in helpers()} == before
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SandboxUnavailableError, match="closed"):
        sandbox.run(Program(source=""))


OWNER = """
import sys, threading
from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.isolation import IsolationLevel
from multiturn.sandbox.protocol import Program
sandbox = open_sandbox(isolation=IsolationLevel[sys.argv[1]], workers=1)
for source in ("import time; time.sleep(60)", "while True: pass"):
    threading.Thread(target=sandbox.run, args=[Program(source=source)], daemon=True).start()
import time; time.sleep(1)
print("running", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("level", ISOLATED, ids=lambda level: level.name)
def test_all_ends_with_a_supervisor_that_is_killed(level):
    if not probe_level(level).works:
        pytest.skip("the level does not work here")
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, level.name], stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"running\n"
        its = psutil.Process(owner.pid).children(recursive=True)
        assert len(its) >= 3
        owner.send_signal(signal.SIGKILL)
        _, alive = psutil.wait_procs(its, timeout=300)
        assert alive == []


def test_a_child_that_never_starts_is_a_fault_and_ends_in_an_error(sandbox, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(ChildSpec, "to_bytes", lambda self: b"{}")
        with pytest.raises(SandboxUnavailableError, match="4 times"):
            sandbox.run(Program(source="x = 1"))
    assert sandbox.run(Program(source="x = 1")).retries == 0, "the fork-server lives on"


def test_the_default_refuses_where_nothing_isolates(monkeypatch):
    monkeypatch.setattr(
        "multiturn.sandbox.open._open_level",
        lambda level, **_: (
            None,
            ProbeResult(level, NamespaceProvider.NONE, False, "no such kernel"),
        ),
    )
    with pytest.raises(SandboxUnavailableError, match=r"no such kernel.*fix: .*bubblewrap"):
        open_sandbox()


def test_limits_alone_are_refused_unless_said():
    with pytest.raises(SandboxUnavailableError, match="--unsafe"):
        open_sandbox(isolation=IsolationLevel.LIMITS_ONLY)
    with open_sandbox(isolation=IsolationLevel.LIMITS_ONLY, unsafe=True, workers=1) as sandbox:
        result = sandbox.run(Program(source="import os; print(os.getuid())"))
        assert result.outcome.finished
        assert result.isolation is IsolationLevel.LIMITS_ONLY
        if os.geteuid() == 0:
            assert result.stdout == b"65534\n", "root is given up even here"


def test_a_probe_that_escapes_fails_its_level():
    tried = probe_level(IsolationLevel.LIMITS_ONLY)
    assert tried.works
    assert "read a file of the user" in tried.reason or os.geteuid() == 0
    assert "opened a socket" in tried.reason


def test_declared_isolation_is_in_every_result():
    with open_sandbox(workers=1, declared="a container") as sandbox:
        assert sandbox.run(Program(source="")).notes == ("declared isolation: a container",)


def test_side_by_side_is_side_by_side():
    with open_sandbox(workers=2) as sandbox:
        source = "from time import *\nprint(monotonic())\nsleep(1)\nprint(monotonic())"
        batch = [(Program(source=source), Limits())] * 4
        results = [result for _, result in sandbox.run_many(batch)]
    spans = sorted(tuple(map(float, result.stdout.split())) for result in results)
    assert len(spans) == 4
    # Some program began before the one before it had ended; on a busy machine not the second.
    assert any(later[0] < earlier[1] for earlier, later in itertools.pairwise(spans))
