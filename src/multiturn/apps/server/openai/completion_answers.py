"""The choices of an answer to a request for completions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from multiturn.apps.server.openai.answers import (
    CompletionAnswer,
    CompletionChoice,
    CompletionLogprobs,
)
from multiturn.apps.server.openai.completion_calls import CompletionCall
from multiturn.apps.server.openai.envelope import Envelope, finish_of, usage_of
from multiturn.apps.server.openai.token_texts import TokenOffsets, completion_logprobs
from multiturn.engines.protocol import Completion, TokenLogprob

__all__ = ["completion_answer", "completion_choice", "tokens_of"]


def completion_answer(
    call: CompletionCall, envelope: Envelope, found: Sequence[Sequence[Completion]]
) -> CompletionAnswer:
    """The answer to a call.

    Args:
        call: what was asked.
        envelope: of the answer.
        found: the completions of each request, by index.
    """
    choices = []
    for number, completions in enumerate(found):
        scored = completions[0].prompt_logprobs
        for place, completion in enumerate(_best(completions, call.n)):
            choices.append(completion_choice(call, number, place, completion, scored))
    every = [completion for completions in found for completion in completions]
    return CompletionAnswer(
        id=envelope.id,
        created=envelope.created,
        model=envelope.model,
        system_fingerprint=envelope.system_fingerprint,
        choices=choices,
        usage=usage_of(every, no_text=call.no_text),
    )


def completion_choice(
    call: CompletionCall,
    number: int,
    place: int,
    completion: Completion,
    prompt_logprobs: Sequence[TokenLogprob] | None,
) -> CompletionChoice:
    """A choice.

    Args:
        call: what was asked.
        number: of the request.
        place: of the choice among those of the request.
        completion: of the choice.
        prompt_logprobs: of the prompt's tokens, if the text begins with it.
    """
    echo = "" if call.echoes is None else call.echoes[number]
    logprobs: CompletionLogprobs | None = None
    if call.top is not None:
        assert call.tokenizer is not None
        tokens = [] if call.no_text else tokens_of(completion)
        if call.echoes is not None and prompt_logprobs is not None:
            # The model's start token is not part of the text.
            added = _count_added(call, number, prompt_logprobs)
            prompt = list(prompt_logprobs[added:])
            prompt[:1] = [TokenLogprob(each.token, math.nan) for each in prompt[:1]]
            tokens = prompt + tokens
        logprobs = completion_logprobs(tokens, call.tokenizer, TokenOffsets(), call.top)
    return CompletionChoice(
        text=echo + ("" if call.no_text else completion.text),
        index=number * call.n + place,
        logprobs=logprobs,
        finish_reason="length" if call.no_text else finish_of(completion),
        token_ids=_ids(call, completion),
    )


def _ids(call: CompletionCall, completion: Completion) -> list[int] | None:
    if not call.ids:
        return None
    return [] if call.no_text else list(completion.tokens[: completion.text_tokens])


def tokens_of(completion: Completion) -> list[TokenLogprob]:
    """The tokens of a completion's text, with their log-probabilities."""
    count = completion.text_tokens
    logprobs = completion.logprobs or (math.nan,) * count
    tops = completion.top_logprobs or ((),) * count
    return [
        TokenLogprob(token, logprob, top)
        for token, logprob, top in zip(
            completion.tokens[:count], logprobs[:count], tops[:count], strict=True
        )
    ]


def _count_added(call: CompletionCall, number: int, scored: Sequence[TokenLogprob]) -> int:
    """How many tokens the engine put before the prompt's own."""
    if call.requests[number].prompt_tokens is not None:
        return 0
    assert call.tokenizer is not None
    before = call.tokenizer.before
    return len(before) if tuple(each.token for each in scored[: len(before)]) == before else 0


def _best(completions: Iterable[Completion], n: int) -> list[Completion]:
    """The `n` whose tokens are likeliest on average, best first; all in their order if no more."""
    all_of_them = list(completions)
    if len(all_of_them) == n:
        return all_of_them

    def mean(completion: Completion) -> float:
        found = completion.mean_logprob
        return -math.inf if found is None else found

    return sorted(all_of_them, key=mean, reverse=True)[:n]
