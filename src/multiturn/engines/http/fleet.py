"""Several servers that do the same: which one is asked next, and which is left alone."""

from __future__ import annotations

import asyncio
import random
import time
import zlib
from collections.abc import Awaitable, Callable

from multiturn.core.errors import EngineError, MultiturnError
from multiturn.engines.http.connection import Connection
from multiturn.engines.http.faults import BrokenOffError
from multiturn.engines.http.notices import NoticeListener, unheard
from multiturn.engines.http.settings import Patience

__all__ = ["Fleet", "Server"]

_SILENT_SECONDS = 5.0

Check = Callable[[Connection], Awaitable[str | None]]
"""Asks a server that was gone whether it is what it was; gives the difference, if any."""


class Server:
    """One server and how it fares."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.busy = 0
        """Requests that it is working on."""
        self.failures = 0
        """In a row."""
        self.rests_until = 0.0
        self.silent_until = 0.0
        """Until then no further failure is told to the person."""
        self.reason = ""
        """Of the last failure."""
        self.unknown = False
        """It failed to answer, so that it may have come back with another model."""
        self.excluded = False
        self.checking = asyncio.Lock()


class Fleet:
    """Spreads requests over servers. Belongs to one event loop.

    A server that fails rests, twice as long after each failure in a row, and is asked again
    then; a request that failed goes to another meanwhile. Requests of one session go to one
    server, whose cache knows their history, unless it has more to do than the others.

    Args:
        connections: to the servers.
        patience: how long a rest is.
        check: is asked about a server that could not be reached, before it is used again.
        listen: is told when a server is waited for.
    """

    def __init__(
        self,
        connections: list[Connection],
        patience: Patience,
        check: Check,
        listen: NoticeListener = unheard,
    ) -> None:
        self.servers = [Server(connection) for connection in connections]
        self._patience = patience
        self._check = check
        self._listen = listen

    async def choose(self, session: str | None = None) -> Server:
        """The server for the next request; waits where all of them rest.

        Raises:
            EngineError: none will come back in time.
        """
        while True:
            now = time.monotonic()
            ready = [s for s in self.servers if not s.excluded and s.rests_until <= now]
            if not ready:
                await asyncio.sleep(self._rest_left(now))
                continue
            server = _preferred(ready, session)
            if await self._is_itself(server):
                return server

    def failed(self, server: Server, fault: BrokenOffError, *, again: bool = True) -> None:
        """Let a server rest. Many requests that fail together count once.

        Args:
            server: the one that failed.
            fault: how.
            again: whether the request will be made again.
        """
        now = time.monotonic()
        server.reason = fault.reason
        # A server that asks for a pause is there, and will be the same afterwards.
        server.unknown |= fault.after is None
        if server.rests_until > now and fault.after is None:
            return
        server.failures += 1
        wait = min(
            self._patience.first_wait * 2 ** min(server.failures - 1, 30),
            self._patience.longest_wait,
        )
        # The asked pause is a least; chance spreads those who would all come back at once.
        rest = wait * random.uniform(0.5, 1.0)
        if fault.after is not None:
            rest = fault.after + 0.1 * rest
        server.rests_until = max(server.rests_until, now + rest)
        if again and rest <= 1.1 * self._patience.longest_wait and now >= server.silent_until:
            # Many requests may fail one after the other; a line for each would say no more.
            server.silent_until = now + min(rest, _SILENT_SECONDS)
            self._listen(
                f"{server.connection.address}: {fault.reason}; asking again in {rest:.1f} s"
            )

    def worked(self, server: Server) -> None:
        """Say that a request went well."""
        server.failures = 0

    def _rest_left(self, now: float) -> float:
        resting = [server for server in self.servers if not server.excluded]
        left = min((server.rests_until - now for server in resting), default=None)
        if left is None or left > 1.1 * self._patience.longest_wait:
            reasons = "; ".join(f"{s.connection.address}: {s.reason}" for s in self.servers)
            raise EngineError(
                f"no server can be asked ({reasons})",
                fix="see to the servers, and start again",
            )
        return left * random.uniform(1.0, 1.1) + 0.001

    async def _is_itself(self, server: Server) -> bool:
        """Whether a server may be used; one that was gone is asked who it is first."""
        async with server.checking:
            if server.excluded or server.rests_until > time.monotonic():
                return False
            if not server.unknown:
                return True
            try:
                difference = await self._check(server.connection)
            except BrokenOffError as fault:
                self.failed(server, fault)
                return False
            except MultiturnError as error:
                difference = str(error)
            server.unknown = False
            if difference is not None:
                server.excluded = True
                server.reason = f"it came back as another ({difference})"
            return difference is None


def _preferred(ready: list[Server], session: str | None) -> Server:
    least = min(server.busy for server in ready)
    if session is not None:
        # Each server ranks by a hash of its own, so that a lost one moves only its sessions.
        own = max(ready, key=lambda s: zlib.crc32(f"{session} {s.connection.address}".encode()))
        if own.busy <= least + 1:
            return own
    return random.choice([server for server in ready if server.busy == least])
