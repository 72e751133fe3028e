"""What is found out before anything is written: that programs run, and that prompts fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from multiturn.benchmarks.runner.generation import empty_completion
from multiturn.benchmarks.solver import Action, Generate, Reply, run_solver
from multiturn.benchmarks.task import ArmSettings, Item, Task
from multiturn.core.errors import ContextOverflowError, SandboxUnavailableError
from multiturn.engines.protocol import Engine
from multiturn.sandbox.isolation import IsolationLevel
from multiturn.sandbox.outcomes import Outcome, RunResult, Status
from multiturn.sandbox.protocol import Limits, Program, Sandbox

__all__ = ["PreflightReport", "check_engine", "check_sandbox"]

_SPARE_TOKENS = 8
"""More than the start tokens of any known model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreflightReport:
    """What going through the dialogues of some items has shown."""

    programs: tuple[str, ...]
    """What the dialogues come to with nothing written: the headers and prompts alone, each once."""
    asks: dict[str, int]
    """How many texts a sample of an item takes, by the item's id."""


def check_sandbox(sandbox: Sandbox, headers: Iterable[str]) -> None:
    """Make sure that programs run here, and find what they import.

    Args:
        sandbox: has to run them.
        headers: programs in which a model has written nothing yet.

    Raises:
        SandboxUnavailableError: it cannot run a program, or an import of a header fails.
    """
    lines = dict.fromkeys(line for header in headers for line in _imports(header))
    source = "\n".join([*lines, "answer = 6 * 7\n"])
    limits = Limits(cpu_seconds=60.0, wall_seconds=120.0)
    result = sandbox.run(Program(source=source, result="answer"), limits)
    if not result.outcome.finished:
        raise SandboxUnavailableError(
            f"what the benchmark's programs begin with does not run here: "
            f"{result.outcome.describe()}",
            fix="pip install 'multiturn[science]' for numpy and pandas",
        )
    if result.value != 42:
        raise SandboxUnavailableError(
            "the sandbox gives a wrong result", got=result.value, fix="run `multiturn doctor`"
        )


def check_engine(
    engine: Engine, task: Task, items: Iterable[Item], settings: ArmSettings
) -> PreflightReport:
    """Go through every dialogue with nothing written, and make sure that its prompts fit.

    What a model writes takes room as well; a dialogue that outgrows the window on its way is
    no fault of the run, and its steps say so.

    Raises:
        ContextOverflowError: a prompt and what may be written after it do not fit; says which.
        InputError: a problem lacks what the arm needs.
    """
    programs: dict[str, None] = {}
    asks: dict[str, int] = {}
    for item in items:
        asks[item.id] = 0

        def reply(action: Action, item: Item = item) -> Reply:
            if isinstance(action, Generate):
                asks[item.id] += 1
                _check_room(engine, item, action)
                return empty_completion()
            return RunResult(Outcome(Status.FINISHED), IsolationLevel.FAKE)

        programs[run_solver(task.solver(item, settings), reply).program] = None
    return PreflightReport(programs=tuple(programs), asks=asks)


def _check_room(engine: Engine, item: Item, ask: Generate) -> None:
    window = engine.info.context_window
    # No token is shorter than a byte, and counting takes longer than this.
    if len(ask.prompt.encode("utf-8", "replace")) + ask.max_tokens + _SPARE_TOKENS <= window:
        return
    tokens = engine.count_tokens(ask.prompt)
    if tokens + ask.max_tokens > window:
        raise ContextOverflowError(
            f"a prompt of {item.id} takes {tokens} tokens and up to {ask.max_tokens} more are to "
            f"be written, which is more than the context window of {window}",
            fix="say a smaller --max-new-tokens or a larger --context, or leave the problem out",
        )


def _imports(program: str) -> Iterator[str]:
    """The imports that a program begins with."""
    for line in program.splitlines():
        if line.startswith(("import ", "from ")):
            yield line
        elif line.strip() and not line.startswith("#"):
            return
