"""The arms that write programs as `multiturn synth` does.

They run the same `Synthesizer` as the command and the prompt, with an engine and a sandbox that
hand each call over to the runner (`bridge`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from multiturn.benchmarks.arms.all_turns import AllTurns
from multiturn.benchmarks.arms.bridge import ActionEngine, ActionSandbox, AskFor, Bridge, asked
from multiturn.benchmarks.arms.layout import (
    fill_case,
    header_text,
    require_python,
    require_references,
)
from multiturn.benchmarks.arms.options import LoopOptions
from multiturn.benchmarks.oracles.observation import LIMITS
from multiturn.benchmarks.problem_set import FilledProblem, Problem
from multiturn.benchmarks.solver import (
    DescribeRun,
    Generation,
    RunProgram,
    Solution,
    Solver,
    SolverContext,
)
from multiturn.benchmarks.task import ArmSettings
from multiturn.engines.protocol import Completion
from multiturn.sandbox.outcomes import RunResult
from multiturn.sandbox.protocol import Program
from multiturn.synthesis.defaults import loop_defaults, other_temperature
from multiturn.synthesis.events import TurnSaved
from multiturn.synthesis.loop import Synthesizer
from multiturn.synthesis.program_text import program_text
from multiturn.synthesis.prompts import choose_style
from multiturn.synthesis.records import Example, Sampling, Session, SessionSettings, StyleName
from multiturn.synthesis.store import SessionStore

__all__ = ["CHAT", "LOOP", "SynthesisArm"]


@dataclass(frozen=True, slots=True)
class SynthesisArm(AllTurns):
    """Writes the turns with the loop of `synth`.

    Attributes:
        name: on the command line and in records.
        options: for every model; None for the defaults of the model.
    """

    name: str
    options: LoopOptions | None = None

    def turns(self, problem: Problem) -> Sequence[int | None]:
        """All turns at once."""
        require_python(problem, self.name)
        return AllTurns.turns(self, problem)

    def solver(
        self, problem: Problem, case: int, settings: ArmSettings, *, turn: int | None = None
    ) -> Solver:
        """Every turn in order, in a session of its own."""
        del turn
        options = settings.loop or self.options or LoopOptions()
        if options.examples == "turns":
            require_references(problem, f"{self.name} with examples=turns")
        sample = _Sample(problem, case, settings, options)
        return Bridge(sample.write).run()

    def options_for(self, model: str) -> LoopOptions:
        """The options of a model, where none are given: those of `synth`."""
        if self.options is not None:
            return self.options
        measured = loop_defaults(model)
        return LoopOptions(
            n=measured.n,
            other_temperature=measured.other_temperature,
            max_tokens=Sampling().max_tokens,
            retries=measured.retries,
            strategy=measured.strategy,
        )


LOOP = SynthesisArm("loop")
"""The defaults of `synth` and of the prompt."""

CHAT = SynthesisArm("chat", LoopOptions(style="chat", n=1, retries=0))
"""The chat form with one sample."""


class _Sample:
    """One sample of one case."""

    def __init__(
        self, problem: Problem, case: int, settings: ArmSettings, options: LoopOptions
    ) -> None:
        self._problem = problem
        self._case = case
        self._settings = settings
        self._options = options
        self._filled = fill_case(problem, case)

    def write(self, ask: AskFor) -> Solution:
        """Write the program; runs in a thread of its own."""
        facts = asked(ask, DescribeRun(), SolverContext)
        engine = ActionEngine(ask, facts, self._settings.budget)
        sandbox = ActionSandbox(ask, facts)
        steps: list[Generation] = []
        with SessionStore.in_memory() as store:
            synthesizer = Synthesizer(engine, sandbox, store)
            style = choose_style(engine.info, self._options.style).name
            session = synthesizer.new_session(self._session_settings(facts, style))
            for number, prompt in enumerate(self._filled.prompts):
                if engine.exhausted:
                    break
                first = len(engine.finished)
                events = synthesizer.take_turn(
                    session, prompt, examples=self._examples(ask, number), verbatim=True
                )
                for event in events:
                    if isinstance(event, TurnSaved):
                        session = event.session
                steps += _generations(number, engine, first, session)
        return Solution(program=session.program(), steps=tuple(steps))

    def _session_settings(self, facts: SolverContext, style: StyleName) -> SessionSettings:
        options = self._options
        header = header_text(self._problem, self._settings.header)
        if style == "chat" and self._settings.header == "published":
            header = ""  # as in a session: the model imports what it needs
        others = options.other_temperature
        sampling = Sampling(
            n=options.n,
            temperature=facts.temperature,
            other_temperature=other_temperature(facts.temperature) if others is None else others,
            top_p=facts.top_p,
            max_tokens=(
                self._settings.max_new_tokens or options.max_tokens or self._problem.max_gen_length
            ),
        )
        return SessionSettings(
            style=options.style,
            header=header or "none",
            sampling=sampling,
            retries=options.retries,
            strategy=options.strategy,
        )

    def _examples(self, ask: AskFor, number: int) -> tuple[Example, ...]:
        """What the loop is given for a turn."""
        examples: list[Example] = []
        if self._options.examples == "turns":
            examples += _reference_values(ask, self._problem, self._filled, number)
        if self._options.examples != "none" and number == len(self._filled.prompts) - 1:
            examples.append(Example(expected=self._problem.outputs[self._case]))
        return tuple(examples)


def _generations(
    number: int, engine: ActionEngine, first: int, session: Session
) -> list[Generation]:
    """The generations of a turn, as records."""
    choice = None if session.turn is None else session.turn.choice
    found: list[Generation] = []
    for attempt, (_, done) in enumerate(engine.finished[first:]):
        for completion in done.all:
            generation = _generation(completion, number, attempt)
            if choice is not None and completion.raw_text == choice.raw_text:
                generation = replace(generation, text=choice.text, chosen=True)
                choice = None
            found.append(generation)
    return found


def _generation(completion: Completion, turn: int, attempt: int) -> Generation:
    return Generation(
        text=completion.text,
        raw_text=completion.raw_text,
        cut_by=completion.cut_by,
        finish_reason=completion.finish_reason.value,
        prompt_tokens=completion.prompt_tokens,
        new_tokens=len(completion.tokens),
        turn=turn,
        attempt=attempt,
        chosen=False,
    )


def _reference_values(
    ask: AskFor, problem: Problem, filled: FilledProblem, number: int
) -> list[Example]:
    """The values that the reference leaves after a turn, where they are plain data."""
    steps: Sequence[Any] = list(zip(filled.prompts, filled.references, strict=True))[: number + 1]
    source = program_text(problem.header + "\n\n", steps)
    found = []
    for name in problem.turns[number].leaves:
        program = Program(source=source, result=name, seed=0)
        result = asked(ask, RunProgram(program, LIMITS), RunResult)
        if result.outcome.finished and _is_plain(result.value):
            found.append(Example(expression=name, expected=result.value))
    return found


def _is_plain(value: object) -> bool:
    if isinstance(value, bool | int | float | str | None):
        return True
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(each) for key, each in value.items())
    return False
