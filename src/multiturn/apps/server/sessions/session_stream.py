"""The events of a session as server-sent events.

Numbered events carry their number as ``id``; a client that connects again sends the last one as
``Last-Event-ID`` and gets the rest. Events without a number tell of the state of the moment.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator

from starlette.concurrency import run_in_threadpool

from multiturn.apps.server.event_stream import event
from multiturn.apps.server.sessions.event_log import Listener
from multiturn.apps.server.sessions.service import SessionService
from multiturn.core.errors import MultiturnError
from multiturn.synthesis.jobs import JobEvent

__all__ = ["STATE_KINDS", "session_stream"]

STATE_KINDS = {
    "state": "The session has this `version`; sent first, and after each change.",
    "reset": "Events are missing that are no longer stored: load the session again.",
    "deleted": "The session was deleted. The stream ends.",
}
"""The events without a number."""

PING_SECONDS = 15.0
_MAX_EVENTS = 200
"""That are sent at once."""


async def session_stream(
    service: SessionService,
    session_id: str,
    *,
    after: int | None = None,
    job_id: str | None = None,
    stopping: asyncio.Event | None = None,
) -> AsyncGenerator[bytes, None]:
    """The events of a session, several at a time.

    Args:
        service: of the session.
        session_id: of a session that exists.
        after: the number of the last event that the client has; None for those to come.
        job_id: only the events of this job; the stream ends with it.
        stopping: ends the stream when it is set.
    """
    version = last_event = -1
    with service.log.listen(session_id) as listener:
        ender = None if stopping is None else asyncio.create_task(_wake_at(stopping, listener))
        try:
            while stopping is None or not stopping.is_set():
                if listener.take():
                    try:
                        now, last_event = await run_in_threadpool(service.jobs.position, session_id)
                    except MultiturnError:
                        yield event({}, name="deleted")
                        return
                    if now != version and job_id is None:
                        version = now
                        yield event({"version": version}, name="state")
                    if after is None:
                        after = last_event
                    if after > last_event:
                        yield event({}, name="reset")
                        after = last_event
                assert after is not None
                events = service.log.recent(session_id, after, max_count=_MAX_EVENTS)
                if events is None or (not events and last_event > after):
                    events = await run_in_threadpool(
                        service.jobs.events, session_id, after=after, max_count=_MAX_EVENTS
                    )
                    if not events and last_event > after:
                        yield event({}, name="reset")
                        after = last_event
                found, is_over = [], False
                for each in events:
                    if each.number > after + 1 and job_id is None:
                        found.append(event({}, name="reset"))
                    after = each.number
                    if job_id in (None, each.job):
                        found.append(_numbered(each))
                        is_over = job_id is not None and each.kind == "ended"
                        if is_over:
                            break
                if found:
                    yield b"".join(found)
                if is_over:
                    return
                if events:
                    await asyncio.sleep(0)  # others first: more may wait already
                    continue
                if not await listener.wait(PING_SECONDS):
                    yield b": ping\n\n"
        finally:
            if ender is not None:
                ender.cancel()


async def _wake_at(stopping: asyncio.Event, listener: Listener) -> None:
    await stopping.wait()
    listener.wake()


def _numbered(each: JobEvent) -> bytes:
    # The stored data are an object with a key at least; the job goes before it.
    data = f'{{"job": {json.dumps(each.job)}, {each.data[1:]}'
    return f"id: {each.number}\nevent: {each.kind}\ndata: {data}\n\n".encode()
