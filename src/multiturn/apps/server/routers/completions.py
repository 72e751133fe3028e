"""`/v1/completions`: continuations of a text."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from multiturn.apps.server.clients import while_connected
from multiturn.apps.server.large_bodies import LargeBodyRoute, json_answer
from multiturn.apps.server.openai.answers import CompletionAnswer
from multiturn.apps.server.openai.bodies import CompletionBody
from multiturn.apps.server.openai.collect import collect
from multiturn.apps.server.openai.completion_answers import completion_answer
from multiturn.apps.server.openai.completion_calls import completion_call
from multiturn.apps.server.openai.completion_chunks import CompletionChunks
from multiturn.apps.server.openai.envelope import Envelope
from multiturn.apps.server.openai.streams import stream_answer
from multiturn.apps.server.resources import ServerResources, resources_of

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["OpenAI"], route_class=LargeBodyRoute)

STREAMED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer; with `stream`, server-sent events with chunks of it.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@router.post("/completions", responses=STREAMED, response_model=CompletionAnswer)
async def create_completion(
    body: CompletionBody,
    request: Request,
    resources: Annotated[ServerResources, Depends(resources_of)],
) -> Response:
    """Continue a text, or several."""
    call = await asyncio.to_thread(completion_call, resources, body)
    envelope = Envelope.new("cmpl", resources)
    if not body.stream:
        found = await while_connected(request.receive, collect(resources, call.requests))
        return await json_answer(lambda: completion_answer(call, envelope, found))
    return await stream_answer(
        request, resources, call.requests, CompletionChunks(call), envelope, body.stream_options
    )
