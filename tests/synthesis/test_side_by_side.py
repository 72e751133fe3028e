"""Candidates side by side: temperatures, the first one's run beside the others, equal ones."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest

from multiturn.core.errors import EngineError, SandboxUnavailableError
from multiturn.core.records import read_record, to_plain
from multiturn.engines.protocol import Completion
from multiturn.engines.scripted import ScriptedEngine, ScriptSettings
from multiturn.synthesis.candidates import DistinctCandidates
from multiturn.synthesis.events import (
    CandidateRan,
    CandidateRepeated,
    CandidateWritten,
    TextWritten,
    TurnCancelled,
    TurnSaved,
)
from multiturn.synthesis.execution import Execution
from multiturn.synthesis.feed import Feed
from multiturn.synthesis.loop import Synthesizer
from multiturn.synthesis.records import Candidate, Sampling, SessionSettings

COMMENT = SessionSettings(style="comment", header="none")
FOUR = Sampling(n=4, temperature=0.2, other_temperature=0.8)


def turn_of(synthesizer: Synthesizer, sampling: Sampling, session=None):
    session = session or synthesizer.new_session(COMMENT)
    return list(synthesizer.take_turn(session, "Go.", sampling=sampling))


def test_the_first_is_asked_at_its_own_temperature(sandbox, store):
    requests = []

    def answer(request, index):
        requests.append((index, request.temperature_of(index)))
        return f"x = {index}\n"

    synthesizer = Synthesizer(ScriptedEngine(answer), sandbox, store)
    turn_of(synthesizer, FOUR)
    assert requests == [(0, 0.2), (1, 0.8), (2, 0.8), (3, 0.8)]
    requests.clear()
    turn_of(synthesizer, replace(FOUR, other_temperature=None))
    assert {temperature for _, temperature in requests} == {0.2}


def test_a_person_who_wants_another_text_gets_none_at_the_low_temperature(sandbox, store):
    requests = []

    def answer(request, index):
        requests.append(request.temperature_of(index))
        return f"x = {len(requests)}\n"

    synthesizer = Synthesizer(ScriptedEngine(answer), sandbox, store)
    session = synthesizer.new_session(replace(COMMENT, sampling=FOUR))
    session = turn_of(synthesizer, FOUR, session)[-1].session
    requests.clear()
    list(synthesizer.retry(session))
    assert requests == [0.8] * 4


def test_the_first_runs_while_the_others_are_written(sandbox, store):
    """The other two are written on only after the first one has run: no clock decides."""
    ran = threading.Event()
    engine = ScriptedEngine(
        ["x = 1\nprint(x)\n", "y = 1\n" * 30, "z = 1\n" * 30],
        settings=ScriptSettings(seconds_per_token=0.0001),
    )
    real_run = sandbox.run

    def run(program, limits=None):
        result = real_run(program, limits)
        ran.set()
        return result

    sandbox.run = run
    real_stream = engine.stream

    def stream(request, *, cancel=None):
        for event in real_stream(request, cancel=cancel):
            yield event
            if isinstance(event, Completion) and event.index == 0:
                assert ran.wait(60)

    engine.stream = stream
    synthesizer = Synthesizer(engine, sandbox, store)
    events = turn_of(synthesizer, replace(FOUR, n=3))
    order = [(type(event), event.index) for event in events if isinstance(event, CandidateRan)]
    assert order[0] == (CandidateRan, 0)
    places = {
        (type(event), event.index): place
        for place, event in enumerate(events)
        if not isinstance(event, TextWritten | TurnSaved)
    }
    assert places[CandidateRan, 0] < places[CandidateWritten, 1]
    first = next(event for event in events if isinstance(event, CandidateRan))
    assert first.program == "# Go.\nx = 1\nprint(x)\n"
    assert first.candidate.run.stdout == "1\n"
    assert [each.seed for each in events[-1].turn.candidates] == [0, 1, 2]


def test_equal_candidates_are_stored_and_run_once(sandbox, store):
    engine = ScriptedEngine(["x = 1\n", "x = 2\n", "\n\nx = 1\n\n\n", "x = 1"])
    synthesizer = Synthesizer(engine, sandbox, store)
    events = turn_of(synthesizer, FOUR)
    repeated = [event for event in events if isinstance(event, CandidateRepeated)]
    assert len(repeated) == 2
    assert len(sandbox.programs) == 2
    turn = events[-1].turn
    assert [(each.text.strip(), each.seed, each.copies) for each in turn.candidates] == [
        ("x = 1", 0, 3),
        ("x = 2", 1, 1),
    ]
    assert turn.written == 4
    assert store.load(events[-1].session.id).turn == turn


def test_blank_space_inside_makes_another_program(sandbox, store):
    engine = ScriptedEngine(["if 1:\n    x = 1\n", "if 1:\n  x = 1\n", " if 1:\n    x = 1\n"])
    events = turn_of(Synthesizer(engine, sandbox, store), replace(FOUR, n=3))
    assert len(events[-1].turn.candidates) == 3


def test_a_retry_that_repeats_is_counted_and_the_next_has_new_seeds(sandbox, store):
    seeds = []

    def answer(request, index):
        seeds.append(request.seed + index)
        return "x = 1\n" if len(seeds) < 5 else "x = 5\n"

    synthesizer = Synthesizer(ScriptedEngine(answer), sandbox, store)
    session = synthesizer.new_session(replace(COMMENT, sampling=Sampling(n=2)))
    session = saved(turn_of(synthesizer, Sampling(n=2), session))
    assert len(sandbox.programs) == 1
    session = saved(synthesizer.retry(session))
    assert [(each.seed, each.copies) for each in session.turn.candidates] == [(0, 4)]
    assert session.turn.chosen == 0
    assert len(sandbox.programs) == 1
    assert store.load(session.id) == session
    session = saved(synthesizer.retry(session))
    assert seeds == [0, 1, 2, 3, 4, 5]
    assert [(each.text.strip(), each.copies) for each in session.turn.candidates] == [
        ("x = 1", 4),
        ("x = 5", 2),
    ]
    assert session.turn.chosen == 1


def test_a_retry_that_repeats_does_not_branch_a_turn_that_others_follow(sandbox, store):
    engine = ScriptedEngine(["x = 1\n"])
    synthesizer = Synthesizer(engine, sandbox, store)
    session = saved(turn_of(synthesizer, Sampling()))
    session = saved(synthesizer.take_turn(session, "More."))
    session = synthesizer.undo(session)
    session = saved(synthesizer.retry(session))
    assert sorted(session.turns) == [1, 2]
    assert session.current == 1


def test_a_repair_that_repeats_the_failure_is_not_run_again(sandbox, store):
    engine = ScriptedEngine(["x = undefined\n"])
    synthesizer = Synthesizer(engine, sandbox, store)
    session = synthesizer.new_session(replace(COMMENT, retries=2))
    events = turn_of(synthesizer, Sampling(), session)
    assert len(sandbox.programs) == 1
    assert events[-1].turn.written == 3


def test_of_equal_ones_the_lowest_index_stays_whichever_is_finished_first():
    def candidate(seed):
        return Candidate(text="x = 1", seed=seed)

    run = object()
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        found = DistinctCandidates()
        added = [candidate(seed) for seed in order]
        assert found.add(order[0], added[0]) is None
        assert found.add(order[1], added[1]) is not None
        found.set_run(added[0], Execution(0, run, (True,)))
        found.add(order[2], added[2])
        (only,) = found.new
        assert (only.seed, only.copies, only.run, only.examples_passed) == (0, 3, run, (True,))


def test_a_session_of_before_keeps_one_temperature_for_all(sandbox, store):
    plain = to_plain(SessionSettings(sampling=Sampling(n=4, temperature=0.4)))
    del plain["sampling"]["other_temperature"]  # as the version before wrote it
    settings = read_record(json.loads(json.dumps(plain)), SessionSettings, where="session")
    requests = []

    def answer(request, index):
        requests.append(request.temperature_of(index))
        return "x = 1\n"

    synthesizer = Synthesizer(ScriptedEngine(answer), sandbox, store)
    turn_of(synthesizer, settings.sampling, synthesizer.new_session(settings))
    assert requests == [0.4] * 4
    old = to_plain(Candidate(text="x = 1"))
    del old["copies"]
    assert read_record(old, Candidate, where="session").copies == 1


def test_a_sandbox_that_fails_stops_the_engine(sandbox, store):
    engine = ScriptedEngine(
        ["x = 1\n", "y = 1\n" * 100_000], settings=ScriptSettings(seconds_per_token=0.001)
    )

    def fails(program, limits=None):
        raise SandboxUnavailableError("the sandbox is gone")

    sandbox.run = fails
    synthesizer = Synthesizer(engine, sandbox, store)
    session = synthesizer.new_session(COMMENT)
    with pytest.raises(SandboxUnavailableError):
        turn_of(synthesizer, Sampling(n=2, max_tokens=7000), session)
    assert store.load(session.id) == session
    assert not [each for each in threading.enumerate() if each.name == "multiturn-feed"]


def test_an_engine_that_fails_midway_is_reported_and_nothing_is_stored(sandbox, store):
    engine = ScriptedEngine(["x = 1\n", "y = 1\n" * 50])
    real_stream = engine.stream

    def stream(request, *, cancel=None):
        for event in real_stream(request, cancel=cancel):
            yield event
            if getattr(event, "tokens", None) is not None:
                raise EngineError("out of luck")

    engine.stream = stream
    synthesizer = Synthesizer(engine, sandbox, store)
    session = synthesizer.new_session(COMMENT)
    with pytest.raises(EngineError, match="out of luck"):
        turn_of(synthesizer, Sampling(n=2), session)
    assert store.load(session.id) == session


def test_cancelling_while_a_program_hangs_ends_soon(sandbox, store):
    never = threading.Event()
    sandbox.run = lambda *_: never.wait()
    synthesizer = Synthesizer(ScriptedEngine(["x = 1\n", "y = 1\n"]), sandbox, store)
    session = synthesizer.new_session(COMMENT)
    cancel = threading.Event()
    events = []
    for event in synthesizer.take_turn(session, "Go.", sampling=Sampling(n=2), cancel=cancel):
        events.append(event)
        if isinstance(event, CandidateWritten) and event.index == 1:
            cancel.set()
    never.set()
    assert events[-1] == TurnCancelled()
    assert store.load(session.id) == session


def test_a_feed_raises_what_an_iterator_raises_and_may_grow():
    def broken():
        yield 1
        raise ValueError("broken")

    feed = Feed()
    feed.add([0])
    found = []
    with pytest.raises(ValueError, match="broken"):
        for item in feed:
            found.append(item)
            if item == 0:
                feed.add(broken())
    assert found == [0, 1]


def saved(events):
    last = list(events)[-1]
    assert isinstance(last, TurnSaved)
    return last.session
