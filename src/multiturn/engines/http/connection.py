"""Questions to one server over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from multiturn.core.errors import EngineError
from multiturn.engines.http.address import Address
from multiturn.engines.http.chunks import Chunk, read_chunk
from multiturn.engines.http.events import EventReader
from multiturn.engines.http.faults import BrokenOffError, refusal
from multiturn.engines.http.key import Key
from multiturn.engines.http.settings import Patience
from multiturn.hub.partial import SourceFailedError
from multiturn.hub.sources.transport import reason_of, tls_context

__all__ = ["Connection", "open_client"]

_MOST_ANSWER_BYTES = 64 * 2**20
_MOST_REFUSAL_BYTES = 64 * 2**10
_LOOPBACK = ("all://localhost", "all://127.0.0.1", "all://[::1]")


def open_client(patience: Patience, *, tls: bool) -> httpx.AsyncClient:
    """A client for all servers of an engine.

    Connections are not kept for a second request. A server may close a kept one at the very
    moment when a request is sent, and then nobody knows whether it was taken; beside the
    seconds that a continuation takes, a new connection costs nothing.

    Raises:
        EngineError: the certificates or the proxy of this machine cannot be used.
    """
    try:
        return httpx.AsyncClient(
            verify=tls_context() if tls else False,
            # Waiting for tokens has limits of its own, which know a token from a keep-alive.
            timeout=httpx.Timeout(None, connect=patience.connect, write=patience.connect),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            follow_redirects=False,
            mounts=dict.fromkeys(_LOOPBACK),  # this machine is never reached through a proxy
            headers={"User-Agent": "multiturn", "Accept-Encoding": "identity"},
        )
    except (ValueError, ImportError, SourceFailedError) as error:
        raise EngineError(f"no connections can be made from this machine: {error}") from error


class Connection:
    """One server, and the key for it."""

    def __init__(self, client: httpx.AsyncClient, address: Address, key: Key) -> None:
        self.address = address
        self._client = client
        self._key = key

    async def get(self, url: str, *, seconds: float) -> Any:
        """The JSON that the server has under `url`, or None where it has nothing there.

        Raises:
            BrokenOffError: it does not answer, or says that it is not ready.
            EngineError: it refuses.
        """
        return await self._ask("GET", url, None, seconds)

    async def post(self, url: str, body: Mapping[str, object], *, seconds: float) -> Any:
        """The JSON that the server answers, or None where it has no such endpoint.

        Raises:
            BrokenOffError: it does not answer, or says that it is not ready.
            EngineError: it refuses.
        """
        return await self._ask("POST", url, body, seconds)

    async def _ask(
        self, method: str, url: str, body: Mapping[str, object] | None, seconds: float
    ) -> Any:
        try:
            async with asyncio.timeout(seconds), self._send(method, url, body) as response:
                if response.status_code in (404, 405, 501):
                    return None
                await self._check(response)
                return json.loads(await _read_up_to(response, _MOST_ANSWER_BYTES))
        except TimeoutError as error:
            raise BrokenOffError(f"it gave no answer within {seconds:g} s") from error
        except (ValueError, RecursionError) as error:
            raise BrokenOffError("it answered with what is not JSON") from error

    async def stream(self, url: str, body: Mapping[str, object]) -> AsyncGenerator[Chunk, None]:
        """The events of a completion, up to the server's word that it is whole.

        Raises:
            BrokenOffError: it broke off, or says what makes no sense.
            MultiturnError: it refuses the request, which would be refused again.
        """
        async with self._send("POST", url, body) as response:
            await self._check(response)
            if "text/event-stream" not in response.headers.get("content-type", ""):
                # A server that cannot stream answers in one piece.
                whole = await _read_up_to(response, _MOST_ANSWER_BYTES)
                yield read_chunk(whole.decode("utf-8", "replace"), self._key)
                return
            reader = EventReader()
            async for piece in response.aiter_raw():
                for data in reader.feed(piece):
                    if data.strip() == "[DONE]":
                        return
                    yield read_chunk(data, self._key)

    @asynccontextmanager
    async def _send(
        self, method: str, url: str, body: Mapping[str, object] | None
    ) -> AsyncIterator[httpx.Response]:
        """The response while it is open; faults of the network become `BrokenOffError`."""
        try:
            async with self._client.stream(
                method, url, json=body, headers=self._key.headers()
            ) as response:
                yield response
        except httpx.TransportError as error:
            raise BrokenOffError(self._key.hidden_in(reason_of(error))) from error
        except httpx.InvalidURL as error:
            raise EngineError(f"not an address ({error})", got=str(self.address)) from error

    async def _check(self, response: httpx.Response) -> None:
        if response.status_code == httpx.codes.OK:
            return
        body = await _read_up_to(response, _MOST_REFUSAL_BYTES, cut=True)
        headers = {name.lower(): value for name, value in response.headers.items()}
        text = body.decode("utf-8", "replace")
        raise refusal(response.status_code, headers, text, self._key)


async def _read_up_to(response: httpx.Response, most: int, *, cut: bool = False) -> bytes:
    body = bytearray()
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > most:
            if cut:
                break
            raise BrokenOffError(f"its answer has more than {most:,} bytes")
    return bytes(body[:most])
