"""Around the framework: what it answers by itself, and bugs that are answered already."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from multiturn.apps.server.errors import ApiError, error_response

__all__ = ["OutermostMiddleware"]


class OutermostMiddleware:
    """Gives refusals of large bodies the usual shape, and leaves connections open after bugs.

    The framework refuses such a body with a line of text. After a bug it answers 500 and raises the
    exception once more, upon which the connection would be closed, perhaps under the next request.

    Args:
        app: the application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        replaced = complete = False

        async def send_or_replace(message: MutableMapping[str, Any]) -> None:
            nonlocal replaced, complete
            if message["type"] == "http.response.start" and message["status"] == 413:
                headers = dict(message.get("headers", ()))
                replaced = not headers.get(b"content-type", b"").startswith(b"application/json")
                if replaced:
                    error = ApiError(413, "the body is too large", code="body_too_large")
                    await error_response(error)(scope, receive, send)
            if not replaced:
                await send(message)
            complete = message["type"] == "http.response.body" and not message.get("more_body")

        try:
            await self._app(scope, receive, send_or_replace)
        except Exception:
            if not complete:
                raise
