"""Clients that leave: the work for one stops at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.types import Receive

__all__ = ["ClientLeftError", "while_connected"]

Result = TypeVar("Result")


class ClientLeftError(Exception):
    """The client closed the connection before the answer was complete."""


async def while_connected(receive: Receive, work: Awaitable[Result]) -> Result:
    """Await `work`, which is cancelled if the client leaves.

    Args:
        receive: of the request, whose body has been read.
        work: what the answer needs.

    Raises:
        ClientLeftError: the client left.
    """
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(_until_disconnected(receive))
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientLeftError
    finally:
        for each in (task, watch):
            each.cancel()
        await asyncio.gather(task, watch, return_exceptions=True)


async def _until_disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
