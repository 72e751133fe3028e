"""How many requests a client's address may send."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from multiturn.apps.server.access import OPEN_PATHS
from multiturn.apps.server.errors import ApiError, error_response
from multiturn.apps.server.settings import ServerSettings

__all__ = ["RateLimitMiddleware"]

_MAX_ADDRESSES = 10_000


class RateLimitMiddleware:
    """A token bucket for each address; an empty one answers 429 and says when to come back.

    Args:
        app: the application.
        settings: of the server.
        clock: in seconds.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: ServerSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._rate = settings.requests_per_second
        self._burst = float(settings.request_burst)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """By address: what was left, and when. The one that was used last comes last."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on if its address has not sent too many."""
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            wait = self._take((scope.get("client") or ("", 0))[0])
            if wait > 0:
                error = ApiError(
                    429,
                    "too many requests from this address",
                    code="rate_limit_exceeded",
                    retry_after=max(1, round(wait + 0.5)),
                )
                await error_response(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _take(self, address: str) -> float:
        """Count a request; returns how many seconds too early it is."""
        now = self._clock()
        left, since = self._buckets.pop(address, (self._burst, now))
        left = min(self._burst, left + (now - since) * self._rate)
        early = max(0.0, (1 - left) / self._rate)
        self._buckets[address] = (left if early else left - 1, now)
        if len(self._buckets) > _MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        return early
