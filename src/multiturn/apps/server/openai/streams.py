"""Chunks of an answer, as they are generated."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Protocol

from fastapi import Request as HttpRequest

from multiturn.apps.server.clients import while_connected
from multiturn.apps.server.errors import ApiError, as_api_error
from multiturn.apps.server.event_stream import DONE, EventStream, event, json_text
from multiturn.apps.server.generation import MAX_EVENTS, EngineCall, Item
from multiturn.apps.server.openai.bodies import StreamOptions
from multiturn.apps.server.openai.envelope import Envelope, usage_of
from multiturn.apps.server.resources import ServerResources
from multiturn.core.errors import MultiturnError
from multiturn.engines.protocol import Completion, Delta, Request

__all__ = ["ChunkShape", "stream_answer", "stream_chunks"]

_log = logging.getLogger(__name__)


class ChunkShape(Protocol):
    """The choices of the chunks of one kind of completion."""

    kind: str
    """Of object."""
    in_one_piece: bool
    """Whether a text comes complete, at its end, so that its chunk is large."""
    no_text: bool
    """Whether new tokens are left out."""

    def on_delta(self, number: int, delta: Delta) -> list[dict[str, Any]]:
        """The choices of the chunks for new text of a request; each goes into a chunk."""
        ...

    def on_completion(self, number: int, completion: Completion) -> list[dict[str, Any]]:
        """Those for the end of a text."""
        ...


async def stream_answer(
    request: HttpRequest,
    resources: ServerResources,
    requests: Sequence[Request],
    shape: ChunkShape,
    envelope: Envelope,
    options: StreamOptions | None,
) -> EventStream:
    """Begin to generate, and answer with the chunks.

    Args:
        request: of the client; the generation ends with its connection.
        resources: of the server.
        requests: of the engine.
        shape: of the chunks.
        envelope: around their choices.
        options: of the stream.
    """
    generation = resources.generate(requests)
    await while_connected(request.receive, generation.start())
    include_usage = options is not None and bool(options.include_usage)
    chunks = stream_chunks(generation, shape, envelope, include_usage=include_usage)
    return EventStream(chunks, close=generation.close)


async def stream_chunks(
    generation: EngineCall, shape: ChunkShape, envelope: Envelope, *, include_usage: bool
) -> AsyncGenerator[bytes, None]:
    """The events of a stream, several at a time; the last one is `DONE`, or an error.

    Args:
        generation: started.
        shape: of the chunks.
        envelope: around their choices.
        include_usage: whether a last chunk has the numbers of tokens.
    """
    fields = envelope.fields(shape.kind)
    # Equal in all chunks, of which there is one for each token.
    start = f'data: {json_text(fields)[:-1]},"choices":['
    end = '],"usage":null}\n\n' if include_usage else "]}\n\n"
    completions: list[Completion] = []

    def chunks_of(items: list[Item]) -> bytes:
        chunks = []
        for number, found in items:
            if isinstance(found, Delta):
                choices = shape.on_delta(number, found)
            else:
                completions.append(found)
                choices = shape.on_completion(number, found)
            chunks += [start + json_text(choice) + end for choice in choices]
        return "".join(chunks).encode("utf-8", "backslashreplace")

    try:
        async for items in generation:
            if shape.in_one_piece:
                data = await asyncio.to_thread(chunks_of, items)
            else:
                data = chunks_of(items)
            if data:
                yield data
            if len(items) == MAX_EVENTS:
                await asyncio.sleep(0)  # others first: more of this wait already
    except ApiError as error:
        yield event(error.body)
        return
    except MultiturnError as error:
        yield event(as_api_error(error).body)
        return
    except Exception:
        _log.exception("a bug in a stream")
        yield event(ApiError(500, "a bug in the server; its log has the traceback").body)
        return
    if include_usage:
        found_usage = usage_of(completions, no_text=shape.no_text).model_dump()
        yield event({**fields, "choices": [], "usage": found_usage})
    yield DONE
