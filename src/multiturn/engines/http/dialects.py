"""Request bodies for each kind of server, so that all of them sample alike.

Servers have sampling defaults that are not part of OpenAI's API: llama.cpp a top-k of 40 and a
min-p of 0.05, vLLM and SGLang those of the model's `generation_config.json`. Where the kind of
server is known, the body switches them off by name. A server of unknown kind gets OpenAI's fields
only.
"""

from __future__ import annotations

from typing import Any

from multiturn.core.errors import InputError
from multiturn.engines.http.settings import HttpSettings, ServerKind
from multiturn.engines.protocol import Request

__all__ = ["completion_body", "messages", "returns_token_ids"]


def completion_body(
    kind: ServerKind,
    settings: HttpSettings,
    model: str,
    request: Request,
    index: int,
    prompt: str | list[int],
) -> dict[str, Any]:
    """The body of the request for continuation `index`.

    It has no stop strings: a server holds back the one it stops at, so neither the raw text nor the
    place of the cut would be known. The stop rule closes the stream instead.

    Raises:
        InputError: such a server does not support an option of the request.
    """
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": request.max_tokens,
        "temperature": request.temperature_of(index),
        "top_p": request.top_p,
        "seed": request.seed + index,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if settings.api == "chat":
        body["messages"] = messages(settings, request.prompt)
    else:
        body["prompt"] = prompt
    # llama.cpp reports token ids only together with log-probabilities.
    if request.logprobs or kind == "llama.cpp":
        body |= {"logprobs": True, "top_logprobs": 1} if settings.api == "chat" else {"logprobs": 1}
    match kind:
        case "llama.cpp":
            body |= {
                # In the order of the published sampler: temperature before the nucleus.
                "samplers": ["temperature", "top_k", "top_p"],
                "top_k": request.top_k,
                "cache_prompt": request.session is not None,
                "timings_per_token": True,
            }
        case "multiturn":
            body |= {"top_k": request.top_k, "return_token_ids": True}
            if request.session is not None:
                body["prompt_cache_key"] = request.session
        case "vllm" | "sglang":
            body |= {"top_k": request.top_k or -1, "min_p": 0.0, "repetition_penalty": 1.0}
            if kind == "vllm":
                body["return_token_ids"] = True
                body["stream_options"] = {"include_usage": True, "continuous_usage_stats": True}
        case "other" if request.top_k:
            raise InputError(
                "top_k is not part of OpenAI's API, and the server is of no kind that is known to "
                "have it",
                got=request.top_k,
                allowed="0 (off)",
                fix="set top_k to 0, or say what kind of server it is",
            )
    return body


def messages(settings: HttpSettings, prompt: str) -> list[dict[str, str]]:
    """The messages for a chat endpoint."""
    system = [{"role": "system", "content": settings.instruction}] if settings.instruction else []
    return [*system, {"role": "user", "content": prompt}]


def returns_token_ids(kind: ServerKind) -> bool:
    """Whether such servers report token ids."""
    return kind in ("multiturn", "llama.cpp", "vllm")
