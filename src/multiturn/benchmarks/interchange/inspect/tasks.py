"""The multi-turn sets as a task of Inspect: ``inspect eval .../tasks.py@multiturn -T arm=turns``.

Inspect generates with any model; prompts, truncation, sandbox and oracles are this project's.
Inspect uses chat models: each generation is a conversation with an instruction to continue the
program so far, which is the message of the user.
"""

# Inspect is not a dependency, so its types are unknown here.
# mypy: disable-error-code="import-not-found, untyped-decorator, unused-ignore"

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import Any

from multiturn.benchmarks.interchange.replay import as_completion
from multiturn.benchmarks.loaders.open_task import open_task
from multiturn.benchmarks.solver import Execute, Generate, Reply, Solution, Solver
from multiturn.benchmarks.task import ArmSettings, Item
from multiturn.benchmarks.task import Task as Benchmark
from multiturn.core.errors import InputError, MissingDependencyError
from multiturn.engines.protocol import FinishReason
from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.protocol import Limits, Program, Sandbox

try:
    from inspect_ai import Task, task
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.model import (
        ChatMessageSystem,
        ChatMessageUser,
        GenerateConfig,
        get_model,
    )
    from inspect_ai.scorer import Score, accuracy, scorer, stderr
    from inspect_ai.solver import solver
except ImportError:
    # The module can be imported without Inspect; its use reports what is missing.
    def task(*_: object, **__: object) -> Any:
        """Replace Inspect's decorators."""

        def refuse(*_: object, **__: object) -> Any:
            raise MissingDependencyError("inspect-ai", extra="inspect", purpose="this task")

        return refuse

    solver = accuracy = stderr = task

    def scorer(**_: object) -> Any:
        """Replace Inspect's decorator with options."""
        return task


__all__ = ["multiturn"]

INSTRUCTION = (
    "You continue Python programs. Answer with the code that comes next and does what the last "
    "comment asks for. Do not repeat what is there already, and explain nothing."
)
_PROGRAM = "multiturn_program"


@task
def multiturn(
    benchmark: str = "own",
    arm: str = "turns",
    truncation: str = "parse",
    cases: int | None = None,
    path: str | None = None,
) -> Task:
    """The task.

    Args:
        benchmark: `own`, `bioinformatics` or `mtpb`.
        arm: one of this project's arms.
        truncation: `published`, `parse`, `next_prompt` or `none`; chat models write fences,
            which only `parse` and `next_prompt` understand.
        cases: the first so many cases of each problem.
        path: the file of `mtpb`.
    """
    found = open_task(benchmark, arm=arm, path=Path(path) if path else None)
    settings = ArmSettings(truncation=truncation)  # type: ignore[arg-type]
    items = [item for item in found.items() if cases is None or item.case < cases]
    dataset = MemoryDataset(
        [Sample(id=item.id, input=_first_prompt(found, item, settings)) for item in items],
        name=f"multiturn {benchmark}",
    )
    return Task(
        dataset=dataset,
        solver=run_arm(found, settings),
        scorer=oracles(found),
        metadata={
            "problems_sha256": found.problems_sha256,
            "arm": arm,
            "truncation": settings.truncation,
        },
    )


@solver
def run_arm(benchmark: Benchmark, settings: ArmSettings) -> Any:
    """Run the solver of the arm; its program is stored for the scorer."""
    items = {item.id: item for item in benchmark.items()}

    async def solve(state: Any, generate: Any) -> Any:
        del generate  # it would answer the complete conversation at once
        solver = benchmark.solver(items[str(state.sample_id)], settings)
        state.store.set(_PROGRAM, (await _run_solver(solver, state, benchmark.limits)).program)
        return state

    return solve


async def _run_solver(solver: Solver, state: Any, limits: Limits) -> Solution:
    """Run a solver to completion."""
    reply: Reply
    try:
        action = next(solver)
        while True:
            if isinstance(action, Generate):
                reply = await _generate(action, state)
            elif not isinstance(action, Execute):
                raise _not_here()
            else:
                program = Program(source=action.source, seed=0)
                reply = await asyncio.to_thread(_sandbox().run, program, limits)
            action = solver.send(reply)
    except StopIteration as ended:
        solution: Solution = ended.value
        return solution


async def _generate(action: Generate, state: Any) -> Reply:
    messages = [ChatMessageSystem(content=INSTRUCTION), ChatMessageUser(content=action.prompt)]
    output = await get_model().generate(
        messages, config=GenerateConfig(max_tokens=action.max_tokens)
    )
    state.messages = [*messages, output.message]
    state.output = output
    usage = output.usage
    return as_completion(
        output.completion,
        action.stop,
        prompt_tokens=usage.input_tokens if usage else 0,
        new_tokens=usage.output_tokens if usage else 0,
        reason=FinishReason.LENGTH
        if output.stop_reason == "max_tokens"
        else FinishReason.END_OF_TEXT,
    )


@scorer(
    metrics={
        "strict": [accuracy(), stderr()],
        "legacy": [accuracy(), stderr()],
    }
)
def oracles(benchmark: Benchmark) -> Callable[[Any, Any], Awaitable[Any]]:
    """The verdicts of both oracles on the program."""
    items = {item.id: item for item in benchmark.items()}

    async def score(state: Any, target: Any) -> Any:
        del target
        program = state.store.get(_PROGRAM)
        item = items[str(state.sample_id)]
        verdicts = await asyncio.to_thread(benchmark.judge, item, program, _sandbox())
        return Score(
            value={name: float(verdict.passed) for name, verdict in verdicts.items()},
            answer=program,
            explanation="; ".join(f"{name}: {v.describe()}" for name, v in verdicts.items()),
        )

    return score


@cache
def _sandbox() -> Sandbox:
    """One sandbox for all samples; its workers end with the process."""
    return open_sandbox()


def _first_prompt(benchmark: Benchmark, item: Item, settings: ArmSettings) -> str:
    action = next(benchmark.solver(item, settings))
    if isinstance(action, Generate):
        return action.prompt
    if isinstance(action, Execute):
        return action.source
    raise _not_here()


def _not_here() -> InputError:
    return InputError(
        "this arm chooses its own sampling or chat template, which only `multiturn bench` has",
        fix="choose another arm",
    )
