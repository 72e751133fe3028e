"""Repeats a candidate of a turn from its record: the model writes it, the program runs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from threading import Event as Flag

from multiturn.core.errors import InputError
from multiturn.engines.protocol import Completion, Engine
from multiturn.sandbox.protocol import Sandbox
from multiturn.synthesis.candidate_writer import engine_request
from multiturn.synthesis.candidates import TurnRequest, make_candidate
from multiturn.synthesis.execution import run_program
from multiturn.synthesis.prompts import FinishedTurn, choose_style
from multiturn.synthesis.records import Candidate, GenerationInfo, ProgramRun, Session, Turn

__all__ = ["Replay", "replay_candidate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What came of it, beside the record."""

    number: int
    """Of the candidate, from 1."""
    candidate: Candidate
    """As recorded."""
    same_model: bool | None
    """Whether the model is the recorded one, by its name and weights; None for edited code."""
    same_prompt: bool | None
    """Whether its prompt could be made again, by its hash; None for edited code. A repair's cannot:
    what was wrong is in no record. Where it is another one, the model writes nothing."""
    code: str | None
    """What the model wrote this time; None if nothing."""
    run: ProgramRun
    """Of the program with the recorded code."""

    @property
    def same_code(self) -> bool | None:
        """Whether the model wrote the recorded code; None if it wrote nothing."""
        if self.code is None:
            return None
        return replace(self.candidate, text=self.code).same_code(self.candidate)

    @property
    def same_output(self) -> bool | None:
        """Whether the program ended as recorded and printed the same; None if it never ran."""
        before = self.candidate.run
        if before is None:
            return None
        recorded = (before.outcome.status, before.stdout)
        return (self.run.outcome.status, self.run.stdout) == recorded


def replay_candidate(
    engine: Engine,
    sandbox: Sandbox,
    session: Session,
    turn_id: int,
    number: int | None = None,
    *,
    cancel: Flag | None = None,
) -> Replay:
    """Repeat candidate `number`, from 1, of a turn; by default the chosen one. Saves nothing.

    Raises:
        UnknownNameError: there is no such turn.
        InputError: there is no such candidate, or the model cannot be prompted as it was.
        EngineError, SandboxUnavailableError: the engine or the sandbox failed.
    """
    turn = session.find(turn_id)
    number = turn.chosen + 1 if number is None else number
    if not 1 <= number <= len(turn.candidates):
        raise InputError(
            "there is no such candidate", got=number, allowed=f"1 to {len(turn.candidates)}"
        )
    candidate = turn.candidates[number - 1]
    same_model = same_prompt = code = None
    if candidate.generation is not None and candidate.seed is not None:
        request = _request(engine, session, turn, candidate.generation, candidate.seed, cancel)
        info, generation = engine.info, candidate.generation
        same_model = (info.model, info.weights_sha256) == (
            generation.model,
            generation.weights_sha256,
        )
        prompt = _prompt(request, generation)
        same_prompt = prompt is not None
        if prompt is not None:
            code = _write(engine, request, prompt, generation)
    steps = [(each.prompt, each.code) for each in session.path(turn_id)[:-1]]
    program = session.program_of([*steps, (turn.prompt, candidate.text)]).text
    return Replay(
        number=number,
        candidate=candidate,
        same_model=same_model,
        same_prompt=same_prompt,
        code=code,
        run=run_program(sandbox, program, session.settings.limits, session.language),
    )


def _request(
    engine: Engine,
    session: Session,
    turn: Turn,
    generation: GenerationInfo,
    seed: int,
    cancel: Flag | None,
) -> TurnRequest:
    """The request for the one candidate, sampled as it was among others."""
    sampling = generation.sampling
    if seed != sampling.seed and sampling.other_temperature is not None:
        sampling = sampling.with_one_temperature(sampling.other_temperature)
    return TurnRequest(
        session=session,
        style=choose_style(
            engine.info, generation.style, session.settings.strategy, session.language
        ),
        history=tuple(FinishedTurn(each.prompt, each.code) for each in session.path(turn.id)[:-1]),
        previous=None if turn.parent is None else session.find(turn.parent),
        prompt=turn.prompt,
        examples=(),
        sampling=replace(sampling, n=1, seed=seed),
        cancel=cancel,
    )


def _prompt(request: TurnRequest, generation: GenerationInfo) -> str | None:
    """The recorded prompt, made again; None if another one came of it."""
    history = request.history[generation.history_dropped :]
    header = request.session.header
    prompt = request.style.render(header, history, request.prompt, None, request.notes)
    hashed = hashlib.sha256(prompt.encode("utf-8")).hexdigest()
    return prompt if hashed == generation.prompt_sha256 else None


def _write(
    engine: Engine, request: TurnRequest, prompt: str, generation: GenerationInfo
) -> str | None:
    """What the model writes; None if cancelled."""
    wanted = engine_request(request, prompt, request.sampling)
    for event in engine.stream(wanted, cancel=request.cancel):
        if isinstance(event, Completion):
            return make_candidate(request, event, generation, repair=False).text
    return None
