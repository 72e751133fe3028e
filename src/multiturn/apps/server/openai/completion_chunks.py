"""The chunks of a request for completions."""

from __future__ import annotations

from typing import Any

from multiturn.apps.server.openai.completion_answers import completion_choice
from multiturn.apps.server.openai.completion_calls import CompletionCall
from multiturn.apps.server.openai.envelope import finish_of
from multiturn.apps.server.openai.token_texts import TokenOffsets, completion_logprobs
from multiturn.engines.protocol import Completion, Delta, TokenLogprob

__all__ = ["CompletionChunks"]


class CompletionChunks:
    """A `ChunkShape`.

    Args:
        call: what was asked.
    """

    kind = "text_completion"

    def __init__(self, call: CompletionCall) -> None:
        self.no_text = call.no_text
        self._call = call
        self._offsets: dict[int, TokenOffsets] = {}
        self._prompts: dict[int, tuple[TokenLogprob, ...]] = {}
        # The log-probabilities of a prompt come with its first completion.
        self.in_one_piece = call.echoes is not None and call.top is not None
        self._early: list[tuple[int, Completion]] = []

    def on_delta(self, number: int, delta: Delta) -> list[dict[str, Any]]:
        """New text; before it the prompt, if that is echoed."""
        if self.in_one_piece:
            return []
        index = number * self._call.n + delta.index
        choices = self._begin(number, index)
        if not self.no_text:
            choice = _choice(index, delta.text, self._logprobs(index, delta))
            if self._call.ids:
                choice["token_ids"] = [each.token for each in delta.tokens]
            choices.append(choice)
        return choices

    def on_completion(self, number: int, completion: Completion) -> list[dict[str, Any]]:
        """The end of a text."""
        if self.in_one_piece:
            return self._complete(number, completion)
        index = number * self._call.n + completion.index
        finish = "length" if self.no_text else finish_of(completion)
        return [*self._begin(number, index), _choice(index, "", None, finish)]

    def _begin(self, number: int, index: int) -> list[dict[str, Any]]:
        if index in self._offsets:
            return []
        echo = "" if self._call.echoes is None else self._call.echoes[number]
        self._offsets[index] = TokenOffsets(len(echo))
        return [_choice(index, echo, None)] if echo else []

    def _logprobs(self, index: int, delta: Delta) -> dict[str, Any] | None:
        if self._call.top is None or self._call.tokenizer is None:
            return None
        found = completion_logprobs(
            delta.tokens, self._call.tokenizer, self._offsets[index], self._call.top
        )
        return found.model_dump()

    def _complete(self, number: int, completion: Completion) -> list[dict[str, Any]]:
        """Choices in one piece: this one's, and those of others that waited for the prompt's."""
        if completion.prompt_logprobs is not None:
            self._prompts[number] = completion.prompt_logprobs
        self._early.append((number, completion))
        ready = [each for each in self._early if each[0] in self._prompts]
        self._early = [each for each in self._early if each[0] not in self._prompts]
        return [
            completion_choice(
                self._call, which, each.index, each, self._prompts[which]
            ).model_dump()
            for which, each in ready
        ]


def _choice(
    index: int, text: str, logprobs: dict[str, Any] | None, finish: str | None = None
) -> dict[str, Any]:
    return {"text": text, "index": index, "logprobs": logprobs, "finish_reason": finish}
