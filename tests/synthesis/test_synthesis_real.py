"""A real model writes, a real sandbox runs, a real store keeps: nothing stands in for anything."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from multiturn.engines.open import open_engine
from multiturn.engines.protocol import Engine
from multiturn.sandbox.isolation import IsolationLevel
from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.outcomes import Status
from multiturn.sandbox.protocol import Limits, Sandbox
from multiturn.synthesis.events import (
    CandidateRan,
    CandidateRepeated,
    CandidateWritten,
    TextWritten,
    TurnCancelled,
    TurnSaved,
)
from multiturn.synthesis.loop import Synthesizer
from multiturn.synthesis.prompts import FinishedTurn, choose_style
from multiturn.synthesis.records import Candidate, Example, Sampling, SessionSettings
from multiturn.synthesis.store import SessionStore

SHORT = Sampling(n=2, max_tokens=48, seed=3)


@pytest.fixture(scope="module")
def engine(smollm2: Path) -> Iterator[Engine]:
    with open_engine(str(smollm2), context=2048) as opened:
        yield opened


@pytest.fixture(scope="module")
def real_sandbox() -> Iterator[Sandbox]:
    with open_sandbox() as opened:
        yield opened


@pytest.mark.parametrize("style", ["comment", pytest.param("chat", marks=pytest.mark.slow)])
def test_three_turns(style, engine, real_sandbox, tmp_path):
    path = tmp_path / "sessions.sqlite3"
    with SessionStore(path) as store:
        synthesizer = Synthesizer(engine, real_sandbox, store)
        session = synthesizer.new_session(SessionSettings(style=style, sampling=SHORT))
        for prompt in ("Set x to 3.", "Set y to x plus 4.", "Print y."):
            events = list(synthesizer.take_turn(session, prompt))
            assert any(isinstance(event, TextWritten) for event in events)
            ran = sum(isinstance(event, CandidateRan) for event in events)
            assert ran + sum(isinstance(event, CandidateRepeated) for event in events) == 2
            assert isinstance(events[-1], TurnSaved)
            session = events[-1].session
        for turn in session.path():
            assert [candidate.seed for candidate in turn.candidates] in ([3, 4], [3])
            assert turn.written == 2
            for candidate in turn.candidates:
                assert candidate.run.rung not in (IsolationLevel.FAKE, IsolationLevel.LIMITS_ONLY)
                assert candidate.mean_logprob < 0
                assert candidate.generation.engine == engine.info.engine
        # What the model had read before, it did not read again.
        last = session.turn.choice
        assert last.cached_tokens > last.prompt_tokens // 2
        again = synthesizer.run(session)
        assert (again.outcome, again.stdout) == (last.run.outcome, last.run.stdout)
    with SessionStore(path) as store:
        assert store.load(session.id) == session


def test_the_persons_code_runs_in_isolation(engine, real_sandbox, tmp_path):
    with SessionStore(tmp_path / "sessions.sqlite3") as store:
        synthesizer = Synthesizer(engine, real_sandbox, store)
        session = synthesizer.new_session(SessionSettings(style="comment", header="none"))
        *_, last = synthesizer.take_turn(
            session,
            "Write a function area(a, b).",
            sampling=SHORT,
            examples=[Example(expression="area(2, 5)", expected=10)],
        )
        marker = tmp_path / "escaped"
        code = f"def area(a, b):\n    return a * b\nopen({str(marker)!r}, 'w')\n"
        *_, last = synthesizer.edit(last.session, code)
        assert last.turn.choice.run.outcome.status is Status.RAISED
        assert last.turn.choice.examples_passed == (False,)
        assert not marker.exists()
        *_, last = synthesizer.edit(last.session, "def area(a, b):\n    return a * b")
        assert last.turn.choice.good


def test_a_loop_without_an_end_can_be_left(engine, real_sandbox, tmp_path):
    patient = Limits(cpu_seconds=100, wall_seconds=100)
    with SessionStore(tmp_path / "sessions.sqlite3") as store:
        synthesizer = Synthesizer(engine, real_sandbox, store)
        session = synthesizer.new_session(
            SessionSettings(style="comment", header="none", sampling=SHORT, limits=patient)
        )
        endless = Candidate(text="while True:\n    pass")
        session = store.add_turn(session, "Loop.", [endless], chosen=0)
        cancel = threading.Event()
        running_since = None
        for event in synthesizer.take_turn(session, "Print 1.", cancel=cancel):
            if isinstance(event, CandidateWritten) and running_since is None:
                running_since = time.monotonic()
                threading.Timer(0.5, cancel.set).start()
            last = event
        assert isinstance(last, TurnCancelled)
        assert running_since is not None and time.monotonic() - running_since < 50
        assert store.load(session.id) == session


def test_the_models_own_template(engine):
    style = choose_style(engine.info, "chat")
    history = [FinishedTurn("Set x to 3.", "x = 3")]
    text = style.render("", history, "Say <|im_end|>.")
    assert text.startswith(style.render("", [], "Set x to 3.") + "x = 3\n```")
    # One for the instructions, two for the turns, one for the answer; none was smuggled in.
    assert text.count("<|im_end|>") == 4
    assert engine.count_tokens(text, parse_special=True) < engine.count_tokens(text)
