"""Tokens and their log-probabilities in the forms of OpenAI's API."""

from __future__ import annotations

import codecs
import math
from collections.abc import Iterable, Sequence

from multiturn.apps.server.openai.answers import (
    ChatLogprobs,
    ChatTokenLogprob,
    ChatTopLogprob,
    CompletionLogprobs,
)
from multiturn.engines.protocol import TokenLogprob
from multiturn.text.tokenizers import Tokenizer

__all__ = ["TokenOffsets", "chat_logprobs", "completion_logprobs", "token_text"]

_MIN_LOGPROB = -9999.0
"""JSON has no infinity."""


def token_text(data: bytes) -> str:
    r"""The text of a token's bytes.

    Example:
        >>> token_text(b"def"), token_text(b"\xe2\x80")
        ('def', 'bytes:\\xe2\\x80')
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in data)


class TokenOffsets:
    """Where the tokens of a text begin, in characters.

    Args:
        start: where the first one begins.
    """

    def __init__(self, start: int = 0) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._next = start

    def take(self, data: bytes) -> int:
        """Where the next token, of these bytes, begins."""
        start = self._next
        self._next += len(self._decoder.decode(data))
        return start


def completion_logprobs(
    tokens: Iterable[TokenLogprob], tokenizer: Tokenizer, offsets: TokenOffsets, top: int
) -> CompletionLogprobs:
    """The log-probabilities of a text or a part of it.

    Args:
        tokens: of the text.
        tokenizer: of the model.
        offsets: of the text; it advances.
        top: how many likely tokens are asked for.
    """
    texts: list[str] = []
    logprobs: list[float | None] = []
    tops: list[dict[str, float] | None] = []
    starts: list[int] = []
    for each in tokens:
        data = _bytes_of(each.token, tokenizer)
        texts.append(token_text(data))
        starts.append(offsets.take(data))
        if math.isnan(each.logprob):
            logprobs.append(None)
            tops.append(None)
            continue
        logprob = _finite(each.logprob)
        logprobs.append(logprob)
        likely = {token_text(_bytes_of(token, tokenizer)): _finite(p) for token, p in each.top}
        # The sampled token is always among them.
        tops.append({**likely, texts[-1]: logprob})
    return CompletionLogprobs(
        tokens=texts,
        token_logprobs=logprobs,
        top_logprobs=tops if top else None,
        text_offset=starts,
    )


def chat_logprobs(tokens: Sequence[TokenLogprob], tokenizer: Tokenizer) -> ChatLogprobs:
    """The log-probabilities of an answer or a part of it."""
    content = []
    for each in tokens:
        data = _bytes_of(each.token, tokenizer)
        top = [
            ChatTopLogprob(token=token_text(likely), logprob=_finite(p), bytes=list(likely))
            for likely, p in ((_bytes_of(token, tokenizer), p) for token, p in each.top)
        ]
        content.append(
            ChatTokenLogprob(
                token=token_text(data),
                logprob=_finite(each.logprob),
                bytes=list(data),
                top_logprobs=top,
            )
        )
    return ChatLogprobs(content=content)


def _bytes_of(token: int, tokenizer: Tokenizer) -> bytes:
    """The bytes of a token; none of an id of the vocabulary's padding."""
    return tokenizer.token_bytes(token) if 0 <= token < tokenizer.size else b""


def _finite(logprob: float) -> float:
    return logprob if math.isfinite(logprob) else _MIN_LOGPROB
