"""What a request for completions asks of the engine."""

from __future__ import annotations

from dataclasses import dataclass

from multiturn.apps.server.errors import ApiError
from multiturn.apps.server.openai.bodies import CompletionBody
from multiturn.apps.server.openai.fill_in_middle import MIDDLE_STOPS, middle_prompt
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
from multiturn.text.tokenizers import Tokenizer

__all__ = ["CompletionCall", "completion_call"]

_MAX_TOKENS = 16
"""OpenAI's default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionCall:
    """The requests to the engine, and how the answer is made from their completions.

    Attributes:
        requests: one for each prompt.
        n: choices of each prompt; the request may generate more of them.
        echoes: the texts of the prompts, if the answer repeats them.
        top: how many likely tokens the answer names at each place; None without log-probabilities.
        no_text: whether only the prompt is wanted.
        tokenizer: of the model, where the answer names tokens.
        ids: whether the answer has the ids of its tokens.
    """

    requests: tuple[Request, ...]
    n: int
    echoes: tuple[str, ...] | None
    top: int | None
    no_text: bool
    tokenizer: Tokenizer | None
    ids: bool


def completion_call(resources: ServerResources, body: CompletionBody) -> CompletionCall:
    """Check a request for completions. Tokenizes, so it belongs to a thread.

    Raises:
        ApiError, InputError: the request cannot be answered.
    """
    check_model(resources, body.model)
    check_stream_options(body)
    prompts = _prompts(body)
    n = body.n or 1
    generated = body.best_of or n
    _check_counts(resources, body, len(prompts), n, generated)
    tokenizer = None
    tokens_given = any(not isinstance(prompt, str) for prompt in prompts)
    if body.logprobs is not None:
        tokenizer = tokenizer_for(resources, "text of a token", "logprobs")
    elif body.suffix is not None:
        tokenizer = tokenizer_for(resources, "suffix", "suffix")
    elif tokens_given:
        tokenizer = tokenizer_for(resources, "prompt of tokens", "prompt")
    stop = stop_rule(body)
    if body.suffix is not None:
        assert tokenizer is not None
        if tokens_given or body.echo:
            raise ApiError(
                400,
                "with a suffix, the prompt is a text and is not echoed",
                param="suffix",
                code="invalid_value",
            )
        stop = stop_rule(body, *MIDDLE_STOPS)
        prompts = [middle_prompt(tokenizer, str(prompt), body.suffix) for prompt in prompts]
    options = sampling_options(body)
    seed = options.pop("seed")
    max_tokens = _MAX_TOKENS if body.max_tokens is None else body.max_tokens
    requests = [
        Request(
            prompt=prompt if isinstance(prompt, str) else "",
            prompt_tokens=None if isinstance(prompt, str) else prompt,
            n=generated,
            max_tokens=max(1, max_tokens),
            stop=stop,
            logprobs=body.logprobs is not None or generated > n or bool(body.return_token_ids),
            top_logprobs=body.logprobs or 0,
            prompt_logprobs=bool(body.echo) and body.logprobs is not None,
            session=cache_session(body.prompt_cache_key),
            # Equal prompts get texts of their own.
            seed=(seed + number * generated) % 2**31,
            **options,
        )
        for number, prompt in enumerate(prompts)
    ]
    return CompletionCall(
        requests=tuple(requests),
        n=n,
        echoes=tuple(_text(prompt, tokenizer) for prompt in prompts) if body.echo else None,
        top=body.logprobs,
        no_text=max_tokens == 0,
        tokenizer=tokenizer,
        ids=bool(body.return_token_ids),
    )


def _prompts(body: CompletionBody) -> list[str | tuple[int, ...]]:
    """The prompts, each as text or as token ids."""
    prompt = body.prompt
    if isinstance(prompt, str):
        return [prompt]
    texts = [each for each in prompt if isinstance(each, str)]
    if texts:
        return list(texts)
    ids = tuple(each for each in prompt if isinstance(each, int))
    several = [tuple(each) for each in prompt if isinstance(each, list)]
    found = [ids] if ids else several
    if not found:
        raise ApiError(400, "there is no prompt", param="prompt", code="invalid_value")
    return list(found)


def _check_counts(
    resources: ServerResources, body: CompletionBody, prompts: int, n: int, generated: int
) -> None:
    if generated < n:
        raise ApiError(400, "best_of is less than n", param="best_of", code="invalid_value")
    if generated > n and body.stream:
        raise ApiError(
            400,
            "the best of several texts are known when all are complete, so best_of is not streamed",
            param="best_of",
            code="invalid_value",
        )
    limit = resources.settings.max_choices
    if prompts * generated > limit:
        raise ApiError(
            400,
            f"the request asks for {prompts * generated} texts; at most {limit} are allowed",
            param="n" if prompts == 1 else "prompt",
            code="invalid_value",
        )


def _text(prompt: str | tuple[int, ...], tokenizer: Tokenizer | None) -> str:
    if isinstance(prompt, str):
        return prompt
    assert tokenizer is not None
    return tokenizer.decode(prompt)
