"""What a request of a conversation asks of the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from multiturn.apps.server.errors import ApiError
from multiturn.apps.server.openai.bodies import ChatBody, ChatMessage
from multiturn.apps.server.openai.sampling import (
    cache_session,
    check_model,
    check_stream_options,
    sampling_options,
    stop_rule,
    tokenizer_for,
)
from multiturn.apps.server.resources import ServerResources
from multiturn.engines.protocol import Request
from multiturn.synthesis.chat_template import ChatTemplate
from multiturn.text.tokenizers import Tokenizer

__all__ = ["ChatCall", "chat_call", "chat_prompt"]

_MAX_TOKENS = 4096
"""Of an answer by default: a small model may never end one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatCall:
    """The request to the engine.

    Attributes:
        request: of all answers.
        tokenizer: of the model, where the answer names tokens.
        ids: whether the answer has the ids of its tokens.
    """

    request: Request
    tokenizer: Tokenizer | None
    ids: bool


def chat_call(resources: ServerResources, body: ChatBody) -> ChatCall:
    """Check a request of a conversation. Tokenizes, so it belongs to a thread.

    Raises:
        ApiError, InputError: the request cannot be answered.
        ModelFileError: the model's template fails.
    """
    check_model(resources, body.model)
    check_stream_options(body)
    n = body.n or 1
    if n > resources.settings.max_choices:
        raise ApiError(
            400,
            f"the request asks for {n} texts; at most {resources.settings.max_choices} are allowed",
            param="n",
            code="invalid_value",
        )
    if body.top_logprobs is not None and not body.logprobs:
        raise ApiError(
            400,
            "top_logprobs is only allowed with logprobs",
            param="top_logprobs",
            code="invalid_value",
        )
    engine, info = resources.engine, resources.engine.info
    prompt = chat_prompt(resources, body.messages)
    max_tokens = body.max_completion_tokens or body.max_tokens
    if max_tokens is None:
        left = info.context_window - engine.count_tokens(prompt, parse_special=True)
        max_tokens = max(1, min(left, _MAX_TOKENS))
    request = Request(
        prompt=prompt,
        parse_special=True,
        n=n,
        max_tokens=max_tokens,
        stop=stop_rule(body),
        logprobs=bool(body.logprobs or body.return_token_ids),
        top_logprobs=body.top_logprobs or 0,
        session=cache_session(body.prompt_cache_key or _beginning(body)),
        **sampling_options(body),
    )
    tokenizer = tokenizer_for(resources, "text of a token", "logprobs") if body.logprobs else None
    return ChatCall(request=request, tokenizer=tokenizer, ids=bool(body.return_token_ids))


def chat_prompt(resources: ServerResources, messages: Sequence[ChatMessage]) -> str:
    """A conversation in the format of the model's chat template, up to the next answer.

    Raises:
        ApiError: the model has no template, or a message no content.
        ModelFileError: the template fails.
    """
    info = resources.engine.info
    if info.chat_template is None:
        raise ApiError(
            400,
            f"the model {resources.model_id!r} has no chat template; use /v1/completions",
            param="model",
            code="model_has_no_chat",
        )
    template = ChatTemplate(info.chat_template, info.bos_token, info.eos_token)
    return template.render([_message(message) for message in messages])


def _beginning(body: ChatBody) -> str:
    """What all requests of a conversation share: the messages up to the first of the user."""
    first = next((n for n, each in enumerate(body.messages) if each.role == "user"), 0)
    return repr([_message(each) for each in body.messages[: first + 1]])


def _message(message: ChatMessage) -> tuple[str, str]:
    """The role and the text of a message, as templates know them."""
    role = "system" if message.role == "developer" else message.role
    content = message.content
    if content is None:
        if role != "assistant":
            raise ApiError(400, "a message has no content", param="messages", code="invalid_value")
        return role, ""
    return role, content if isinstance(content, str) else "".join(part.text for part in content)
