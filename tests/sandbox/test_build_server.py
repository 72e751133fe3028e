"""The warm process that forks one for each program of a toolchain: what happens when it dies."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from multiturn.core.errors import SandboxUnavailableError
from multiturn.sandbox.compiled.child import BuildAndRunChild
from multiturn.sandbox.isolation import IsolationLevel
from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.outcomes import Status
from multiturn.sandbox.protocol import Limits, Program, Sandbox

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which("gcc") is None, reason="c is not installed"),
]

SEVEN = '#include <stdio.h>\nint main(void) { puts("7"); }\n'
# It outlasts any limit, so that it is there when its server dies.
SLEEP = "#include <unistd.h>\nint main(void) { sleep(600); }\n"


@pytest.fixture(params=["NAMESPACES", "SHARED_NAMESPACES", "LANDLOCK"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    try:
        opened = open_sandbox(isolation=IsolationLevel[request.param], workers=1)
    except SandboxUnavailableError as error:
        pytest.skip(str(error))
    with opened:
        yield opened


def run(sandbox: Sandbox, source: str, limits: Limits | None = None):
    return sandbox.run(Program(source=source, language="c"), limits or Limits(wall_seconds=300))


def children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def names(processes: set[psutil.Process]) -> list[str]:
    found = []
    for each in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            found.append(each.name())
    return found


def holds_soon(condition: Callable[[], bool]) -> bool:
    """Whether something comes true; what has been killed takes a moment to disappear."""
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_one_server_serves_many_programs_and_ends_with_the_sandbox(sandbox):
    earlier = children()
    sandbox.warm_languages()
    servers = children() - earlier
    assert servers
    for _ in range(2):
        assert run(sandbox, SEVEN).stdout == b"7\n"
        assert holds_soon(lambda: children() - earlier == servers)
    sandbox.close()
    assert holds_soon(lambda: not children() & servers)
    with pytest.raises(SandboxUnavailableError, match="closed"):
        run(sandbox, SEVEN)


def test_a_program_whose_server_dies_runs_again(sandbox, monkeypatch):
    killed = []
    receive = BuildAndRunChild._receive

    def receive_and_kill(child):
        more = receive(child)
        if not killed and {"begins": "run"} in child.events:
            killed.append(child._server.process.pid)
            os.kill(killed[0], signal.SIGKILL)
        return more

    monkeypatch.setattr(BuildAndRunChild, "_receive", receive_and_kill)
    # The program sleeps for longer than it may, so that it is there when its server dies.
    result = run(sandbox, SLEEP, Limits(wall_seconds=10))
    assert (result.outcome.status, result.retries) == (Status.TIMED_OUT_WALL, 1)
    assert killed and "restarted" in result.notes[-1]
    assert holds_soon(lambda: "program" not in names(children()))


def test_a_program_gets_no_descriptor_of_the_server(sandbox):
    source = """#include <fcntl.h>
        #include <stdio.h>
        int main(void) {
            for (int fd = 3; fd < 1024; fd++) if (fcntl(fd, F_GETFD) >= 0) printf("%d ", fd);
            puts("end");
        }\n"""
    assert run(sandbox, source).stdout == b"end\n"
