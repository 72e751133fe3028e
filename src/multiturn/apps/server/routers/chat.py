"""`/v1/chat/completions`: the next message of a conversation."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from multiturn.apps.server.clients import while_connected
from multiturn.apps.server.large_bodies import LargeBodyRoute, json_answer
from multiturn.apps.server.openai.answers import ChatAnswer
from multiturn.apps.server.openai.bodies import ChatBody
from multiturn.apps.server.openai.chat_calls import chat_call
from multiturn.apps.server.openai.chat_chunks import ChatChunks, chat_answer
from multiturn.apps.server.openai.collect import collect
from multiturn.apps.server.openai.envelope import Envelope
from multiturn.apps.server.openai.streams import stream_answer
from multiturn.apps.server.resources import ServerResources, resources_of
from multiturn.apps.server.routers.completions import STREAMED

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["OpenAI"], route_class=LargeBodyRoute)


@router.post("/chat/completions", responses=STREAMED, response_model=ChatAnswer)
async def create_chat_completion(
    body: ChatBody,
    request: Request,
    resources: Annotated[ServerResources, Depends(resources_of)],
) -> Response:
    """Answer a conversation in the format of the model's chat template."""
    call = await asyncio.to_thread(chat_call, resources, body)
    envelope = Envelope.new("chatcmpl", resources)
    if not body.stream:
        (found,) = await while_connected(request.receive, collect(resources, [call.request]))
        return await json_answer(lambda: chat_answer(call, envelope, found))
    return await stream_answer(
        request, resources, [call.request], ChatChunks(call), envelope, body.stream_options
    )
