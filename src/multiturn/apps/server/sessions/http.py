"""What the endpoints of sessions have in common: versions as ETags, and answers made in threads."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, Header, Path, Request
from pydantic import BaseModel
from starlette.responses import Response

from multiturn.apps.server.errors import ApiError
from multiturn.apps.server.event_stream import EventStream
from multiturn.apps.server.resources import ServerResources, resources_of
from multiturn.apps.server.sessions.job_events import EVENT_KINDS
from multiturn.apps.server.sessions.job_views import JobView
from multiturn.apps.server.sessions.service import SessionService
from multiturn.apps.server.sessions.session_stream import STATE_KINDS, session_stream
from multiturn.synthesis.records import Session

__all__ = [
    "CONFLICT",
    "EVENTS",
    "JOB",
    "JobId",
    "NOT_FOUND",
    "RequestKey",
    "Service",
    "SessionId",
    "TurnId",
    "Version",
    "answer",
    "job_answer",
    "session_answer",
]

_ETAG = re.compile(r'(?:W/)?"(\d{1,15})"')

SessionId = Annotated[
    str, Path(pattern="^[0-9a-f]{1,32}$", description="The id of a session.", examples=["1f2e3d4c"])
]
TurnId = Annotated[int, Path(ge=1, lt=2**31, description="The id of a turn of the session.")]
JobId = Annotated[str, Path(pattern="^[A-Za-z0-9_-]{1,64}$", description="The id of a job.")]
RequestKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern="^[A-Za-z0-9_-]{1,64}$",
        description="A new name for this request, which becomes the id of the job. If the answer "
        "is lost, the same request with the same name starts nothing again.",
    ),
]

_ERROR = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorAnswer"}}}}
NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: {"description": "There is no such session, turn or job.", **_ERROR}
}
CONFLICT: dict[int | str, dict[str, Any]] = {
    **NOT_FOUND,
    409: {
        "description": "The session has another version than `If-Match` says, or a turn of it is "
        "being written.",
        **_ERROR,
    },
}


def _described(kinds: dict[str, str]) -> str:
    return "".join(f"\n- `{kind}`: {meaning}" for kind, meaning in kinds.items())


EVENTS = (
    "Server-sent events. Those with a number (`id`) have the id of their `job`:\n"
    f"{_described(EVENT_KINDS)}\n\nThose without one:\n{_described(STATE_KINDS)}"
)
JOB: dict[int | str, dict[str, Any]] = {
    **CONFLICT,
    202: {
        "description": "The job has started. With `Accept: text/event-stream`, its events until it "
        "ends; a client that leaves does not stop it.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
}


def _version(
    if_match: Annotated[
        str | None,
        Header(
            alias="If-Match",
            description="The ETag of the session that the change was made for; without it, the "
            "change is made to the session as it is.",
        ),
    ] = None,
) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    match = _ETAG.fullmatch(if_match.strip())
    if match is None:
        raise ApiError(400, 'If-Match is the ETag of a session, such as "7"', param="If-Match")
    return int(match[1])


Version = Annotated[int | None, Depends(_version)]


def _service(resources: Annotated[ServerResources, Depends(resources_of)]) -> SessionService:
    return resources.sessions


Service = Annotated[SessionService, Depends(_service)]


def answer(
    model: BaseModel, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """A model as JSON; made in the thread of the endpoint, since a session may be large."""
    return Response(model.model_dump_json(), status, media_type="application/json", headers=headers)


def session_answer(
    model: BaseModel, session: Session, *, status: int = 200, location: bool = False
) -> Response:
    """An answer with the version of a session."""
    headers = {"ETag": f'"{session.version}"'}
    if location:
        headers["Location"] = f"/api/sessions/{session.id}"
    return answer(model, status=status, headers=headers)


def job_answer(
    request: Request, service: SessionService, session_id: str, start: Callable[[], JobView]
) -> Response:
    """Start a job, and answer with it or with its events."""
    _, last_event = service.jobs.position(session_id) if _streams(request) else (0, 0)
    job = start()
    location = {"Location": f"/api/sessions/{session_id}/jobs/{job.id}"}
    if not _streams(request):
        return answer(job, status=202, headers=location)
    first = service.jobs.events(session_id, job_id=job.id, max_count=1)
    stream = session_stream(
        service,
        session_id,
        after=first[0].number - 1 if first else last_event,
        job_id=job.id,
        stopping=request.app.state.resources.stopping,
    )
    response = EventStream(stream, headers=location)
    response.status_code = 202
    return response


def _streams(request: Request) -> bool:
    return "text/event-stream" in request.headers.get("accept", "")
