"""`/api/sessions/{session_id}/turns`: writing a program turn by turn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from multiturn.apps.server.large_bodies import LargeBodyRoute
from multiturn.apps.server.sessions.candidate_views import RunView, run_view
from multiturn.apps.server.sessions.http import (
    CONFLICT,
    JOB,
    NOT_FOUND,
    RequestKey,
    Service,
    SessionId,
    TurnId,
    Version,
    answer,
    job_answer,
    session_answer,
)
from multiturn.apps.server.sessions.job_kinds import JobKind
from multiturn.apps.server.sessions.job_views import JobView
from multiturn.apps.server.sessions.requests import (
    Body,
    EditRequest,
    ExampleRequest,
    FollowRequest,
    MoveRequest,
    NextTurnRequest,
    PickRequest,
    RepairRequest,
    ReplayRequest,
    RetryRequest,
    RunRequest,
)
from multiturn.apps.server.sessions.service import SessionService
from multiturn.apps.server.sessions.views import (
    ReplayView,
    SessionView,
    TurnDetail,
    replay_view,
    session_view,
    turn_detail,
)
from multiturn.synthesis.records import Session

__all__ = ["router"]

router = APIRouter(prefix="/api/sessions/{session_id}", tags=["turns"], route_class=LargeBodyRoute)


@router.post("/turns", status_code=202, response_model=JobView, responses=JOB)
def take_turn(
    request: Request,
    service: Service,
    session_id: SessionId,
    body: NextTurnRequest,
    version: Version,
    key: RequestKey = None,
) -> Response:
    """Write the next step after the current turn."""
    return _start(request, service, session_id, "turn", _given(body), version, key)


@router.get("/turns/{turn_id}", response_model=TurnDetail, responses=NOT_FOUND)
def get_turn(service: Service, session_id: SessionId, turn_id: TurnId) -> Response:
    """A turn with all its candidates, their code and their output."""
    session = service.load(session_id)
    return session_answer(turn_detail(session, session.find(turn_id)), session)


@router.post("/turns/{turn_id}/retry", status_code=202, response_model=JobView, responses=JOB)
def retry_turn(
    request: Request,
    service: Service,
    session_id: SessionId,
    turn_id: TurnId,
    body: RetryRequest,
    version: Version,
    key: RequestKey = None,
) -> Response:
    """Write more candidates of a step. After an earlier step, the later ones are stale."""
    arguments = {"turn": turn_id, **_given(body)}
    return _start(request, service, session_id, "retry", arguments, version, key)


@router.post("/turns/{turn_id}/repair", status_code=202, response_model=JobView, responses=JOB)
def repair_turn(
    request: Request,
    service: Service,
    session_id: SessionId,
    turn_id: TurnId,
    body: RepairRequest,
    version: Version,
    key: RequestKey = None,
) -> Response:
    """Write a step again, with what is wrong in the prompt."""
    arguments = {"turn": turn_id, **_given(body)}
    return _start(request, service, session_id, "repair", arguments, version, key)


@router.post("/turns/{turn_id}/edit", status_code=202, response_model=JobView, responses=JOB)
def edit_turn(
    request: Request,
    service: Service,
    session_id: SessionId,
    turn_id: TurnId,
    body: EditRequest,
    version: Version,
    key: RequestKey = None,
) -> Response:
    """Replace the code of a step, or its prompt, which the model then writes again, or both.

    After an earlier step, the later ones are stale.
    """
    arguments = {"turn": turn_id, **_given(body)}
    return _start(request, service, session_id, "edit", arguments, version, key)


@router.post("/turns/{turn_id}/examples", status_code=202, response_model=JobView, responses=JOB)
def expect_of_turn(
    request: Request,
    service: Service,
    session_id: SessionId,
    turn_id: TurnId,
    body: ExampleRequest,
    version: Version,
    key: RequestKey = None,
) -> Response:
    """Say what a step must give. Its candidates run again, and the best is chosen."""
    arguments = {"turn": turn_id, "example": body.arguments()}
    return _start(request, service, session_id, "expect", arguments, version, key)


@router.delete(
    "/turns/{turn_id}/examples/{number}", status_code=202, response_model=JobView, responses=JOB
)
def expect_no_longer(
    request: Request,
    service: Service,
    session_id: SessionId,
    turn_id: TurnId,
    number: Annotated[int, Path(ge=1, lt=2**31, description="Of the example, from 1.")],
    version: Version,
    key: RequestKey = None,
) -> Response:
    """Remove an example of a step. Its candidates run again, and the best is chosen."""
    arguments = {"turn": turn_id, "number": number}
    return _start(request, service, session_id, "unexpect", arguments, version, key)


@router.post("/turns/{turn_id}/pick", response_model=SessionView, responses=CONFLICT)
def pick_candidate(
    service: Service, session_id: SessionId, turn_id: TurnId, body: PickRequest, version: Version
) -> Response:
    """Choose a candidate of a step. After an earlier step, the later ones are stale."""
    return _view(service, service.pick(session_id, turn_id, body.candidate, version=version))


@router.post("/turns/{turn_id}/replay", response_model=ReplayView, responses=NOT_FOUND)
def replay_turn(
    service: Service, session_id: SessionId, turn_id: TurnId, body: ReplayRequest
) -> Response:
    """Repeat a candidate from its record: written and run again. Nothing is saved."""
    return answer(replay_view(service.replay(session_id, turn_id, body.candidate)))


@router.post("/move", response_model=SessionView, responses=CONFLICT)
def move(service: Service, session_id: SessionId, body: MoveRequest, version: Version) -> Response:
    """Go to any turn, back or on another branch; the next step follows it."""
    return _view(service, service.move(session_id, body.turn, version=version))


@router.post("/follow", status_code=202, response_model=JobView, responses=JOB)
def follow_again(
    request: Request,
    service: Service,
    session_id: SessionId,
    body: FollowRequest,
    version: Version,
    key: RequestKey = None,
) -> Response:
    """Let all stale turns follow the current one, in one go."""
    return _start(request, service, session_id, "follow", _given(body), version, key)


@router.post("/run", response_model=RunView, responses=NOT_FOUND)
def run_program(service: Service, session_id: SessionId, body: RunRequest) -> Response:
    """Run the program so far, or up to a turn, again. Nothing is saved."""
    return answer(run_view(service.run(session_id, body.turn)))


def _given(body: Body) -> dict[str, Any]:
    return {key: value for key, value in body.arguments().items() if value is not None}


def _start(
    request: Request,
    service: SessionService,
    session_id: str,
    kind: JobKind,
    arguments: Mapping[str, Any],
    version: int | None,
    key: str | None,
) -> Response:
    def start() -> JobView:
        return service.start(session_id, kind, arguments, version=version, job_id=key)

    return job_answer(request, service, session_id, start)


def _view(service: SessionService, session: Session) -> Response:
    found, last_event, job = service.look(session.id)
    return session_answer(session_view(found, last_event=last_event, job=job), found)
