"""Whether the server lives, and whether it takes requests."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel

from multiturn.apps.server.resources import ServerResources, resources_of

__all__ = ["router"]

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The state of the server."""

    status: Literal["ok", "stopping"]


@router.get("/healthz")
async def healthz() -> Health:
    """The process answers."""
    return Health(status="ok")


@router.get("/readyz", responses={503: {"model": Health, "description": "It is stopping."}})
async def readyz(
    response: Response, resources: Annotated[ServerResources, Depends(resources_of)]
) -> Health:
    """Requests are accepted: the model is loaded, and the server is not stopping."""
    if resources.stopping.is_set():
        response.status_code = 503
        return Health(status="stopping")
    return Health(status="ok")
