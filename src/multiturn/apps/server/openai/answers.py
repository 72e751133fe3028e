"""The answers of OpenAI's API, for the OpenAPI document and for the endpoints."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

__all__ = [
    "ChatAnswer",
    "ChatChoice",
    "ChatLogprobs",
    "ChatMessageAnswer",
    "ChatTokenLogprob",
    "ChatTopLogprob",
    "CompletionAnswer",
    "CompletionChoice",
    "CompletionLogprobs",
    "Finish",
    "ServedModel",
    "ModelList",
    "PromptTokensDetails",
    "Usage",
]

Finish = Literal["stop", "length"]


class ServedModel(BaseModel):
    """A model."""

    id: str
    object: Literal["model"] = "model"
    created: int
    """Of the server's start, in seconds since 1970."""
    owned_by: str = "multiturn"
    context_window: int
    """Not in OpenAI's API: tokens of prompt and continuation together."""
    slots: int
    """Not in OpenAI's API: continuations that are generated at once."""
    version: str
    """Not in OpenAI's API: of the server."""


class ModelList(BaseModel):
    """The models of the server."""

    object: Literal["list"] = "list"
    data: list[ServedModel]


class PromptTokensDetails(BaseModel):
    """Of the prompt's tokens."""

    cached_tokens: int
    """They needed no prefill."""


class Usage(BaseModel):
    """Numbers of tokens."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails


class CompletionLogprobs(BaseModel):
    """Log-probabilities of the tokens of a text; of equal length."""

    tokens: list[str]
    """A token that is no text by itself is written as ``bytes:\\xe2\\x80``."""
    token_logprobs: list[float | None]
    """null for the first token of a prompt."""
    top_logprobs: list[dict[str, float] | None] | None
    text_offset: list[int]
    """Where each token begins, in characters."""


class CompletionChoice(BaseModel):
    """A continuation."""

    text: str
    index: int
    logprobs: CompletionLogprobs | None = None
    finish_reason: Finish | None = None
    token_ids: list[int] | None = None
    """Of the new text, with `return_token_ids`."""


class CompletionAnswer(BaseModel):
    """The continuations of a text, or a chunk of them."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    system_fingerprint: str
    """The engine and how it computes."""
    choices: list[CompletionChoice]
    usage: Usage | None = None


class ChatTopLogprob(BaseModel):
    """A likely token."""

    token: str
    logprob: float
    bytes: list[int]


class ChatTokenLogprob(BaseModel):
    """A token of the answer."""

    token: str
    logprob: float
    bytes: list[int]
    top_logprobs: list[ChatTopLogprob]


class ChatLogprobs(BaseModel):
    """Log-probabilities of an answer."""

    content: list[ChatTokenLogprob]
    refusal: None = None


class ChatMessageAnswer(BaseModel):
    """What the model says."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class ChatChoice(BaseModel):
    """An answer of the model."""

    index: int
    message: ChatMessageAnswer
    logprobs: ChatLogprobs | None = None
    finish_reason: Finish
    token_ids: list[int] | None = None
    """Of the message, with `return_token_ids`."""


class ChatAnswer(BaseModel):
    """The answers of the model to a conversation."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    system_fingerprint: str
    choices: list[ChatChoice]
    usage: Usage
