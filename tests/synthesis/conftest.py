"""A sandbox that runs the tests' own programs in this process, and what is built on it."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

import pytest

from multiturn.engines.scripted import ScriptedEngine
from multiturn.sandbox.isolation import IsolationLevel
from multiturn.sandbox.outcomes import Outcome, RunResult, Status
from multiturn.sandbox.protocol import Limits, Program
from multiturn.synthesis.loop import Synthesizer
from multiturn.synthesis.store import SessionStore


class InProcessSandbox:
    """Runs programs that a test wrote, at once and here: quick, and isolates nothing."""

    isolation = IsolationLevel.FAKE

    def __init__(self) -> None:
        self.programs: list[str] = []
        self._lock = threading.Lock()  # printing is redirected for the entire process

    def run(self, program: Program, limits: Limits | None = None) -> RunResult:
        with self._lock:
            return self._run(program)

    def _run(self, program: Program) -> RunResult:
        self.programs.append(program.source)
        names: dict[str, object] = {"__name__": "__main__"}
        printed = io.StringIO()
        outcome, value = Outcome(Status.FINISHED), None
        try:
            code = compile(program.source, "program.py", "exec", dont_inherit=True)
            with contextlib.redirect_stdout(printed):
                exec(code, names)
                if program.result is not None:
                    value = eval(program.result, names)
        except SyntaxError as error:
            outcome = Outcome(Status.SYNTAX_ERROR, f"SyntaxError: {error.msg}", error.lineno)
        except Exception as error:
            assert error.__traceback__ is not None and error.__traceback__.tb_next is not None
            line = error.__traceback__.tb_next.tb_lineno
            outcome = Outcome(Status.RAISED, f"{type(error).__name__}: {error}", line)
        return RunResult(
            outcome=outcome,
            isolation=self.isolation,
            stdout=printed.getvalue().encode(),
            value=value,
        )

    def run_many(
        self, programs: Iterable[tuple[Program, Limits]]
    ) -> Iterator[tuple[int, RunResult]]:
        for index, (program, limits) in enumerate(programs):
            yield index, self.run(program, limits)

    def close(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


@pytest.fixture
def sandbox() -> InProcessSandbox:
    return InProcessSandbox()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SessionStore]:
    with SessionStore(tmp_path / "sessions.sqlite3") as opened:
        yield opened


@pytest.fixture
def synthesizer(sandbox: InProcessSandbox, store: SessionStore) -> Synthesizer:
    """Writes whatever `SCRIPT` says, in the comment style."""
    engine = ScriptedEngine(
        {
            "Set x": "x = 2\n",
            "Double x": ["x = x + x + 1\nprint(x)\n", "x *= 2\nprint(x)\n", "x = y\n"],
            "Break": "x = undefined\n",
            "Corrected:": "x = 7\n",
            "Define area": [
                "def area(a, b):\n    return a + b\n",
                "def area(a, b):\n    return a * b\n",
            ],
        }
    )
    return Synthesizer(engine, sandbox, store, model="scripted:test")
