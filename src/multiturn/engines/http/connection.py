"""Requests to one server over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from multiturn.core.errors import EngineError
from multiturn.engines.http.address import Address
from multiturn.engines.http.chunks import Chunk, read_chunk
from multiturn.engines.http.errors import StreamInterruptedError, refusal
from multiturn.engines.http.key import Key
from multiturn.engines.http.response_parser import MAX_RESPONSE_BYTES, ResponseParser
from multiturn.engines.http.settings import HttpTimeouts
from multiturn.hub.partial import SourceFailedError
from multiturn.hub.sources.transport import reason_of, tls_context

__all__ = ["Connection", "open_client"]

_MAX_REFUSAL_BYTES = 64 * 2**10
_REFUSAL_SECONDS = 5.0
"""How long to read the body of a refusal; what has arrived by then is shown."""
_MAX_REDIRECTS = 3
_SAME_REQUEST = (307, 308)
"""Redirects after which the same request is sent again; after the others it becomes a GET."""
_LOOPBACK = ("all://localhost", "all://127.0.0.1", "all://[::1]")


def open_client(timeouts: HttpTimeouts, *, tls: bool) -> httpx.AsyncClient:
    """A client for all servers of an engine.

    Connections are not reused. A server may close an idle connection at the moment when a
    request is sent, and then it is unknown whether the request was received; a new connection
    costs nothing beside the seconds that a continuation takes.

    Raises:
        EngineError: the certificates or the proxy of this machine cannot be used.
    """
    try:
        return httpx.AsyncClient(
            verify=tls_context() if tls else False,
            # `generation` bounds the wait for tokens; httpx cannot tell a token from a keep-alive.
            timeout=httpx.Timeout(None, connect=timeouts.connect, write=timeouts.connect),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            follow_redirects=False,
            mounts=dict.fromkeys(_LOOPBACK),  # no proxy for this machine
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
            StreamInterruptedError: it does not answer, or says that it is not ready.
            EngineError: it refuses.
        """
        return await self._ask("GET", url, None, seconds)

    async def post(self, url: str, body: Mapping[str, object], *, seconds: float) -> Any:
        """The JSON that the server answers, or None where it has no such endpoint.

        Raises:
            StreamInterruptedError: it does not answer, or says that it is not ready.
            EngineError: it refuses.
        """
        return await self._ask("POST", url, body, seconds)

    async def _ask(
        self, method: str, url: str, body: Mapping[str, object] | None, seconds: float
    ) -> Any:
        answer = b""
        try:
            async with asyncio.timeout(seconds), self._send(method, url, body) as response:
                if response.status_code in (404, 405, 501):
                    return None
                await self._check(response)
                async for piece in response.aiter_bytes():
                    answer += piece
                    if len(answer) > MAX_RESPONSE_BYTES:
                        raise StreamInterruptedError(
                            f"its answer has over {MAX_RESPONSE_BYTES:,} bytes"
                        )
                    if len(answer) < _MAX_REFUSAL_BYTES and answer.rstrip()[-1:] in (b"}", b"]"):
                        # A server may neither state the length of its answer nor close it.
                        with contextlib.suppress(ValueError, RecursionError):
                            return json.loads(answer.decode("utf-8-sig"))
                return json.loads(answer.decode("utf-8-sig"))
        except TimeoutError as error:
            raise StreamInterruptedError(f"it gave no answer within {seconds:g} s") from error
        except (ValueError, RecursionError) as error:
            page = answer.lstrip()[:1] == b"<"
            what = "a web page" if page else "what is not JSON"
            raise StreamInterruptedError(f"it answered with {what}") from error

    async def stream(self, url: str, body: Mapping[str, object]) -> AsyncGenerator[Chunk, None]:
        """The events of a completion. The caller may stop at the last one it needs.

        Raises:
            StreamInterruptedError: it broke off, or sent what cannot be parsed.
            MultiturnError: it refuses the request for good.
        """
        async with self._send("POST", url, body) as response:
            await self._check(response)
            reader = ResponseParser()
            async for piece in response.aiter_bytes():
                for event in reader.feed(piece):
                    yield read_chunk(event, self._key)
            for event in reader.end():
                yield read_chunk(event, self._key)

    @asynccontextmanager
    async def _send(
        self, method: str, url: str, body: Mapping[str, object] | None
    ) -> AsyncIterator[httpx.Response]:
        """The response while it is open; faults of the network become `StreamInterruptedError`.

        Redirects within the same server are followed, since some only add or remove a slash.
        Keys and prompts are never sent to another server.
        """
        try:
            for _ in range(_MAX_REDIRECTS):
                async with self._client.stream(
                    method, url, json=body, headers=self._key.headers()
                ) as response:
                    place = _within(response, method)
                    if place is None:
                        yield response
                        return
                    url = place
            raise StreamInterruptedError("it redirects without end")
        except httpx.RequestError as error:
            raise StreamInterruptedError(self._key.redact(reason_of(error))) from error
        except httpx.InvalidURL as error:
            raise EngineError(f"not an address ({error})", got=str(self.address)) from error

    async def _check(self, response: httpx.Response) -> None:
        if response.status_code == httpx.codes.OK:
            return
        body = bytearray()
        with contextlib.suppress(TimeoutError, httpx.RequestError):
            async with asyncio.timeout(_REFUSAL_SECONDS):
                async for piece in response.aiter_bytes():
                    body += piece
                    if len(body) > _MAX_REFUSAL_BYTES:
                        break
        headers = {name.lower(): value for name, value in response.headers.items()}
        text = body[:_MAX_REFUSAL_BYTES].decode("utf-8", "replace")
        raise refusal(response.status_code, headers, text, self._key)


def _within(response: httpx.Response, method: str) -> str | None:
    """Where a redirect within the same server leads; None for any other answer."""
    there = response.next_request
    if there is None or (method != "GET" and response.status_code not in _SAME_REQUEST):
        return None
    here = response.request.url
    same = (there.url.scheme, there.url.host, there.url.port) == (here.scheme, here.host, here.port)
    return str(there.url) if same else None
