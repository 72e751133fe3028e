"""The first candidate and its run are on the screen before the others are written."""

from __future__ import annotations

from dataclasses import replace

import pytest

from multiturn.apps.cli.turn_view import TurnView
from multiturn.sandbox.isolation import IsolationLevel
from multiturn.sandbox.outcomes import Outcome, Status
from multiturn.synthesis.events import (
    CandidateRan,
    CandidateRepeated,
    CandidateWritten,
    Retrying,
    TextWritten,
    TurnSaved,
)
from multiturn.synthesis.records import Candidate, ProgramRun, Session, SessionSettings, Turn
from tests.apps.cli.test_cli_screen import Terminal


def candidate(text: str, **values: object) -> Candidate:
    return Candidate(text=text, raw_text=text, **values)


def ran(written: Candidate, printed: str = "", error: str | None = None) -> Candidate:
    outcome = Outcome(Status.RAISED, error, 1) if error else Outcome(Status.FINISHED)
    run = ProgramRun(outcome=outcome, rung=IsolationLevel.FAKE, stdout=printed)
    return replace(written, run=run)


def saved(*candidates: Candidate, chosen: int = 0) -> TurnSaved:
    turn = Turn(id=1, parent=None, prompt="Go.", candidates=candidates, chosen=chosen)
    session = Session(
        id="s", name="s", model="m", style="comment", header="", settings=SessionSettings()
    ).with_turn(turn)
    return TurnSaved(session, turn)


def shown(terminal: Terminal) -> str:
    return "\n".join(terminal.rows())


ONE, TWO = candidate("x = 1\nprint(x)"), candidate("x = 2\nprint(x)")
WRITING = [
    TextWritten(1, "x = 2\n"),
    TextWritten(0, "x = 1\n"),
    TextWritten(1, "print(x)"),
    TextWritten(0, "print(x)"),
    CandidateWritten(0, ONE),
]


@pytest.mark.parametrize("pickable", [True, False])
def test_the_first_is_shown_with_its_output_while_the_second_is_written(pickable: bool) -> None:
    terminal = Terminal(width=80)
    view = TurnView(terminal.console, candidates=3, pickable=pickable)
    for event in [*WRITING, CandidateRan(0, ran(ONE, "1\n"), "x = 1\nprint(x)\n")]:
        view.show_event(event)
    assert terminal.rows()[:4] == [
        "    x = 1",
        "    print(x)",
        "  ✓ ran, not checked  0.00 s, fake",
        "  │ 1",
    ]
    assert terminal.rows()[-1].strip().startswith("writing 2 more candidates, 2 tokens")
    for event in (
        CandidateWritten(1, TWO),
        CandidateRepeated(2, ONE),
        CandidateRan(1, ran(TWO, "2\n"), "x = 2\nprint(x)\n"),
        saved(replace(ran(ONE, "1\n"), copies=2), ran(TWO, "2\n")),
    ):
        view.show_event(event)
    text = shown(terminal)
    assert text.count("x = 1\n") == 1 and text.count("✓") == 1
    assert "x = 2\n" not in text
    assert ("/pick lists them" in text) == pickable
    assert "the best of 3 candidates, 2 different; 3 ran without an error" in text


def test_a_better_one_follows() -> None:
    terminal = Terminal(width=80)
    view = TurnView(terminal.console, candidates=2, pickable=False)
    failed = ran(ONE, error="NameError: name 'y' is not defined")
    for event in (
        *WRITING,
        CandidateRan(0, failed, "x = y\n"),
        CandidateWritten(1, TWO),
        CandidateRan(1, ran(TWO, "2\n"), "x = 2\nprint(x)\n"),
        saved(failed, ran(TWO, "2\n"), chosen=1),
    ):
        view.show_event(event)
    rows = terminal.rows()
    assert "    line 1: x = y" in rows
    at = rows.index("  candidate 2 is better:")
    assert rows[at + 1 : at + 5] == [
        "    x = 2",
        "    print(x)",
        "  ✓ ran, not checked  0.00 s, fake",
        "  │ 2",
    ]


def test_a_failure_that_is_on_the_screen_is_not_said_again() -> None:
    terminal = Terminal(width=80)
    view = TurnView(terminal.console, candidates=2, pickable=False)
    failed = ran(ONE, error="NameError: name 'y' is not defined")
    for event in (
        *WRITING,
        CandidateRan(0, failed, "x = y\n"),
        CandidateRepeated(1, ONE),
        Retrying(1, 1, failed.describe()),
        TextWritten(2, "x = 3"),
        CandidateWritten(2, candidate("x = 3")),
        CandidateRepeated(3, candidate("x = 3")),
        CandidateRan(2, ran(candidate("x = 3"), "3\n"), "x = 3"),
        saved(failed, ran(candidate("x = 3"), "3\n"), chosen=1),
    ):
        view.show_event(event)
    text = shown(terminal)
    assert text.count("NameError") == 1
    assert text.count("x = 3") == 1
    assert "better" not in text


def test_the_first_may_repeat_one_that_was_written_before() -> None:
    terminal = Terminal(width=80)
    view = TurnView(terminal.console, candidates=2)
    for event in (
        TextWritten(1, "x = 1\nprint(x)"),
        CandidateWritten(1, ONE),
        CandidateRan(1, ran(ONE, "1\n"), "x = 1\nprint(x)\n"),
        TextWritten(0, "x = 1\nprint(x)"),
        CandidateRepeated(0, ran(ONE, "1\n")),
        saved(replace(ran(ONE, "1\n"), copies=2)),
    ):
        view.show_event(event)
    text = shown(terminal)
    assert text.count("print(x)") == 1 and text.count("✓") == 1


def test_code_that_was_not_streamed_as_it_stands_is_shown_when_it_is_written() -> None:
    terminal = Terminal(width=80)
    view = TurnView(terminal.console, candidates=2, pickable=False)
    view.show_event(TextWritten(0, "Sure:\nx = 1\nprint(x)"))
    view.show_event(CandidateWritten(0, ONE))
    assert "    x = 1\n    print(x)" in shown(terminal)
