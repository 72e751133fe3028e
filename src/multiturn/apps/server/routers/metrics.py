"""`/metrics`: for Prometheus."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST

from multiturn.apps.server.resources import ServerResources, resources_of

__all__ = ["router"]

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Metrics."}
    },
)
async def metrics(resources: Annotated[ServerResources, Depends(resources_of)]) -> Response:
    """Counters and measurements in Prometheus's text format."""
    return Response(resources.metrics.text(), media_type=CONTENT_TYPE_LATEST)
