"""Makes the application: its endpoints, and what every request passes on the way to them."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi

from multiturn import __version__
from multiturn.apps.server.access import OPEN_PATHS, AccessMiddleware
from multiturn.apps.server.clients import ClientLeftError
from multiturn.apps.server.errors import ErrorAnswer, add_error_handlers
from multiturn.apps.server.metrics import MetricsMiddleware
from multiturn.apps.server.rate_limit import RateLimitMiddleware
from multiturn.apps.server.resources import ServerResources
from multiturn.apps.server.routers import (
    about,
    chat,
    completions,
    health,
    jobs,
    metrics,
    models,
    page,
    runs,
    sessions,
    tokens,
    turns,
)

__all__ = ["ROUTERS", "create_app"]

ROUTERS = (
    page.router,
    models.router,
    completions.router,
    chat.router,
    tokens.router,
    about.router,
    sessions.router,
    turns.router,
    jobs.router,
    runs.router,
    health.router,
    metrics.router,
)
"""Of all endpoints."""

_REFUSALS = {
    "400": "The request is wrong; the message says how.",
    "401": "There is no token, or a wrong one.",
    "403": "A page elsewhere sent the request, or to another name of this machine.",
    "404": "There is no such thing here.",
    "413": "The body is too large.",
    "429": "There are too many requests; Retry-After says when to come back.",
    "503": "The engine or another part failed, or the server is stopping.",
}
"""What every endpoint may answer."""


def create_app(resources: ServerResources) -> FastAPI:
    """The application over open resources."""
    app = FastAPI(
        title="Multiturn",
        version=__version__,
        summary="Write programs turn by turn with an open code model.",
        # The usual pages about an API load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        max_body_size=resources.settings.max_body_bytes,
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
    )
    app.state.resources = resources
    add_error_handlers(app)
    app.add_exception_handler(ClientLeftError, _to_no_one)
    for router in ROUTERS:
        app.include_router(router)
    # The last one added is the first that a request passes.
    app.add_middleware(RateLimitMiddleware, settings=resources.settings)
    app.add_middleware(AccessMiddleware, settings=resources.settings)
    app.add_middleware(MetricsMiddleware, metrics=resources.metrics)
    # Making the document takes as long as some answers, so it is made before the first.
    document = _openapi(app)
    app.openapi = lambda: document  # type: ignore[method-assign]
    return app


async def _to_no_one(request: Request, error: Exception) -> Response:
    """The client has left; the status is for the metrics."""
    del request, error
    return Response(status_code=499)


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with every refusal in the shape that it has here."""
    document = get_openapi(
        title=app.title, version=app.version, summary=app.summary, routes=app.routes
    )
    parts = document.setdefault("components", {})
    schemas = parts.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    described = ErrorAnswer.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= described.pop("$defs", {})
    schemas["ErrorAnswer"] = described
    parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    shape = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorAnswer"}}}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            answers = operation["responses"]
            answers.pop("422", None)
            if path in OPEN_PATHS:
                continue
            operation["security"] = [{"token": []}]
            for status, why in _REFUSALS.items():
                answers.setdefault(status, {"description": why, "content": shape})
    return document
