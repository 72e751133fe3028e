"""`/tokenize`, `/detokenize` and `/tokenizer_info`, for clients that count tokens."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends

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

router = APIRouter(tags=["tokens"])

Resources = Annotated[ServerResources, Depends(resources_of)]


@router.post("/tokenize")
async def tokenize(body: Tokenize, resources: Resources) -> Tokenized:
    """The tokens of a text, as `/v1/completions` takes them."""
    if body.model is not None:
        check_model(resources, body.model)
    tokenizer = tokenizer_for(resources, "way to tokenize", "prompt")
    encode = tokenizer.encode_prompt if body.add_special_tokens else tokenizer.encode
    tokens = await asyncio.to_thread(encode, body.prompt, parse_special=body.parse_special)
    window = resources.engine.info.context_window
    return Tokenized(tokens=tokens, count=len(tokens), max_model_len=window)


@router.post("/detokenize")
async def detokenize(body: Detokenize, resources: Resources) -> Detokenized:
    """The text of tokens; what is no text becomes U+FFFD."""
    if body.model is not None:
        check_model(resources, body.model)
    tokenizer = tokenizer_for(resources, "way to detokenize", "tokens")
    return Detokenized(prompt=await asyncio.to_thread(tokenizer.decode, body.tokens))


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
