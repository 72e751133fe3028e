"""Checks before anything is written: that programs run and that prompts fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from multiturn.benchmarks.runner.config import SampleSettings
from multiturn.benchmarks.runner.generation import empty_completion
from multiturn.benchmarks.solver import (
    Action,
    Complete,
    Completions,
    CountTokens,
    DescribeRun,
    Execute,
    Generate,
    Reply,
    RunProgram,
    SolverContext,
    run_solver,
)
from multiturn.benchmarks.task import ArmSettings, Item, Task
from multiturn.core.errors import ContextOverflowError, SandboxUnavailableError
from multiturn.engines.protocol import Engine, Request
from multiturn.sandbox.isolation import IsolationLevel
from multiturn.sandbox.outcomes import Outcome, RunResult, Status
from multiturn.sandbox.protocol import Limits, Program, Sandbox
from multiturn.text.assembly import assemble
from multiturn.text.languages import Language, language

__all__ = ["PreflightReport", "check_engine", "check_sandbox"]

_LIMITS = Limits(cpu_seconds=60.0, wall_seconds=120.0)

_SPARE_TOKENS = 8
"""More than the start tokens of any known model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreflightReport:
    """The result of a dry run of some solvers."""

    programs: tuple[str, ...]
    """The distinct programs without any generated text: headers and prompts alone."""
    generations: dict[str, int]
    """The number of generations per sample, by the id of the item."""


def check_sandbox(sandbox: Sandbox, headers: Mapping[str, Iterable[str]]) -> None:
    """Check that programs run here and find what they import.

    Args:
        sandbox: must run them.
        headers: by language, programs without generated text.

    Raises:
        SandboxUnavailableError: it cannot run a program, or an import in a header fails.
        InputError: the tools of a language are not installed.
        MissingDependencyError: the package of its grammar is not installed.
    """
    for name, programs in headers.items():
        if language(name).grammar is None:
            _check_python(sandbox, programs)
        else:
            _check_tools(sandbox, language(name))


def _check_tools(sandbox: Sandbox, entry: Language) -> None:
    """Build and run the shortest program of a language."""
    source = assemble(entry.key, entry.header, [("", "")])
    outcome = sandbox.run(Program(source=source, language=entry.key), _LIMITS).outcome
    if not outcome.finished:
        raise SandboxUnavailableError(
            f"a program in {entry.name} that does nothing does not run here: {outcome.describe()}",
            fix="run `multiturn doctor`",
        )


def _check_python(sandbox: Sandbox, programs: Iterable[str]) -> None:
    lines = dict.fromkeys(line for program in programs for line in _imports(program))
    source = "\n".join([*lines, "answer = 6 * 7\n"])
    result = sandbox.run(Program(source=source, result="answer"), _LIMITS)
    if not result.outcome.finished:
        raise SandboxUnavailableError(
            f"the header of the benchmark's programs does not run here: "
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
    """Run every solver without an engine and check that its prompts fit the window.

    Generated text takes space as well. A sample that outgrows the window later is not an error:
    its steps record it.

    Raises:
        ContextOverflowError: a prompt and its maximum generation do not fit; names the prompt.
        InputError: a problem lacks what the arm needs.
    """
    programs: dict[str, None] = {}
    generations: dict[str, int] = {}
    defaults = SampleSettings()
    for item in items:
        generations[item.id] = 0

        def reply(action: Action, item: Item = item) -> Reply:
            match action:
                case Generate():
                    generations[item.id] += 1
                    _check_window(engine, item, action)
                    return empty_completion()
                case Complete(request):
                    generations[item.id] += request.n
                    _check_window(engine, item, request)
                    return Completions(tuple(empty_completion(at) for at in range(request.n)))
                case DescribeRun():
                    return SolverContext(
                        engine=engine.info,
                        isolation=IsolationLevel.FAKE,
                        temperature=defaults.temperature,
                        top_p=defaults.top_p,
                    )
                case CountTokens():
                    return 0
                case Execute() | RunProgram():
                    return RunResult(Outcome(Status.FINISHED), IsolationLevel.FAKE)

        programs[run_solver(task.solver(item, settings), reply).program] = None
    return PreflightReport(programs=tuple(programs), generations=generations)


def _check_window(engine: Engine, item: Item, request: Generate | Request) -> None:
    window = engine.info.context_window
    # Every token has at least one byte, and this is faster than counting.
    if (
        len(request.prompt.encode("utf-8", "replace")) + request.max_tokens + _SPARE_TOKENS
        <= window
    ):
        return
    tokens = engine.count_tokens(request.prompt, parse_special=request.parse_special)
    if tokens + request.max_tokens > window:
        raise ContextOverflowError(
            f"a prompt of {item.id} takes {tokens} tokens and up to {request.max_tokens} more are "
            f"to be written, which is more than the context window of {window}",
            fix="give a smaller --max-new-tokens or a larger --context, or leave the problem out",
        )


def _imports(program: str) -> Iterator[str]:
    """The imports at the beginning of a program."""
    for line in program.splitlines():
        if line.startswith(("import ", "from ")):
            yield line
        elif line.strip() and not line.startswith("#"):
            return
