"""Load balancing over servers with the same model, and backoff from those that fail."""

from __future__ import annotations

import asyncio
import random
import time
import zlib
from collections.abc import Awaitable, Callable

from multiturn.core.errors import MultiturnError, RetriesExhaustedError
from multiturn.core.retry import RetryPolicy
from multiturn.engines.http.connection import Connection
from multiturn.engines.http.errors import StreamInterruptedError
from multiturn.engines.notices import NoticeListener, ignore_notice

__all__ = ["PooledServer", "ServerPool"]

_QUIET_SECONDS = 5.0

Check = Callable[[Connection], Awaitable[str | None]]
"""Asks a server that was unreachable whether it still runs the same model; returns the
difference, if any."""


class PooledServer:
    """One server and its state."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.busy = 0
        """Requests in flight."""
        self.failures = 0
        """In a row."""
        self.backoff_until = 0.0
        self.quiet_until = 0.0
        """No notice about a failure is emitted before."""
        self.reason = ""
        """Of the last failure."""
        self.unverified = False
        """It did not answer, so it may have come back with another model."""
        self.excluded = False
        self.checking = asyncio.Lock()


class ServerPool:
    """Distributes requests over servers. Belongs to one event loop.

    A server that fails is left alone for a time that doubles with each failure in a row, and a
    request that failed goes to another one meanwhile. Requests of one session go to one server,
    whose prefix cache has their history, unless that server has more to do than the others.

    Args:
        connections: to the servers.
        retry: how long to leave a server alone.
        check: called for a server that was unreachable, before it is used again.
        listen: called with a notice when requests wait for a server.
    """

    def __init__(
        self,
        connections: list[Connection],
        retry: RetryPolicy,
        check: Check,
        listen: NoticeListener = ignore_notice,
    ) -> None:
        self.servers = [PooledServer(connection) for connection in connections]
        self._retry = retry
        self._check = check
        self._listen = listen

    async def choose(self, session: str | None = None) -> PooledServer:
        """The server for the next request; waits while all of them are left alone.

        Raises:
            EngineError: none will be available in time.
        """
        while True:
            now = time.monotonic()
            ready = [s for s in self.servers if not s.excluded and s.backoff_until <= now]
            if not ready:
                await asyncio.sleep(self._backoff_left(now))
                continue
            server = _preferred(ready, session)
            if await self._is_verified(server):
                return server

    def report_failure(
        self, server: PooledServer, fault: StreamInterruptedError, *, again: bool = True
    ) -> None:
        """Leave a server alone for a while. Requests that fail together count once.

        Args:
            server: the one that failed.
            fault: how.
            again: whether the request will be retried.
        """
        now = time.monotonic()
        server.reason = fault.reason
        # A server that asks for a pause is running, and will have the same model afterwards.
        server.unverified |= fault.after is None
        if server.backoff_until > now and fault.after is None:
            return
        server.failures += 1
        # Jitter, so that requests do not all come back at the same moment.
        wait = self._retry.backoff(server.failures) * random.uniform(0.5, 1.0)
        if fault.after is not None:
            wait = fault.after + 0.1 * wait
        server.backoff_until = max(server.backoff_until, now + wait)
        if again and wait <= 1.1 * self._retry.longest_wait and now >= server.quiet_until:
            # One notice stands for many requests that fail one after the other.
            server.quiet_until = now + min(wait, _QUIET_SECONDS)
            self._listen(
                f"{server.connection.address}: {fault.reason}; asking again in {wait:.1f} s"
            )

    def report_success(self, server: PooledServer) -> None:
        """Reset a server's count of failures."""
        server.failures = 0

    def _backoff_left(self, now: float) -> float:
        waiting = [server for server in self.servers if not server.excluded]
        left = min((server.backoff_until - now for server in waiting), default=None)
        if left is None or left > 1.1 * self._retry.longest_wait:
            reasons = "; ".join(f"{s.connection.address}: {s.reason}" for s in self.servers)
            raise RetriesExhaustedError(
                f"no server can be asked ({reasons})",
                fix="see to the servers, and start again",
            )
        return left * random.uniform(1.0, 1.1) + 0.001

    async def _is_verified(self, server: PooledServer) -> bool:
        """Whether a server may be used; one that was unreachable is identified first."""
        async with server.checking:
            if server.excluded or server.backoff_until > time.monotonic():
                return False
            if not server.unverified:
                return True
            try:
                difference = await self._check(server.connection)
            except StreamInterruptedError as fault:
                self.report_failure(server, fault)
                return False
            except MultiturnError as error:
                difference = str(error)
            server.unverified = False
            if difference is not None:
                server.excluded = True
                server.reason = f"it came back as another ({difference})"
            return difference is None


def _preferred(ready: list[PooledServer], session: str | None) -> PooledServer:
    fewest = min(server.busy for server in ready)
    if session is not None:
        # Rendezvous hashing: a server that is lost moves its own sessions only.
        own = max(ready, key=lambda s: zlib.crc32(f"{session} {s.connection.address}".encode()))
        if own.busy <= fewest + 1:
            return own
    return random.choice([server for server in ready if server.busy == fewest])
