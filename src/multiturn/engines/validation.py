"""Checks of a request that every engine makes before decoding."""

from __future__ import annotations

from multiturn.core.errors import ContextOverflowError, EngineError, InputError
from multiturn.engines.protocol import EngineInfo, Request

__all__ = ["check_features", "check_open", "check_text", "check_window"]

_FEATURES = {
    "prompt_tokens": "a prompt given as token ids",
    "top_logprobs": "log-probabilities of tokens other than the sampled ones",
    "prompt_logprobs": "log-probabilities of a prompt's tokens",
    "logit_bias": "a logit bias",
}


def check_features(request: Request, info: EngineInfo) -> None:
    """Refuse a request that the engine cannot answer as it is.

    Raises:
        InputError: the request needs a feature that the engine lacks.
    """
    for feature in sorted(request.features - info.features):
        raise InputError(
            f"this engine does not support {_FEATURES[feature]}",
            got=info.engine,
            fix="open the model with the native engine, or leave it out",
        )


def check_text(text: str, *, what: str = "the prompt") -> None:
    """Refuse text that cannot be tokenized.

    NUL ends a string in C, and a lone surrogate has no UTF-8 form. Other control characters are
    left to the model.

    Raises:
        InputError: `text` has a NUL or a lone surrogate.
    """
    nul = text.find("\0")
    if nul >= 0:
        raise InputError(f"{what} has a NUL character at position {nul}", fix="remove it")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            f"{what} has half of a surrogate pair at position {error.start}, which is not text",
            got=ascii(text[error.start]),
            fix="remove it, or read the text with its right encoding",
        ) from error


def check_window(prompt_tokens: int, max_tokens: int, window: int) -> None:
    """Refuse a request without prompt tokens, or one that exceeds the context window.

    Raises:
        InputError: the prompt has no tokens.
        ContextOverflowError: prompt and continuation need more than `window` tokens.
    """
    if prompt_tokens == 0:
        raise InputError("the prompt is empty", fix="write something to continue")
    if prompt_tokens + max_tokens > window:
        raise ContextOverflowError(
            f"the prompt has {prompt_tokens} tokens and up to {max_tokens} more are requested, "
            f"which exceeds the context window of {window}",
            fix="shorten the prompt, ask for fewer tokens, or open the model with a larger context",
        )


def check_open(closed: bool) -> None:
    """Refuse the use of an engine after `close`.

    Raises:
        EngineError: the engine is closed.
    """
    if closed:
        raise EngineError("the engine is closed", fix="open it again")
