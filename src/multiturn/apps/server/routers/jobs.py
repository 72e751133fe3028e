"""`/api/sessions/{session_id}/jobs` and `/events`: what is being written, as it happens."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from multiturn.apps.server.errors import ApiError
from multiturn.apps.server.event_stream import EventStream
from multiturn.apps.server.sessions.http import (
    CONFLICT,
    EVENTS,
    JOB,
    NOT_FOUND,
    JobId,
    Service,
    SessionId,
    Version,
    answer,
    job_answer,
)
from multiturn.apps.server.sessions.job_views import JobView
from multiturn.apps.server.sessions.session_stream import session_stream

__all__ = ["router"]

router = APIRouter(prefix="/api/sessions/{session_id}", tags=["jobs"])

MAX_STREAMS = 256

_STREAM: dict[int | str, dict[str, Any]] = {
    **NOT_FOUND,
    200: {
        "description": EVENTS,
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
}


@router.get("/events", response_class=Response, responses=_STREAM)
def session_events(
    request: Request,
    service: Service,
    session_id: SessionId,
    after: Annotated[
        int | None,
        Query(
            ge=0, lt=2**53, description="The number of the last event that the client has, such as "
            "`last_event` of the session. Without it, the events to come.",
        ),
    ] = None,
    last_event_id: Annotated[
        str | None,
        Header(alias="Last-Event-ID", description="The same, as browsers send it; it counts more."),
    ] = None,
) -> Response:  # fmt: skip
    """The events of a session: every tab and program that listens gets the same."""
    if last_event_id:
        if not (last_event_id.isascii() and last_event_id.isdecimal() and len(last_event_id) < 16):
            raise ApiError(400, "Last-Event-ID is the number of an event", param="Last-Event-ID")
        after = int(last_event_id)
    service.load(session_id)
    if service.log.listeners >= MAX_STREAMS:
        raise ApiError(429, f"{MAX_STREAMS} clients listen already", code="busy", retry_after=10)
    stopping = request.app.state.resources.stopping
    return EventStream(session_stream(service, session_id, after=after, stopping=stopping))


@router.get("/jobs/{job_id}", response_model=JobView, responses=NOT_FOUND)
def get_job(service: Service, session_id: SessionId, job_id: JobId) -> Response:
    """A job, and everything that was shown of it."""
    return answer(service.job(session_id, job_id))


@router.post("/jobs/{job_id}/cancel", response_model=JobView, responses=CONFLICT)
def cancel_job(service: Service, session_id: SessionId, job_id: JobId) -> Response:
    """Cancel a job: nothing of the step that is being written is saved."""
    return answer(service.cancel(session_id, job_id))


@router.post("/jobs/{job_id}/retry", status_code=202, response_model=JobView, responses=JOB)
def retry_job(
    request: Request, service: Service, session_id: SessionId, job_id: JobId, version: Version
) -> Response:
    """Start a job again that was interrupted, was cancelled or failed."""
    return job_answer(
        request,
        service,
        session_id,
        lambda: service.retry_job(session_id, job_id, version=version),
    )


@router.delete("/jobs/{job_id}", status_code=204, responses=CONFLICT)
def dismiss_job(service: Service, session_id: SessionId, job_id: JobId) -> Response:
    """Forget a job that has ended, and what it showed."""
    service.dismiss(session_id, job_id)
    return Response(status_code=204)
