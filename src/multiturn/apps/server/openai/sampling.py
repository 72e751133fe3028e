"""From the parameters of OpenAI's API to those of an engine."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from multiturn.apps.server.errors import ApiError
from multiturn.apps.server.openai.bodies import SamplingBody
from multiturn.apps.server.resources import ServerResources
from multiturn.engines.protocol import TokenizerOwner
from multiturn.text.tokenizers import Tokenizer
from multiturn.text.truncation import KeepAll, StopRule, StopStrings

__all__ = [
    "cache_session",
    "check_model",
    "check_stream_options",
    "sampling_options",
    "stop_rule",
    "tokenizer_for",
]

_SEEDS = 2**31


def check_model(resources: ServerResources, name: str) -> None:
    """Refuse a request for a model that is not served.

    Raises:
        ApiError: it is not.
    """
    if name not in (resources.model_id, resources.model):
        raise ApiError(
            404,
            f"there is no model {name[:100]!r} here; the model is {resources.model_id!r}",
            code="model_not_found",
            param="model",
        )


def check_stream_options(body: SamplingBody) -> None:
    """Refuse options of a stream where none is asked for.

    Raises:
        ApiError: there are some.
    """
    if body.stream_options is not None and not body.stream:
        raise ApiError(
            400,
            "stream_options is only allowed with stream",
            param="stream_options",
            code="invalid_value",
        )


def sampling_options(body: SamplingBody) -> dict[str, Any]:
    """The arguments of `Request` that both kinds of completion share.

    Raises:
        ApiError: a key of the logit bias is not a token id.
    """
    return {
        "temperature": 1.0 if body.temperature is None else body.temperature,
        "top_p": 1.0 if body.top_p is None else body.top_p,
        "top_k": max(0, body.top_k or 0),
        "seed": (secrets.randbits(31) if body.seed is None else body.seed) % _SEEDS,
        "logit_bias": _logit_bias(body),
    }


def cache_session(key: str | None) -> str | None:
    """The session of the engine whose prefixes a request may reuse."""
    if key is None:
        return None
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return f"api-{digest[:32]}"


def stop_rule(body: SamplingBody, *more: str) -> StopRule:
    """Where the text ends: at the body's stop strings, and at `more`."""
    stops = [body.stop] if isinstance(body.stop, str) else body.stop or []
    strings = tuple(dict.fromkeys((*stops, *more)))
    return StopStrings(strings) if strings else KeepAll()


def tokenizer_for(resources: ServerResources, purpose: str, param: str) -> Tokenizer:
    """The model's tokenizer.

    Raises:
        ApiError: it is not in this process.
    """
    engine = resources.engine
    if not isinstance(engine, TokenizerOwner):
        raise ApiError(
            400,
            f"the engine {engine.info.engine!r} gives no access to the model's tokenizer, so there "
            f"is no {purpose}; serve the model with the native engine",
            param=param,
            code="unsupported_parameter",
        )
    return engine.tokenizer


def _logit_bias(body: SamplingBody) -> tuple[tuple[int, float], ...]:
    pairs = []
    for key, value in (body.logit_bias or {}).items():
        if not (key.isascii() and key.isdecimal() and len(key) < 11):
            raise ApiError(
                400,
                f"a key of logit_bias is not a token id: {key[:40]!r}",
                param="logit_bias",
                code="invalid_value",
            )
        pairs.append((int(key), value))
    return tuple(pairs)
