"""What a server tells of a continuation, event by event, in the forms that servers have."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from multiturn.engines.http.faults import BrokenOffError, refusal
from multiturn.engines.http.key import Key

__all__ = ["Chunk", "WholeCharacters", "read_chunk"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """The content of one event."""

    text: str = ""
    tokens: tuple[int, ...] = ()
    """Ids, where the server tells them."""
    logprobs: tuple[float, ...] = ()
    finish: str | None = None
    written: int | None = None
    """Tokens of the continuation up to now, where the server counts."""
    prompt_tokens: int | None = None
    cached_tokens: int | None = None


def read_chunk(data: str, key: Key) -> Chunk:
    """Read one event.

    Raises:
        BrokenOffError: it is not what the API says it should be, or tells a passing error.
        EngineError: it tells a lasting error.
    """
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BrokenOffError("it sent what is not JSON") from error
    if not isinstance(answer, dict):
        raise BrokenOffError("it sent JSON that is no completion")
    error_told = answer.get("error")
    if error_told or ("choices" not in answer and "message" in answer):
        told = error_told if isinstance(error_told, dict) else answer
        code = told.get("code")
        raise refusal(code if isinstance(code, int) else 500, {}, data, key)
    try:
        return _read(answer)
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError) as error:
        raise BrokenOffError("it sent JSON that is no completion") from error


def _read(answer: dict[str, Any]) -> Chunk:
    choice = (answer.get("choices") or [{}])[0]
    message = choice.get("delta") or choice.get("message") or {}
    told = choice.get("logprobs") or {}
    # Chat and llama.cpp tell tokens one by one; completions elsewhere, in parallel lists.
    items = told.get("content") or []
    logprobs = [item["logprob"] for item in items] or told.get("token_logprobs") or []
    ids = choice.get("token_ids") or [item["id"] for item in items if "id" in item]
    usage = answer.get("usage") or {}
    timings = answer.get("timings") or {}
    details = usage.get("prompt_tokens_details") or {}
    finish = choice.get("finish_reason")
    return Chunk(
        text=_text(choice.get("text") or message.get("content") or ""),
        tokens=tuple(map(int, ids)),
        logprobs=tuple(math.nan if value is None else float(value) for value in logprobs),
        finish=None if finish is None else _text(finish),
        written=_count(usage.get("completion_tokens", timings.get("predicted_n"))),
        prompt_tokens=_count(usage.get("prompt_tokens")),
        cached_tokens=_count(details.get("cached_tokens", timings.get("cache_n"))),
    )


def _count(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or value < 0:
        raise TypeError("the count is no number")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("the text is no text")
    return value


class WholeCharacters:
    r"""Joins characters beyond U+FFFF that JSON's escapes split between two events.

    Example:
        >>> whole = WholeCharacters()
        >>> whole.add("a\ud83d"), whole.add("\ude00"), whole.end()
        (b'a', b'\xf0\x9f\x98\x80', b'')
    """

    def __init__(self) -> None:
        self._half = ""

    def add(self, text: str) -> bytes:
        """The UTF-8 of what is whole; halves that stay alone become a replacement character."""
        text = self._half + text
        self._half = ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()

    def end(self) -> bytes:
        """What is left when no text follows."""
        half, self._half = self._half, ""
        return "\N{REPLACEMENT CHARACTER}".encode() if half else b""
