"""The events of the synthesis loop as events of a job."""

from __future__ import annotations

from typing import Any

from multiturn.apps.server.sessions.candidate_views import candidate_view
from multiturn.synthesis.events import (
    CandidateRan,
    CandidateRepeated,
    CandidateWritten,
    HistoryDropped,
    LoopEvent,
    Retrying,
    TextWritten,
    TurnCancelled,
    TurnSaved,
)
from multiturn.synthesis.records import Candidate

__all__ = ["EVENT_KINDS", "event_data"]

MAX_OUTPUT = 16 * 1024
"""Characters of each output stream in an event; the turn has the rest."""

EVENT_KINDS = {
    "started": "The job runs: `kind`, `prompt`, `turn`.",
    "step": "A stale turn follows: `turn` (the stale one), `prompt`. Candidates begin again.",
    "text": "`texts`: pairs of a candidate's index and text that follows its text so far.",
    "candidate": "`index` is complete: `candidate`, not yet run. Its code is final.",
    "repeated": "`index` has the code of another candidate: `candidate`.",
    "ran": "The program so far ran with `index`: `candidate` with its run.",
    "notice": "`text`: a remark for people.",
    "turn": "`turn` is saved; the session has another `version`.",
    "ended": "The job has ended: `state`, `error`.",
}
"""The numbered events of a session, with what their data hold."""


def event_data(event: LoopEvent) -> tuple[str, dict[str, Any]] | None:
    """The kind and the data of an event; None for one that is shown otherwise."""
    match event:
        case TextWritten():
            return "text", {"texts": [[event.index, event.text]]}
        case CandidateWritten():
            return "candidate", _candidate(event.index, event.candidate)
        case CandidateRepeated():
            return "repeated", _candidate(event.index, event.candidate)
        case CandidateRan():
            return "ran", _candidate(event.index, event.candidate)
        case HistoryDropped():
            text = (
                f"the program has outgrown the context window: the prompt leaves out the oldest "
                f"{event.dropped} of {event.of} turns"
            )
            return "notice", {"text": text}
        case Retrying():
            text = f"{event.failure}; attempt {event.attempt} of {event.max_retries} follows"
            return "notice", {"text": text}
        case TurnSaved():
            return "turn", {"turn": event.turn.id, "version": event.session.version}
        case TurnCancelled():
            return None


def _candidate(index: int, candidate: Candidate) -> dict[str, Any]:
    view = candidate_view(index + 1, candidate)
    if view.run is not None and max(len(view.run.stdout), len(view.run.stderr)) > MAX_OUTPUT:
        view.run.stdout = view.run.stdout[:MAX_OUTPUT]
        view.run.stderr = view.run.stderr[:MAX_OUTPUT]
        view.run.output_cut = True
    return {"index": index, "candidate": view.model_dump(mode="json")}
