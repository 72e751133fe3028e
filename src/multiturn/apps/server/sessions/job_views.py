"""What a job has shown so far, put together from its events.

The page does the same with the events as they arrive, so that a reload shows the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from multiturn.apps.server.sessions.candidate_views import CandidateView, View
from multiturn.synthesis.jobs import Job, JobEvent

__all__ = ["JobView", "ShownCandidate", "job_view"]


class ShownCandidate(View):
    """What was shown of a candidate."""

    index: int
    """Counts from 0 through all candidates of the job, repeated ones included."""
    text: str
    """As it arrived."""
    candidate: CandidateView | None
    """What it became; null where it was not finished."""


class JobFailure(View):
    """Why a job failed."""

    message: str
    """One line."""
    kind: str
    """The kind of error."""


class JobView(View):
    """A change of a session that takes a while, and everything that was shown of it."""

    id: str
    kind: Literal["turn", "retry", "repair", "expect", "unexpect", "edit", "follow"]
    """What it does."""
    state: Literal["running", "saved", "cancelled", "failed", "interrupted"]
    """``interrupted``: the server ended first. What was shown is here, nothing was saved."""
    prompt: str | None
    """Of the step, if the request or an event names it."""
    turn: int | None
    """The turn that it is about; null for a new one."""
    saved_turn: int | None
    """The turn that was saved last."""
    error: JobFailure | None
    """Why it failed."""
    can_retry: bool
    """Whether ``POST .../jobs/{job}/retry`` starts it again."""
    candidates: list[ShownCandidate]
    """Of the current step, by index."""
    notices: list[str]
    """What was noted on the way, such as a retry after a failure."""
    created_at: str
    last_event: int
    """The number of its last event here."""


def job_view(job: Job, events: Iterable[JobEvent]) -> JobView:
    """Put together what a job has shown."""
    shown: dict[int, dict[str, Any]] = {}
    notices: list[str] = []
    prompt, turn = job.request.get("prompt"), job.request.get("turn")
    saved_turn, last = None, 0
    for event in events:
        data = json.loads(event.data)
        last = event.number
        match event.kind:
            case "text":
                for index, text in data["texts"]:
                    _entry(shown, index)["text"] += text
            case "candidate" | "ran":
                _entry(shown, data["index"])["candidate"] = data["candidate"]
            case "repeated":
                _entry(shown, data["index"])["candidate"] = data["candidate"]
            case "notice":
                notices.append(data["text"])
            case "step":
                shown.clear()
                prompt, turn = data["prompt"], data["turn"]
            case "turn":
                saved_turn = data["turn"]
    return JobView(
        id=job.id,
        kind=job.kind,  # type: ignore[arg-type]  # pydantic checks it
        state=job.state,
        prompt=prompt,
        turn=turn,
        saved_turn=saved_turn,
        error=None if job.error is None else JobFailure(**job.error),
        can_retry=job.state in ("cancelled", "failed", "interrupted"),
        candidates=[
            ShownCandidate(index=index, text=entry["text"], candidate=_view(entry["candidate"]))
            for index, entry in sorted(shown.items())
        ],
        notices=notices,
        created_at=job.created_at,
        last_event=last,
    )


def _entry(shown: dict[int, dict[str, Any]], index: int) -> dict[str, Any]:
    return shown.setdefault(index, {"text": "", "candidate": None})


def _view(candidate: Mapping[str, Any] | None) -> CandidateView | None:
    return None if candidate is None else CandidateView(**candidate)
