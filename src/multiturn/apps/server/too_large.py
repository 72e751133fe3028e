"""The refusal of a body that is too large, in the shape of every other one."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from multiturn.apps.server.errors import ApiError, error_response

__all__ = ["TooLargeMiddleware"]


class TooLargeMiddleware:
    """Replaces the framework's own answer, a line of text that it sends around the application.

    Args:
        app: the application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        replaced = False

        async def send_or_replace(message: MutableMapping[str, Any]) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start" and message["status"] == 413:
                headers = dict(message.get("headers", ()))
                replaced = not headers.get(b"content-type", b"").startswith(b"application/json")
                if replaced:
                    error = ApiError(413, "the body is too large", code="body_too_large")
                    await error_response(error)(scope, receive, send)
            if not replaced:
                await send(message)

        await self._app(scope, receive, send_or_replace)
