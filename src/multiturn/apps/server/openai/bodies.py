"""The bodies of requests to OpenAI's API.

A parameter that this server does not know is refused, because a client that sends one expects it
to have an effect.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

__all__ = [
    "ChatBody",
    "ChatMessage",
    "CompletionBody",
    "SamplingBody",
    "StreamOptions",
    "StrictBody",
    "TextPart",
    "Token",
]

MAX_TOP_LOGPROBS = 20
_MAX_STOPS = 16
_MAX_BIASES = 4096
_MAX_PROMPTS = 1024

Token = Annotated[int, Field(ge=0, lt=2**31)]
Zero = Annotated[float, Field(ge=0, le=0)]
StopText = Annotated[str, Field(min_length=1, max_length=1000)]


class StrictBody(BaseModel):
    """A body whose unknown parameters are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _name_the_first_unknown(cls, data: Any) -> Any:
        """Pydantic would name all, which takes long where someone sends a hundred thousand."""
        for key in data if isinstance(data, dict) else ():
            if key not in cls.model_fields:
                raise PydanticCustomError(
                    "unknown_parameter",
                    "this server does not know the parameter {name}",
                    {"name": ascii(key)[:80]},
                )
        return data


class StreamOptions(StrictBody):
    """What a stream has besides text."""

    include_usage: bool | None = None
    """Whether the last chunk has the number of tokens."""
    include_obfuscation: Literal[False] | None = None
    """Chunks are never padded."""


class SamplingBody(StrictBody):
    """What both kinds of completion share."""

    model: str
    """From `/v1/models`."""
    n: Annotated[int, Field(ge=1)] | None = None
    """How many continuations."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """0 is greedy; 1 by default."""
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    """The nucleus; 1 by default, which is off."""
    top_k: Annotated[int, Field(ge=-1, lt=2**31)] | None = None
    """Not in OpenAI's API: sample from so many tokens; 0 and -1 are off."""
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    """The same request with the same seed gives the same text; random by default."""
    stop: (
        StopText | Annotated[list[StopText], Field(fail_fast=True, max_length=_MAX_STOPS)] | None
    ) = None
    """The text ends before the first of these."""
    stream: bool | None = None
    """Whether the answer comes as server-sent events."""
    stream_options: StreamOptions | None = None
    """Only with `stream`."""
    logit_bias: Annotated[dict[str, float], Field(max_length=_MAX_BIASES)] | None = None
    """By token id, from -100 to 100: added to its logit."""
    presence_penalty: Zero | None = None
    """Not supported: 0 or nothing."""
    frequency_penalty: Zero | None = None
    """Not supported: 0 or nothing."""
    return_token_ids: bool | None = None
    """Not in OpenAI's API: whether choices have `token_ids`, as vLLM's have."""
    user: str | None = None
    """Ignored."""
    prompt_cache_key: Annotated[str, Field(max_length=256)] | None = None
    """Requests with the same key share the cached prefix of their prompts."""


class CompletionBody(SamplingBody):
    """A request to continue a text."""

    # One fault of a long list is enough; finding all would take seconds.
    prompt: (
        str
        | Annotated[list[str], Field(fail_fast=True, max_length=_MAX_PROMPTS)]
        | Annotated[list[Token], Field(fail_fast=True)]
        | Annotated[
            list[Annotated[list[Token], Field(fail_fast=True)]],
            Field(fail_fast=True, max_length=_MAX_PROMPTS),
        ]
    )
    """A text or several, or token ids of one or several."""
    suffix: str | None = None
    """What follows the inserted text, where the model can fill in the middle."""
    max_tokens: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    """New tokens of each continuation, at most; 16 by default."""
    logprobs: Annotated[int, Field(ge=0, le=MAX_TOP_LOGPROBS)] | None = None
    """Whether tokens are reported with their log-probabilities, and with so many likely ones."""
    echo: bool | None = None
    """Whether the text begins with the prompt."""
    best_of: Annotated[int, Field(ge=1)] | None = None
    """Generate so many, and answer with the `n` whose tokens are likeliest on average."""


class TextPart(StrictBody):
    """A part of a message."""

    type: Literal["text"]
    text: str


class ChatMessage(StrictBody):
    """A message of a conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | Annotated[list[TextPart], Field(fail_fast=True)] | None = None
    """Text; None only of the assistant."""
    name: str | None = None
    """Ignored."""
    type: Literal["text", "message"] | None = None
    """Not in OpenAI's API, but lm-eval sends it. Ignored."""
    refusal: None = None
    """As this server answers it."""


class ResponseFormat(StrictBody):
    """The form of the answer."""

    type: Literal["text"]


class ChatBody(SamplingBody):
    """A request to continue a conversation, in the format of the model's own template."""

    messages: Annotated[list[ChatMessage], Field(fail_fast=True, min_length=1)]
    """The conversation so far."""
    max_tokens: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    """New tokens of each answer, at most; by default what the context window leaves, up to 4096."""
    max_completion_tokens: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    """The newer name of `max_tokens`."""
    logprobs: bool | None = None
    """Whether tokens are reported with their log-probabilities."""
    top_logprobs: Annotated[int, Field(ge=0, le=MAX_TOP_LOGPROBS)] | None = None
    """With `logprobs`: so many likely tokens at each place."""
    response_format: ResponseFormat | None = None
    """Only text."""
    tools: Annotated[list[Any], Field(max_length=0)] | None = None
    """Not supported: empty or nothing."""
    tool_choice: Literal["none", "auto"] | None = None
    """Without an effect, since there are no tools."""
    parallel_tool_calls: bool | None = None
    """Without an effect."""
    modalities: Annotated[list[Literal["text"]], Field(max_length=1)] | None = None
    """Only text."""
    store: Literal[False] | None = None
    """Nothing is stored."""
    metadata: dict[str, str] | None = None
    """Ignored."""
