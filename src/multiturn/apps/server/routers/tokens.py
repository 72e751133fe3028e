"""`/tokenize`, `/detokenize` and `/tokenizer_info`, for clients that count tokens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from multiturn.apps.server.errors import ApiError
from multiturn.apps.server.large_bodies import LargeBodyRoute, json_answer
from multiturn.apps.server.openai.chat_calls import chat_prompt
from multiturn.apps.server.openai.sampling import check_model, tokenizer_for
from multiturn.apps.server.openai.token_bodies import (
    Detokenize,
    Detokenized,
    Tokenize,
    Tokenized,
    TokenizerInfo,
)
from multiturn.apps.server.resources import ServerResources, resources_of

__all__ = ["router"]

router = APIRouter(tags=["tokens"], route_class=LargeBodyRoute)

Resources = Annotated[ServerResources, Depends(resources_of)]


@router.post("/tokenize", response_model=Tokenized)
async def tokenize(body: Tokenize, resources: Resources) -> Response:
    """The tokens of a text or a conversation, as `/v1/completions` takes them."""
    if body.model is not None:
        check_model(resources, body.model)
    tokenizer = tokenizer_for(resources, "way to tokenize", "prompt")
    if (body.prompt is None) == (body.messages is None):
        raise ApiError(
            400, "give either a prompt or messages", param="prompt", code="invalid_value"
        )
    encode = tokenizer.encode_prompt if body.add_special_tokens else tokenizer.encode

    def tokenized() -> Tokenized:
        if body.messages is None:
            tokens = encode(body.prompt or "", parse_special=body.parse_special)
        else:
            tokens = encode(chat_prompt(resources, body.messages), parse_special=True)
        window = resources.engine.info.context_window
        return Tokenized(tokens=tokens, count=len(tokens), max_model_len=window)

    return await json_answer(tokenized)


@router.post("/detokenize", response_model=Detokenized)
async def detokenize(body: Detokenize, resources: Resources) -> Response:
    """The text of tokens; what is no text becomes U+FFFD."""
    if body.model is not None:
        check_model(resources, body.model)
    tokenizer = tokenizer_for(resources, "way to detokenize", "tokens")
    return await json_answer(lambda: Detokenized(prompt=tokenizer.decode(body.tokens)))


@router.get("/tokenizer_info")
async def tokenizer_info(resources: Resources) -> TokenizerInfo:
    """The special tokens and the chat template of the model."""
    tokenizer = tokenizer_for(resources, "information about it", "model")
    info = resources.engine.info
    return TokenizerInfo(
        bos_token=info.bos_token or None,
        eos_token=info.eos_token or None,
        chat_template=info.chat_template,
        vocabulary_size=tokenizer.size,
    )
