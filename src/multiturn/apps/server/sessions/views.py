"""What the session API answers with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from multiturn.apps.server.sessions.candidate_views import (
    CandidateView,
    RunView,
    View,
    candidate_view,
    run_view,
)
from multiturn.apps.server.sessions.job_views import JobView
from multiturn.apps.server.sessions.settings_models import SettingsView
from multiturn.core.records import to_plain
from multiturn.synthesis.branches import BranchComparison
from multiturn.synthesis.expectations import describe_example
from multiturn.synthesis.export import export_formats
from multiturn.synthesis.records import ProgramRun, Session, Turn
from multiturn.synthesis.replay import Replay
from multiturn.synthesis.store_lists import SessionMatch, SessionSummary
from multiturn.synthesis.values import changed_values

__all__ = [
    "ComparisonView",
    "ExampleView",
    "SessionList",
    "SessionListEntry",
    "SessionView",
    "TurnDetail",
    "TurnOutline",
    "ProgramTurn",
    "ReplayView",
    "ValueView",
    "comparison_view",
    "list_entry",
    "match_entry",
    "replay_view",
    "session_view",
    "turn_detail",
]

_SHOWN_OUTPUT = 16 * 1024
"""Characters of a turn's output in the view of a session; the turn's own view has all of it."""

_SHOWN_PROMPT = 200


class ValueView(View):
    """A variable after a turn."""

    name: str
    """Of the variable."""
    value: str
    """As short text."""
    changed: bool
    """Whether it is new, or another one than after the turn before."""


class ExampleView(View):
    """An expected result of a step."""

    number: int
    """From 1 within the turn."""
    description: str
    """For people."""
    expression: str | None
    """A Python expression; null for the output."""
    expected: Any
    """Its value, or what the output ends with."""
    passes: bool | None
    """Whether it holds for the chosen candidate; null if that did not run."""


class ProgramTurn(View):
    """A turn in the program so far."""

    id: int
    parent: int | None
    """The turn before it."""
    prompt: str
    code: str
    """Of the chosen candidate."""
    edited: bool
    """Whether a person wrote the chosen code."""
    chosen: int
    """The number of the chosen candidate, from 1."""
    candidates: int
    """How many there are."""
    good: bool
    """Whether the program ran, and every example holds."""
    summary: str
    """What came of it, for people."""
    status: str | None
    """How the run ended; null if it did not run."""
    error: str | None
    line: int | None
    """The line of the program at which the error was raised."""
    isolation: str | None
    """How strongly the program was isolated."""
    printed: str
    """What the program printed beyond its output one turn before."""
    printed_cut: bool
    """Whether that is only the beginning of it."""
    stderr: str
    examples: list[ExampleView]
    values: list[ValueView] | None
    """The variables after the turn; null if they are not known."""
    model: str | None
    """The model that wrote the chosen code."""
    created_at: str


class TurnOutline(View):
    """A turn in the tree of all turns."""

    id: int
    parent: int | None
    prompt: str
    """Its beginning."""
    good: bool
    candidates: int


class TurnDetail(ProgramTurn):
    """A turn with all candidates and their runs."""

    all_candidates: list[CandidateView]
    program: str
    """The program so far, up to this turn."""


class SessionListEntry(View):
    """A session in a list."""

    id: str
    name: str
    model: str
    turns: int
    last_prompt: str
    created_at: str
    updated_at: str
    turn: int | None = None
    """The turn that a search found."""
    snippet: str | None = None
    """The line that a search found."""


class SessionList(View):
    """Sessions, the most recently used first."""

    sessions: list[SessionListEntry]
    total: int
    """How many there are, beyond those listed too."""


class SessionView(View):
    """A session: the program so far, the turns that are stale, and the tree of all turns."""

    id: str
    name: str
    model: str
    style: str
    header: str
    """Text at the start of the program."""
    language: str
    """Of the program, as people write it: ``Python``, ``C++``."""
    formats: list[str]
    """What the program can be exported as, the file of its language first; `json` too."""
    settings: SettingsView  # type: ignore[valid-type]
    """Its settings."""
    version: int
    """Another one after each change; also the ETag."""
    current: int | None
    """The turn that the next one follows; null at the beginning."""
    path: list[ProgramTurn]
    """The turns of the program so far."""
    stale: list[ProgramTurn]
    """Turns that followed an earlier version of the current one, until they run again."""
    tree: list[TurnOutline]
    """All turns."""
    last_event: int
    """The number of the last event that this view contains."""
    job: JobView | None
    """The job that runs, or the last one where it did not save what it was to save."""
    created_at: str
    updated_at: str


class ReplayView(View):
    """A candidate that was repeated from its record."""

    candidate: int
    """Its number, from 1."""
    same_model: bool | None
    """Whether the model is the recorded one, by its name and weights; null for edited code."""
    same_prompt: bool | None
    """Whether the recorded prompt could be made again, by its hash. A repair's cannot: what was
    wrong is in no record. The model writes only from the recorded prompt."""
    same_code: bool | None
    """Whether the model wrote the recorded code; null if it wrote nothing."""
    same_output: bool | None
    """Whether the program with the recorded code ended and printed as recorded."""
    code: str | None
    """What the model wrote this time."""
    run: RunView
    """Of the program with the recorded code."""


class DiffLineView(View):
    """A line of one or both texts."""

    kind: Literal["same", "left", "right"]
    text: str


class DifferentValue(View):
    """A variable that differs."""

    name: str
    left: str | None
    right: str | None


class ComparisonView(View):
    """What two branches have in common, and where they differ."""

    left: int | None
    right: int | None
    common: list[int]
    """The turns of both."""
    left_turns: list[int]
    right_turns: list[int]
    same_program: bool
    same_output: bool
    program: list[DiffLineView]
    output: list[DiffLineView]
    values: list[DifferentValue]


def turn_view(session: Session, turn: Turn) -> ProgramTurn:
    """The view of a turn."""
    return ProgramTurn(**_turn_fields(session, turn, _SHOWN_OUTPUT))


def turn_detail(session: Session, turn: Turn) -> TurnDetail:
    """The view of a turn with everything."""
    return TurnDetail(
        **_turn_fields(session, turn, None),
        all_candidates=[
            candidate_view(number, candidate)
            for number, candidate in enumerate(turn.candidates, start=1)
        ],
        program=session.program(turn.id),
    )


def session_view(session: Session, *, last_event: int, job: JobView | None = None) -> SessionView:
    """The view of a session."""
    return SessionView(
        id=session.id,
        name=session.name,
        model=session.model,
        style=session.style,
        header=session.header,
        language=session.language.name,
        formats=[
            suffix.removeprefix(".")
            for suffix in export_formats(session.language)
            if suffix not in session.language.extensions[1:]
        ],
        settings=SettingsView.model_validate(to_plain(session.settings)),
        version=session.version,
        current=session.current,
        path=[turn_view(session, turn) for turn in session.path()],
        stale=[turn_view(session, turn) for turn in session.stale],
        tree=[
            TurnOutline(
                id=turn.id,
                parent=turn.parent,
                prompt=turn.prompt[:_SHOWN_PROMPT],
                good=turn.choice.good,
                candidates=len(turn.candidates),
            )
            for turn in session.turns.values()
        ],
        last_event=last_event,
        job=job,
        created_at=session.created_at,
        updated_at=session.updated_at,
    )


def list_entry(summary: SessionSummary) -> SessionListEntry:
    """The view of an entry in a list."""
    return SessionListEntry(**to_plain(summary))


def match_entry(match: SessionMatch) -> SessionListEntry:
    """The view of what a search found."""
    return SessionListEntry(**to_plain(match.session), turn=match.turn, snippet=match.snippet)


def comparison_view(compared: BranchComparison) -> ComparisonView:
    """The view of a comparison."""
    return ComparisonView(
        left=compared.left,
        right=compared.right,
        common=list(compared.common),
        left_turns=list(compared.left_turns),
        right_turns=list(compared.right_turns),
        same_program=compared.same_program,
        same_output=compared.same_output,
        program=[DiffLineView(kind=line.kind, text=line.text) for line in compared.program],
        output=[DiffLineView(kind=line.kind, text=line.text) for line in compared.output],
        values=[
            DifferentValue(name=name, left=left, right=right)
            for name, left, right in compared.values
        ],
    )


def replay_view(replay: Replay) -> ReplayView:
    """The view of a repetition."""
    return ReplayView(
        candidate=replay.number,
        same_model=replay.same_model,
        same_prompt=replay.same_prompt,
        same_code=replay.same_code,
        same_output=replay.same_output,
        code=replay.code,
        run=run_view(replay.run),
    )


def _turn_fields(session: Session, turn: Turn, max_characters: int | None) -> dict[str, Any]:
    choice = turn.choice
    run = choice.run
    before = None if turn.parent is None else session.find(turn.parent).choice.run
    printed = "" if run is None else _new_output(run, before)
    shown = printed[:max_characters]
    generation = choice.generation
    return {
        "id": turn.id,
        "parent": turn.parent,
        "prompt": turn.prompt,
        "code": turn.code,
        "edited": turn.edited,
        "chosen": turn.chosen + 1,
        "candidates": len(turn.candidates),
        "good": choice.good,
        "summary": choice.describe(),
        "status": None if run is None else run.outcome.status.value,
        "error": None if run is None else run.outcome.error,
        "line": None if run is None else run.outcome.line,
        "isolation": None if run is None else run.rung.value,
        "printed": shown,
        "printed_cut": len(shown) < len(printed) or (run is not None and run.output_cut),
        "stderr": "" if run is None else run.stderr[:max_characters],
        "examples": _examples(turn),
        "values": None if run is None else _values(run, before, at_start=turn.parent is None),
        "model": None if generation is None else generation.model,
        "created_at": turn.created_at,
    }


def _new_output(run: ProgramRun, before: ProgramRun | None) -> str:
    earlier = "" if before is None else before.stdout
    return run.stdout.removeprefix(earlier)


def _examples(turn: Turn) -> list[ExampleView]:
    passed: Sequence[bool | None] = turn.choice.examples_passed
    if len(passed) != len(turn.examples):
        passed = [None] * len(turn.examples)
    return [
        ExampleView(
            number=number,
            description=describe_example(example),
            expression=example.expression,
            expected=to_plain(example.expected),
            passes=passes,
        )
        for number, (example, passes) in enumerate(zip(turn.examples, passed, strict=True), start=1)
    ]


def _values(
    run: ProgramRun, before: ProgramRun | None, *, at_start: bool
) -> list[ValueView] | None:
    if run.values is None:
        return None
    earlier = () if at_start else (None if before is None else before.values)
    changed = {name for name, _ in changed_values(earlier, run.values)}
    return [
        ValueView(name=name, value=value, changed=name in changed) for name, value in run.values
    ]
