"""The shapes of `/tokenize`, `/detokenize` and `/tokenizer_info`, which are those of vLLM."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from multiturn.apps.server.openai.bodies import ChatMessage, StrictBody, Token

__all__ = ["Detokenize", "Detokenized", "Tokenize", "Tokenized", "TokenizerInfo"]


class Tokenize(StrictBody):
    """A text to tokenize."""

    prompt: str | None = None
    """Either a text ..."""
    messages: Annotated[list[ChatMessage], Field(fail_fast=True, min_length=1)] | None = None
    """... or a conversation, in the format of the model's chat template."""
    model: str | None = None
    """From `/v1/models`; the server has only one."""
    add_special_tokens: bool = True
    """Whether the tokens have those that the model expects around a prompt."""
    parse_special: bool = True
    """Whether the names of special tokens are those tokens; otherwise they are ordinary text. Those
    of a chat template always are."""


class Tokenized(BaseModel):
    """The tokens of a text."""

    tokens: list[int]
    count: int
    max_model_len: int
    """Tokens of the context window."""


class Detokenize(StrictBody):
    """Tokens of a text."""

    tokens: Annotated[list[Token], Field(fail_fast=True, max_length=1 << 20)]
    model: str | None = None


class Detokenized(BaseModel):
    """The text of tokens."""

    prompt: str


class TokenizerInfo(BaseModel):
    """What a client needs to render and count a prompt by itself."""

    bos_token: str | None
    eos_token: str | None
    chat_template: str | None
    vocabulary_size: int
