"""Who may use the server: the names it is called by, the pages that may call it, and the token.

The server runs code, so a page elsewhere must not reach it. A browser sends such a page's requests
with an `Origin` of its own; and where a page's name was pointed at this machine (DNS rebinding),
with a `Host` of its own. Both are compared before anything else. Then the token is required, from
an API client as ``Authorization: Bearer TOKEN``, from the page as a cookie that the start-up link
sets. The cookie is not the token, and no other site can have the browser send it.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from multiturn.apps.server.errors import ApiError, error_response
from multiturn.apps.server.settings import ServerSettings, is_loopback

__all__ = ["OPEN_PATHS", "AccessMiddleware", "cookie_name", "cookie_value"]

OPEN_PATHS = frozenset({"/healthz", "/readyz"})
"""They need no token, and say nothing but whether the server works."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^\s:/?#\[\]@,]+)(?::(?P<port>[0-9]{1,5}))?")
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_PREFLIGHT_SECONDS = 600


def cookie_name(port: int) -> str:
    """Cookies are shared between the ports of a machine, so each server has its own."""
    return f"multiturn-{port}"


def cookie_value(token: str) -> str:
    """What the cookie holds: made from the token, which cannot be computed from it."""
    return hmac.new(token.encode(), b"multiturn cookie", "sha256").hexdigest()


class AccessMiddleware:
    """Refuses what may not reach the application.

    Args:
        app: the application.
        settings: of the server.
    """

    def __init__(self, app: ASGIApp, settings: ServerSettings) -> None:
        self._app = app
        self._settings = settings
        self._bearer = f"Bearer {settings.token}".encode()
        self._cookie = cookie_value(settings.token).encode()
        names = {name.lower() for name in settings.host_names}
        if is_loopback(settings.host):
            names |= _LOOPBACK_NAMES
        elif settings.host not in ("0.0.0.0", "::"):
            names.add(f"[{settings.host}]" if ":" in settings.host else settings.host.lower())
        else:
            names |= _LOOPBACK_NAMES
        self._names = frozenset(names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with a refusal."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            self._check_host(headers, scope)
            origin = self._check_origin(headers, scope)
            if origin is not None and scope["method"] == "OPTIONS":
                answer: Response | None = _preflight(origin)
            else:
                answer = self._authenticate(headers, scope, elsewhere=origin is not None)
        except ApiError as error:
            answer = error_response(error)
            origin = None
        if answer is not None:
            await answer(scope, receive, send)
        elif origin is not None:
            await self._app(scope, receive, _with_origin(send, origin))
        else:
            await self._app(scope, receive, send)

    def _check_host(self, headers: Headers, scope: Scope) -> None:
        """Refuse a request that was sent to another name.

        Raises:
            ApiError: it was.
        """
        given = headers.getlist("host")
        match = _HOST.fullmatch(given[0]) if len(given) == 1 else None
        if match is None:
            raise ApiError(400, "the request names no host, or several", code="invalid_host")
        name = match["name"].lower().rstrip(".")
        server = scope.get("server") or ("", None)
        own = f"[{server[0]}]" if ":" in str(server[0]) else server[0]
        # An address of this machine cannot be a rebound name: it is no name.
        if name not in self._names and name != own:
            raise ApiError(
                403,
                f"the server is not known as {name[:80]!r}; name it with --host-name if it is",
                code="invalid_host",
            )

    def _check_origin(self, headers: Headers, scope: Scope) -> str | None:
        """Refuse a request of a page elsewhere.

        Returns:
            The origin of a page that the settings name; None where no page elsewhere sent it.

        Raises:
            ApiError: a page sent it that may not.
        """
        origins = headers.getlist("origin")
        if len(origins) > 1:
            raise ApiError(400, "the request has several origins", code="invalid_origin")
        if origins:
            origin = origins[0]
            if origin == f"{scope['scheme']}://{headers['host']}":
                return None
            if origin in self._settings.origins:
                return origin
            raise ApiError(
                403,
                f"pages of {origin[:80]!r} may not use this server; name them with --origin",
                code="invalid_origin",
            )
        site = headers.get("sec-fetch-site", "none")
        navigated = headers.get("sec-fetch-mode") == "navigate" and scope["method"] == "GET"
        if site in ("cross-site", "same-site") and not navigated:
            raise ApiError(403, "pages elsewhere may not use this server", code="invalid_origin")
        return None

    def _authenticate(self, headers: Headers, scope: Scope, *, elsewhere: bool) -> Response | None:
        """Require the token.

        Args:
            headers: of the request.
            scope: of the request.
            elsewhere: whether a page of another origin sent it, whose cookies do not count.

        Returns:
            The answer to the start-up link, which sets the cookie; None for other requests.

        Raises:
            ApiError: there is no token, or another one.
        """
        if scope["path"] in OPEN_PATHS and scope["method"] in _SAFE:
            return None
        given = headers.getlist("authorization")
        if given:
            if len(given) == 1 and _equal(given[0], self._bearer):
                return None
            raise ApiError(401, "the token is wrong", code="invalid_api_key")
        name = cookie_name(_port(scope))
        cookie = _cookie(headers, name)
        if cookie is not None and not elsewhere and _equal(cookie, self._cookie):
            if scope["method"] not in _SAFE and not headers.getlist("origin"):
                raise ApiError(
                    403, "a request with the cookie needs an origin", code="invalid_origin"
                )
            return None
        if scope["path"] == "/" and scope["method"] == "GET":
            query = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=10)
            if _equal(query.get("token", [""])[0], self._settings.token.encode()):
                answer = RedirectResponse("/", status_code=303)
                answer.set_cookie(
                    name, cookie_value(self._settings.token), httponly=True, samesite="strict",
                    secure=scope["scheme"] == "https",
                )  # fmt: skip
                return answer
        raise ApiError(
            401,
            "the server needs its token: open the link that it printed when it started, or send "
            "the header 'Authorization: Bearer TOKEN'",
            code="invalid_api_key",
        )


def _port(scope: Scope) -> int:
    server = scope.get("server")
    return int(server[1]) if server and server[1] is not None else 0


def _equal(given: str, expected: bytes) -> bool:
    """Whether two texts are equal, in a time that does not depend on where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected)


def _cookie(headers: Headers, name: str) -> str | None:
    jar: SimpleCookie = SimpleCookie()
    try:
        for line in headers.getlist("cookie"):
            jar.load(line)
    except CookieError:
        return None
    found = jar.get(name)
    return None if found is None else found.value


def _preflight(origin: str) -> Response:
    """The answer to a browser that asks whether a page of `origin` may send a request."""
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
            "Access-Control-Allow-Headers": "Authorization, Content-Type",
            "Access-Control-Max-Age": str(_PREFLIGHT_SECONDS),
            "Vary": "Origin",
        },
    )


def _with_origin(send: Send, origin: str) -> Send:
    """Let a page of `origin` read the answer."""

    async def send_with_origin(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            headers += [(b"access-control-allow-origin", origin.encode()), (b"vary", b"Origin")]
            message = {**message, "headers": headers}
        await send(message)

    return send_with_origin
