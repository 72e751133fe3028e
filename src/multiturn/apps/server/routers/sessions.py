"""`/api/sessions`: sessions, but for their turns."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from multiturn.apps.server.large_bodies import LargeBodyRoute
from multiturn.apps.server.sessions.http import (
    CONFLICT,
    NOT_FOUND,
    Service,
    SessionId,
    Version,
    answer,
    session_answer,
)
from multiturn.apps.server.sessions.requests import NewSessionRequest, SessionChangeRequest
from multiturn.apps.server.sessions.service import SessionService
from multiturn.apps.server.sessions.views import (
    ComparisonView,
    SessionList,
    SessionView,
    comparison_view,
    list_entry,
    match_entry,
    session_view,
)
from multiturn.core.errors import InputError, UnknownNameError
from multiturn.synthesis.export import EXPORTERS, export_text, to_source
from multiturn.synthesis.records import Session
from multiturn.synthesis.session_file import session_document

__all__ = ["router"]

router = APIRouter(prefix="/api/sessions", tags=["sessions"], route_class=LargeBodyRoute)

_EXPORT_TYPES = {
    **{
        suffix.removeprefix("."): "text/plain; charset=utf-8"
        for suffix, exporter in EXPORTERS.items()
        if exporter is to_source
    },
    "py": "text/x-python; charset=utf-8",
    "ipynb": "application/x-ipynb+json",
    "md": "text/markdown; charset=utf-8",
    "jsonl": "application/jsonl",
    "json": "application/json",
}
"""By the format: a program, a notebook, a document, a published problem, a session file."""

_MAX_LISTED = 1000

MAX_FILE_BYTES = 32 << 20
"""Of a session file: more than of other requests, since it has the output of every turn."""


@router.get("", response_model=SessionList)
def list_sessions(
    service: Service,
    search: Annotated[
        str, Query(max_length=200, description="Words of a name, a prompt or the code.")
    ] = "",
    deleted: Annotated[bool, Query(description="Those that can be restored.")] = False,
    limit: Annotated[int, Query(ge=1, le=_MAX_LISTED)] = 100,
    offset: Annotated[int, Query(ge=0, lt=2**31)] = 0,
) -> Response:
    """List sessions, the most recently used first; or search them."""
    if search.strip():
        found = [match_entry(match) for match in service.search(search.strip())]
    else:
        found = [list_entry(summary) for summary in service.list(deleted=deleted)]
    return answer(SessionList(sessions=found[offset : offset + limit], total=len(found)))


@router.post("", status_code=201, response_model=SessionView)
def create_session(service: Service, body: NewSessionRequest) -> Response:
    """Create a session."""
    change = body.arguments().get("settings")
    return _view(service, service.create(body.name, change), status=201)


@router.post(
    "/import",
    status_code=201,
    response_model=SessionView,
    max_body_size=MAX_FILE_BYTES,
    openapi_extra={
        "requestBody": {
            "description": "A session file, as exported with the format `json`.",
            "required": True,
            "content": {"application/json": {"schema": {"type": "object"}}},
        }
    },
)
async def import_session(service: Service, request: Request) -> Response:
    """Add a session from a session file, with all its turns, under a new id."""
    content = await request.body()
    return await run_in_threadpool(_import, service, content)


@router.get("/{session_id}", response_model=SessionView, responses=NOT_FOUND)
def get_session(service: Service, session_id: SessionId) -> Response:
    """The program so far, the turns that are stale, the tree, and the job that runs."""
    session, last_event, job = service.look(session_id)
    return session_answer(session_view(session, last_event=last_event, job=job), session)


@router.patch("/{session_id}", response_model=SessionView, responses=CONFLICT)
def change_session(
    service: Service, session_id: SessionId, body: SessionChangeRequest, version: Version
) -> Response:
    """Rename a session, or change its settings."""
    change = body.arguments().get("settings")
    return _view(service, service.change(session_id, body.name, change, version=version))


@router.delete("/{session_id}", status_code=204, responses=CONFLICT)
def delete_session(service: Service, session_id: SessionId, version: Version) -> Response:
    """Delete a session. For 30 days it can be restored."""
    service.delete(session_id, version=version)
    return Response(status_code=204)


@router.post("/{session_id}/restore", response_model=SessionView, responses=NOT_FOUND)
def restore_session(service: Service, session_id: SessionId) -> Response:
    """Undo the deletion of a session."""
    return _view(service, service.restore(session_id))


@router.get(
    "/{session_id}/export/{suffix}",
    response_class=Response,
    responses={
        **NOT_FOUND,
        200: {
            "description": "The file, as an attachment.",
            "content": {
                kind.partition(";")[0]: {
                    "schema": {"type": "object" if kind.endswith("json") else "string"}
                }
                for kind in _EXPORT_TYPES.values()
            },
        },
    },
)
def export_session(service: Service, session_id: SessionId, suffix: str) -> Response:
    """The program as a `py`, `ipynb`, `md` or `jsonl` file, or the session as `json`.

    A program in another language is a file of that language, or `md`.
    """
    if suffix not in _EXPORT_TYPES:
        raise UnknownNameError("format", suffix, _EXPORT_TYPES)
    session = service.load(session_id)
    if suffix == "json":
        text = json.dumps(session_document(session), indent=1) + "\n"
    else:
        text = export_text(session, Path(f"program.{suffix}"))
    return Response(
        text.encode("utf-8", "replace"),
        headers={
            "Content-Type": _EXPORT_TYPES[suffix],
            "Content-Disposition": f'attachment; filename="{_file_name(session.name)}.{suffix}"',
        },
    )


@router.get("/{session_id}/compare", response_model=ComparisonView, responses=NOT_FOUND)
def compare_branches(
    service: Service,
    session_id: SessionId,
    left: Annotated[int, Query(ge=0, lt=2**31, description="A turn; 0 is the beginning.")],
    right: Annotated[int, Query(ge=0, lt=2**31, description="Another turn.")],
) -> Response:
    """Compare the programs up to two turns, what they print, and their variables."""
    return answer(comparison_view(service.compare(session_id, left or None, right or None)))


def _import(service: SessionService, content: bytes) -> Response:
    try:
        # A function in Python lets other threads work in the middle of a large file.
        document = json.loads(content, object_hook=lambda entry: entry)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the session file is not JSON ({error})") from error
    return _view(service, service.add(document), status=201)


def _view(service: SessionService, session: Session, *, status: int = 200) -> Response:
    found, last_event, job = service.look(session.id)
    view = session_view(found, last_event=last_event, job=job)
    return session_answer(view, found, status=status, location=status == 201)


def _file_name(name: str) -> str:
    """A name of a file, without a directory and whatever a header could not hold.

    Example:
        >>> _file_name("../My <sums>"), _file_name("...")
        ('My-sums', 'program')
    """
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")[:80].rstrip("-.") or "program"
