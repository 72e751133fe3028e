"""The loop with scripted text: candidates, ranking, retries, cancelling, what is refused."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from multiturn.core.errors import ContextOverflowError, EngineError, InputError, UnknownNameError
from multiturn.engines.scripted import ScriptedEngine, ScriptSettings
from multiturn.sandbox.outcomes import Status
from multiturn.synthesis.events import (
    CandidateRan,
    CandidateWritten,
    HistoryDropped,
    Retrying,
    TextWritten,
    TurnCancelled,
    TurnSaved,
)
from multiturn.synthesis.loop import Synthesizer
from multiturn.synthesis.records import Example, Sampling, Session, SessionSettings
from multiturn.synthesis.store import SessionStore

COMMENT = SessionSettings(style="comment", header="none")


def saved(events) -> Session:
    last = list(events)[-1]
    assert isinstance(last, TurnSaved)
    return last.session


def session_of(synthesizer: Synthesizer, *prompts: str, **settings) -> Session:
    session = synthesizer.new_session(replace(COMMENT, **settings))
    for prompt in prompts:
        session = saved(synthesizer.take_turn(session, prompt))
    return session


def test_turns_build_on_each_other(synthesizer):
    session = session_of(synthesizer, "Set x.", "Double x.")
    assert session.program() == "# Set x.\nx = 2\n\n# Double x.\nx = x + x + 1\nprint(x)\n"
    assert session.turn.choice.run.stdout == "5\n"
    assert synthesizer.store.load(session.id) == session


def test_events_come_in_order_and_deltas_join_to_the_raw_text(synthesizer):
    session = session_of(synthesizer, "Set x.")
    events = list(synthesizer.take_turn(session, "Double x.", sampling=Sampling(n=2)))
    kinds = [type(event) for event in events if not isinstance(event, TextWritten)]
    assert kinds == [CandidateWritten] * 2 + [CandidateRan] * 2 + [TurnSaved]
    for index in (0, 1):
        streamed = "".join(
            event.text
            for event in events
            if isinstance(event, TextWritten) and event.index == index
        )
        candidate = events[-1].turn.candidates[index]
        assert streamed.strip() == candidate.text
        assert candidate.seed == index
        assert candidate.mean_logprob is not None
        assert candidate.generation.model == "scripted"


def test_a_candidate_that_runs_beats_one_that_does_not(synthesizer):
    # Seed 2 says `x = y`, which raises; seed 3 begins the list of answers again.
    session = session_of(synthesizer, "Set x.")
    session = saved(synthesizer.take_turn(session, "Double x.", sampling=Sampling(n=2, seed=2)))
    first, second = session.turn.candidates
    assert first.run.outcome.status is Status.RAISED
    assert first.run.outcome.error == "NameError: name 'y' is not defined"
    assert session.turn.choice is second


def test_examples_come_before_the_models_opinion(synthesizer):
    session = session_of(synthesizer, "Set x.")
    for expected, code in ((5, "x = x + x + 1\nprint(x)"), (4, "x *= 2\nprint(x)")):
        after = saved(
            synthesizer.take_turn(
                session, "Double x.", sampling=Sampling(n=3), examples=[Example(expected=expected)]
            )
        )
        assert after.turn.code == code
        assert after.turn.choice.good


def test_an_example_may_be_an_expression(synthesizer):
    session = session_of(synthesizer)
    session = saved(
        synthesizer.take_turn(
            session,
            "Define area.",
            sampling=Sampling(n=2),
            examples=[Example(expression="area(2, 5)", expected=10)],
        )
    )
    assert "return a * b" in session.turn.code
    assert [candidate.examples_passed for candidate in session.turn.candidates] == [
        (False,),
        (True,),
    ]


def test_a_failing_step_is_tried_again_with_what_went_wrong(synthesizer):
    session = session_of(synthesizer, retries=2)
    events = list(synthesizer.take_turn(session, "Break it."))
    [retrying] = [event for event in events if isinstance(event, Retrying)]
    assert retrying.failure == "raised NameError: name 'undefined' is not defined (line 2)"
    turn = events[-1].turn
    assert [candidate.origin for candidate in turn.candidates] == ["model", "repair"]
    assert turn.code == "x = 7"
    assert "Corrected" not in events[-1].session.program()


def test_retries_are_bounded_and_off_by_default(synthesizer):
    session = session_of(synthesizer, "Break it.")
    assert len(session.turn.candidates) == 1
    assert not session.turn.choice.finished
    session = session_of(synthesizer, retries=3)
    events = list(synthesizer.take_turn(session, "Set x.", examples=[Example(expected="never")]))
    assert sum(isinstance(event, Retrying) for event in events) == 3
    assert events[-1].turn.written == 4


def test_a_retry_that_does_not_fit_keeps_what_there_is(sandbox, store):
    engine = ScriptedEngine(["x = undefined\n"], settings=ScriptSettings(context_window=20 + 256))
    synthesizer = Synthesizer(engine, sandbox, store)
    session = session_of(synthesizer, "Break it now.", retries=3)
    assert len(session.turn.candidates) == 1


def test_seeds_begin_again_after_the_last(sandbox, store):
    engine = ScriptedEngine(lambda request, index: f"x = {request.seed + index}")
    synthesizer = Synthesizer(engine, sandbox, store)
    session = session_of(synthesizer, "Set x.", sampling=Sampling(seed=2**30 - 1))
    session = saved(synthesizer.retry(session))
    assert [candidate.seed for candidate in session.turn.candidates] == [2**30 - 1, 0]


def test_retry_adds_candidates_with_new_seeds_and_chooses_among_them(synthesizer):
    session = session_of(synthesizer, "Set x.", "Double x.")
    session = saved(synthesizer.retry(session))
    assert [candidate.seed for candidate in session.turn.candidates] == [0, 1]
    assert session.turn.chosen == 1
    assert session.turn.choice.generation.sampling.temperature == 0.6
    assert len(session.turns) == 2


def test_a_turn_that_others_follow_is_changed_on_a_branch(synthesizer):
    session = session_of(synthesizer, "Set x.", "Double x.")
    before = session.program()
    branched = saved(synthesizer.edit(session, "x = 10", turn_id=1))
    assert branched.turn.id == 3
    assert branched.turn.edited
    assert branched.program() == "# Set x.\nx = 10\n"
    assert branched.program(2) == before
    assert {turn.id for turn in branched.children(None)} == {1, 3}


def test_edit_in_place_and_pick_back(synthesizer):
    session = session_of(synthesizer, "Set x.")
    session = saved(synthesizer.edit(session, "x = 10\nprint(x)\n"))
    assert session.turn.id == 1
    assert session.turn.choice.run.stdout == "10\n"
    session = synthesizer.pick(session, 1)
    assert session.turn.code == "x = 2"
    with pytest.raises(InputError, match="no such candidate: got 3; allowed: 1 to 2"):
        synthesizer.pick(session, 3)


def test_undo_keeps_what_was_left_as_a_branch(synthesizer):
    session = session_of(synthesizer, "Set x.", "Double x.")
    session = synthesizer.undo(session)
    assert session.program() == "# Set x.\nx = 2\n"
    session = saved(synthesizer.take_turn(session, "Double x again."))
    assert [turn.id for turn in session.path()] == [1, 3]
    assert [(depth, turn.id) for depth, turn in session.walk()] == [(0, 1), (1, 2), (1, 3)]
    session = synthesizer.branch(session, 2)
    assert [turn.id for turn in session.path()] == [1, 2]
    with pytest.raises(UnknownNameError, match="unknown turn: got '9'"):
        synthesizer.branch(session, 9)
    session = synthesizer.undo(synthesizer.undo(session))
    with pytest.raises(InputError, match="there is no turn to undo"):
        synthesizer.undo(session)


@pytest.mark.parametrize("when", ["writing", "running"])
def test_cancelling_leaves_the_session_as_it_was(when, sandbox, store):
    engine = ScriptedEngine(["x = 1\n" * 50], settings=ScriptSettings(seconds_per_token=0.001))
    synthesizer = Synthesizer(engine, sandbox, store)
    session = synthesizer.new_session(COMMENT)
    cancel = threading.Event()
    events = []
    for event in synthesizer.take_turn(session, "Go.", cancel=cancel):
        events.append(event)
        if isinstance(event, TextWritten if when == "writing" else CandidateWritten):
            cancel.set()
    assert events[-1] == TurnCancelled()
    assert store.load(session.id) == session
    assert saved(synthesizer.take_turn(session, "Go.")).turn.id == 1


def test_closing_the_iterator_discards_the_turn(synthesizer):
    session = session_of(synthesizer, "Set x.")
    events = synthesizer.take_turn(session, "Double x.")
    next(events)
    events.close()
    assert synthesizer.store.load(session.id) == session


def test_an_engine_that_fails_loses_nothing(sandbox, store):
    def fails(request, index):
        raise EngineError("out of luck")

    synthesizer = Synthesizer(ScriptedEngine(fails), sandbox, store)
    session = synthesizer.new_session(COMMENT)
    with pytest.raises(EngineError):
        list(synthesizer.take_turn(session, "Go."))
    assert store.load(session.id) == session


def test_a_history_that_does_not_fit_is_refused_with_the_choices(sandbox, store):
    engine = ScriptedEngine(["x = 1\n"], settings=ScriptSettings(context_window=300))
    synthesizer = Synthesizer(engine, sandbox, store)
    session = session_of(synthesizer, "Say it. " * 8)
    with pytest.raises(ContextOverflowError, match=r"undo .*--context.* --history drop-oldest"):
        list(synthesizer.take_turn(session, "More of it. " * 8))
    assert store.load(session.id) == session


def test_the_oldest_turns_are_dropped_only_when_allowed_and_aloud(sandbox, store):
    seen = []

    def answer(request, index):
        seen.append(request.prompt)
        return "x = 1\n"

    engine = ScriptedEngine(answer, settings=ScriptSettings(context_window=330))
    synthesizer = Synthesizer(engine, sandbox, store)
    session = session_of(synthesizer, "First. " * 8, "Second. " * 8, history="drop-oldest")
    events = list(synthesizer.take_turn(session, "Third. " * 8))
    assert [event for event in events if isinstance(event, HistoryDropped)] == [
        HistoryDropped(dropped=1, of=2)
    ]
    assert "First" not in seen[-1] and "Second" in seen[-1]
    assert "First" in events[-1].session.program()
    assert events[-1].turn.choice.generation.history_dropped == 1


@pytest.mark.parametrize(
    ("turn", "fault"),
    [
        ("", "the turn is empty"),
        (" \n\t ", "the turn is empty"),
        ("x" * 100_000, "the turn is too long: got '100,000 characters'; allowed: up to 16,000"),
        ("ring \x07", r"the turn has the control character U\+0007 \(line 1, column 6\)"),
        ("a\nb\x1b[2J", r"U\+001B \(line 2, column 2\)"),
        ("half \ud800", r"U\+D800"),
    ],
)
def test_bad_turns_are_refused_in_one_line(turn, fault, synthesizer):
    session = synthesizer.new_session(COMMENT)
    with pytest.raises(InputError, match=fault) as caught:
        synthesizer.take_turn(session, turn)
    assert "\n" not in str(caught.value)
    assert "fix:" in str(caught.value)


def test_text_cut_by_the_token_limit_is_trimmed_to_what_parses(sandbox, store):
    engine = ScriptedEngine(["x = 1\ny = [1,\n 2, 3"])
    synthesizer = Synthesizer(engine, sandbox, store)
    short = Sampling(max_tokens=12)
    session = session_of(synthesizer, "Go.", sampling=short)
    assert session.turn.code == "x = 1"
    assert session.turn.choice.trimmed
    session = session_of(synthesizer, "Go.", sampling=short, trim="never")
    assert session.turn.choice.run.outcome.status is Status.SYNTAX_ERROR


def test_a_model_that_writes_nothing_has_not_done_the_step(sandbox, store):
    synthesizer = Synthesizer(ScriptedEngine(["# only words\n"]), sandbox, store)
    choice = session_of(synthesizer, "Go.").turn.choice
    assert choice.run.outcome.finished and not choice.finished
    assert choice.describe() == "wrote nothing"


def test_header_goes_by_style_and_by_what_the_sandbox_has(synthesizer):
    assert synthesizer.new_session().header == ("# Import libraries.\n\nimport numpy as np\n\n")
    own = synthesizer.new_session(replace(COMMENT, header="import math"))
    assert own.header == "import math\n\n"
    with pytest.raises(InputError, match=r"the header does not run .*ModuleNotFoundError"):
        synthesizer.new_session(replace(COMMENT, header="import not_there"))


def test_adopting_a_session_of_another_model(synthesizer, sandbox, store):
    session = session_of(synthesizer, "Set x.", style="auto")
    chat = ScriptedEngine(
        ["print(x)\n```"],
        settings=ScriptSettings(
            chat_template="{% for m in messages %}<|{{ m.role }}|>{{ m.content }}\n{% endfor %}"
        ),
        model="talker",
    )
    other = Synthesizer(chat, sandbox, store)
    adopted = other.adopt(session)
    assert (adopted.model, adopted.style) == ("talker", "chat")
    assert store.load(session.id) == adopted
    adopted = saved(other.take_turn(adopted, "Print x."))
    assert adopted.turn.choice.run.stdout == "2\n"


def test_two_programs_at_one_session_lose_nothing(synthesizer, sandbox, tmp_path):
    session = session_of(synthesizer, "Define area.")
    with SessionStore(tmp_path / "sessions.sqlite3") as theirs:
        other = Synthesizer(synthesizer.engine, sandbox, theirs)
        ours = saved(synthesizer.take_turn(session, "Double x."))
        saved(other.take_turn(theirs.load(session.id), "Break it."))
        stale = saved(other.retry(session, turn_id=1))
    assert ours.turn.id == 2
    # Turn 1 had been followed behind this record's back, so its retry went to a branch.
    assert stale.turn.id == 4
    both = synthesizer.store.load(session.id)
    assert [turn.prompt for turn in both.turns.values()] == [
        "Define area.",
        "Double x.",
        "Break it.",
        "Define area.",
    ]
