"""A small benchmark for tests of the runner, and a program that runs it.

    python runner_toy.py DIRECTORY [SECONDS_PER_TOKEN]

Every problem asks for a number in a few turns. What the scripted engine writes depends on
the prompt and the seed; some of it is wrong, some fails, and one program says where an object
lies in memory, which differs from run to run.
"""

from __future__ import annotations

import hashlib
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event as Flag
from typing import Any

from multiturn.benchmarks.runner.config import SampleSettings, Selection, describe_run
from multiturn.benchmarks.runner.run import Concurrency, Invocation, run_specs
from multiturn.benchmarks.runner.run_spec import RunSpec
from multiturn.benchmarks.solver import Execute, Generate, Generation, Solution, Solver
from multiturn.benchmarks.task import ArmSettings, Item
from multiturn.core.errors import MultiturnError
from multiturn.engines.protocol import Engine, Request
from multiturn.engines.scripted import ScriptedEngine, ScriptSettings
from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.oracles.verdicts import Verdict, check_stdout
from multiturn.sandbox.protocol import Limits, Program, Sandbox
from multiturn.text.truncation import StopStrings

HEADER = "import math\n"


@dataclass(frozen=True)
class ToyTask:
    """Problem p has p % 3 + 2 turns; the answer of case c is p + c."""

    problems: int = 6
    cases: int = 2
    arm: str = "turns"
    name: str = "toy"
    language: str = "python"
    problems_sha256: str = "toy"
    oracles: tuple[str, ...] = ("strict", "legacy")
    limits: Limits = field(default_factory=Limits)

    def items(self) -> Sequence[Item]:
        return [
            Item(id=f"toy/{p}/{c}", problem=f"toy/{p}", case=c, turns=p % 3 + 2, category="math")
            for p in range(self.problems)
            for c in range(self.cases)
        ]

    def solver(self, item: Item, settings: ArmSettings) -> Solver:
        return self._solver(item, settings.max_new_tokens or 40)

    def _solver(self, item: Item, max_tokens: int) -> Solver:
        program, steps = HEADER, []
        for turn in range(item.turns or 1):
            prompt = f"{program}# Turn {turn} of {item.id}.\n"
            done: Any = yield Generate(
                prompt=prompt, max_tokens=max_tokens, stop=StopStrings(("END",))
            )
            program = prompt + done.text + "\n"
            steps.append(
                Generation(
                    text=done.text,
                    raw_text=done.raw_text,
                    cut_by=done.cut_by,
                    finish_reason=done.finish_reason.value,
                    prompt_tokens=done.prompt_tokens,
                    new_tokens=len(done.tokens),
                )
            )
            if self.arm == "feedback":
                ran: Any = yield Execute(program)
                program += f"# It {ran.outcome.status.value}.\n"
        return Solution(program=program, steps=tuple(steps))

    def judge(self, item: Item, program: str, sandbox: Sandbox) -> Mapping[str, Verdict]:
        expected = str(int(item.problem.split("/")[1]) + item.case)
        verdict = check_stdout(sandbox, Program(source=program), expected)
        return {"strict": verdict, "legacy": verdict}


def answer(request: Request, index: int) -> str:
    """What the engine writes: one of five things, as the hash of prompt and seed has it."""
    place = request.prompt.rfind("toy/")
    _, problem, case = request.prompt[place:].split(".")[0].split("/")
    chance = hashlib.sha256(f"{request.prompt}{request.seed}".encode()).digest()[0]
    right = int(problem) + int(case)
    return (
        f"print({right}) END and more",
        f"x = {chance}",
        "raise KeyError(object())" if chance % 7 == 0 else "y = '\\udc80é'",
        f"print({right - chance % 2})",
        "",
    )[chance % 5]


def toy_engine(*, seconds_per_token: float = 0.0, slots: int = 4, window: int = 8192) -> Engine:
    settings = ScriptSettings(
        slots=slots, seconds_per_token=seconds_per_token, context_window=window
    )
    return ScriptedEngine(answer, settings=settings)


def toy_spec(
    place: Path,
    engine: Engine,
    sandbox: Sandbox,
    task: Any = None,
    *,
    label: str = "toy",
    settings: ArmSettings | None = None,
    selection: Selection | None = None,
    **sampling: Any,
) -> RunSpec:
    task = task or ToyTask()
    config = describe_run(
        task,
        model="scripted",
        engine=engine.info,
        sandbox=sandbox,
        settings=settings or ArmSettings(),
        sampling=SampleSettings(**{"n": 3, "temperature": 0.8, **sampling}),
        selection=selection or Selection(),
    )
    return RunSpec(label=label, task=task, config=config, place=place)


def main() -> int:
    """Run it, and say how it went as the command line would."""
    place, pace = Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
    cancel = Flag()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: cancel.set())

    def tell(progress: Any) -> None:
        print(progress.done, flush=True)

    try:
        with toy_engine(seconds_per_token=pace) as engine, open_sandbox() as sandbox:
            specs = [
                toy_spec(place / arm, engine, sandbox, ToyTask(arm=arm), label=arm)
                for arm in ("turns", "feedback")
            ]
            invocation: Invocation = run_specs(
                specs,
                engine,
                sandbox,
                concurrency=Concurrency(in_flight=6),
                listen=tell,
                cancel=cancel,
            )
    except MultiturnError as error:
        print(error, file=sys.stderr)
        return 2
    return 0 if invocation.complete else 130


if __name__ == "__main__":
    sys.exit(main())
