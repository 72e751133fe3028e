"""What a server tells of a continuation, event by event, in the forms that servers have."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import Any

from multiturn.engines.http.errors import (
    ErrorEventError,
    StreamInterruptedError,
    message_in,
    refusal,
    status_in,
)
from multiturn.engines.http.key import Key
from multiturn.engines.http.sse import DONE, ServerEvent

__all__ = ["Chunk", "SurrogateJoiner", "read_chunk"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """The content of one event."""

    text: str = ""
    tokens: tuple[int, ...] = ()
    """Ids, where the server tells them."""
    logprobs: tuple[float, ...] = ()
    """NaN for one that the server does not tell."""
    finish: str | None = None
    """Why the text ends, in lower case, where the event says so."""
    done: bool = False
    """Whether the server says that nothing follows, and nothing is missing."""
    about: bool = False
    """Whether it is about the continuation, be it only that it has begun or thinks."""
    alive: bool = False
    """Whether the model writes what is no part of the text: its reasoning."""
    written: int | None = None
    """Tokens of the continuation up to now, where the server counts."""
    prompt_tokens: int | None = None
    cached_tokens: int | None = None


def read_chunk(event: ServerEvent, key: Key) -> Chunk:
    """Read one event.

    Raises:
        StreamInterruptedError: it is not what the API says it should be, or tells a passing error.
        EngineError: it tells a lasting error.
    """
    if event.data.strip() == DONE:
        return Chunk(done=True)
    failed = event.name.lower() == "error"
    try:
        answer = json.loads(event.data)
    except (ValueError, RecursionError) as error:
        if failed:
            raise _told(event.data, None, key) from error
        raise StreamInterruptedError("it sent what is not JSON") from error
    if isinstance(answer, list) and len(answer) == 1 and isinstance(answer[0], dict):
        answer = answer[0]  # Google's servers put an error into a list
    if not isinstance(answer, dict):
        if failed:
            raise _told(event.data, answer, key)
        raise StreamInterruptedError("it sent JSON that is no completion")
    wrong = _error_in(answer)
    if failed or wrong:
        raise _told(event.data, wrong or answer, key)
    try:
        return _read(answer, one_piece=event.name == "answer")
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError) as error:
        raise StreamInterruptedError("it sent JSON that is no completion") from error


def _error_in(answer: dict[str, Any]) -> object:
    """What an event says went wrong; nothing where it is none of an error."""
    if error := answer.get("error"):
        return error
    if answer.get("object") == "error" or answer.get("type") == "error":
        return answer
    choices = answer.get("choices")
    if not choices:
        names = ("message", "detail", "errors", "error_message")
        return answer if any(answer.get(name) for name in names) else None
    first = choices[0] if isinstance(choices, list) else None
    return first.get("error") if isinstance(first, dict) else None


def _told(data: str, error: object, key: Key) -> Exception:
    """The error that a server tells in its answer: the text that came is not whole."""
    fault = refusal(status_in(error, 500), {}, data, key)
    if isinstance(fault, StreamInterruptedError):
        said = key.redact(message_in(data))[:160]
        return ErrorEventError(
            f"it answered with an error in place of the text ({said})",
            status=fault.status,
            body=data,
        )
    return fault


def _read(answer: dict[str, Any], *, one_piece: bool) -> Chunk:
    choices = answer.get("choices")
    if not isinstance(choices, list | None):
        raise TypeError("the choices are no list")
    # One continuation is asked for; whatever else a server adds is another one.
    choice = next((each for each in choices or () if not each.get("index")), None)
    usage = answer.get("usage") or {}
    timings = answer.get("timings") or {}
    details = usage.get("prompt_tokens_details") or {}
    written = _count(usage.get("completion_tokens", timings.get("predicted_n")))
    counted = Chunk(
        written=written,
        prompt_tokens=_count(usage.get("prompt_tokens")),
        cached_tokens=_count(details.get("cached_tokens", timings.get("cache_n"))),
    )
    if choice is None:
        return counted
    message = choice.get("delta") or choice.get("message") or {}
    told = choice.get("logprobs") or {}
    # Chat and llama.cpp tell tokens one by one; completions elsewhere, in parallel lists.
    items = (told.get("content") if isinstance(told, dict) else None) or []
    logprobs = [item.get("logprob") for item in items] or (
        told.get("token_logprobs") if isinstance(told, dict) else None
    )
    ids = choice.get("token_ids") or [item["id"] for item in items if "id" in item]
    # An object in one piece says that it is whole by being so; a single event of a stream may
    # have lost what follows.
    whole = one_piece and ("message" in choice or bool(written))
    return replace(
        counted,
        text=_text(choice.get("text")) or _text(message.get("content")),
        tokens=tuple(map(int, ids)),
        logprobs=tuple(map(_logprob, logprobs or ())),
        finish=_finish(choice.get("finish_reason")),
        done=whole,
        about=True,
        alive=any(message.get(name) for name in ("reasoning_content", "reasoning", "thinking")),
    )


def _count(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or value < 0:
        raise TypeError("the count is no number")
    return value


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):  # parts, of which the text's count
        return "".join(_text(part.get("text")) for part in value)
    if not isinstance(value, str):
        raise TypeError("the text is no text")
    return value


def _logprob(value: object) -> float:
    """NaN for what is no log-probability: null, which stands for none or for minus infinity."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return math.nan
    return float(value)


def _finish(value: object) -> str | None:
    """The reason for the end, where there is one; servers say "none" in several ways."""
    if isinstance(value, dict):
        value = value.get("type")
    if value is None or value is False:
        return None
    if not isinstance(value, str):
        raise TypeError("the reason for the end is no text")
    reason = value.strip().lower()
    return None if reason in ("", "null", "none", "undefined") else reason


class SurrogateJoiner:
    r"""Joins characters beyond U+FFFF that JSON's escapes split between two events.

    Example:
        >>> whole = SurrogateJoiner()
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
