"""The answer to a conversation, complete or in chunks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from multiturn.apps.server.openai.answers import ChatAnswer, ChatChoice, ChatMessageAnswer
from multiturn.apps.server.openai.chat_calls import ChatCall
from multiturn.apps.server.openai.completion_answers import tokens_of
from multiturn.apps.server.openai.envelope import Envelope, finish_of, usage_of
from multiturn.apps.server.openai.token_texts import chat_logprobs
from multiturn.engines.protocol import Completion, Delta

__all__ = ["ChatChunks", "chat_answer"]


def chat_answer(
    call: ChatCall, envelope: Envelope, completions: Sequence[Completion]
) -> ChatAnswer:
    """The complete answer.

    Args:
        call: what was asked.
        envelope: of the answer.
        completions: by index.
    """
    tokenizer = call.tokenizer
    return ChatAnswer(
        id=envelope.id,
        created=envelope.created,
        model=envelope.model,
        system_fingerprint=envelope.system_fingerprint,
        choices=[
            ChatChoice(
                index=completion.index,
                message=ChatMessageAnswer(content=completion.text),
                logprobs=None
                if tokenizer is None
                else chat_logprobs(tokens_of(completion), tokenizer),
                finish_reason=finish_of(completion),
                token_ids=list(completion.tokens[: completion.text_tokens]) if call.ids else None,
            )
            for completion in completions
        ],
        usage=usage_of(completions),
    )


class ChatChunks:
    """A `ChunkShape`.

    Args:
        call: what was asked.
    """

    kind = "chat.completion.chunk"
    no_text = False
    in_one_piece = False

    def __init__(self, call: ChatCall) -> None:
        self._tokenizer = call.tokenizer
        self._ids = call.ids
        self._begun: set[int] = set()

    def on_delta(self, number: int, delta: Delta) -> list[dict[str, Any]]:
        """New text; before it the role."""
        del number
        logprobs = None
        if self._tokenizer is not None:
            logprobs = chat_logprobs(delta.tokens, self._tokenizer).model_dump()
        choice = _choice(delta.index, {"content": delta.text}, logprobs=logprobs)
        if self._ids:
            choice["token_ids"] = [each.token for each in delta.tokens]
        return [*self._begin(delta.index), choice]

    def on_completion(self, number: int, completion: Completion) -> list[dict[str, Any]]:
        """The end of an answer."""
        del number
        index = completion.index
        return [*self._begin(index), _choice(index, {}, finish=finish_of(completion))]

    def _begin(self, index: int) -> list[dict[str, Any]]:
        if index in self._begun:
            return []
        self._begun.add(index)
        return [_choice(index, {"role": "assistant", "content": "", "refusal": None})]


def _choice(
    index: int,
    delta: dict[str, Any],
    *,
    logprobs: dict[str, Any] | None = None,
    finish: str | None = None,
) -> dict[str, Any]:
    return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
