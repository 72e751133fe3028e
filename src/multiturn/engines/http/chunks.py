"""Parses the events of a completion, in the forms that different servers use."""

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
    """Ids, where the server reports them."""
    logprobs: tuple[float, ...] = ()
    """NaN for one that the server does not report."""
    finish: str | None = None
    """The finish reason in lower case, where the event has one."""
    done: bool = False
    """Whether the server reports that the text is complete."""
    has_choice: bool = False
    """Whether it concerns the continuation, even without text."""
    reasoning: bool = False
    """Whether it carries reasoning, which is no part of the text."""
    completion_tokens: int | None = None
    """Tokens of the continuation so far, where the server counts them."""
    prompt_tokens: int | None = None
    cached_tokens: int | None = None


def read_chunk(event: ServerEvent, key: Key) -> Chunk:
    """Read one event.

    Raises:
        StreamInterruptedError: it is not what the API specifies, or reports a transient error.
        EngineError: it reports a permanent error.
    """
    if event.data.strip() == DONE:
        return Chunk(done=True)
    failed = event.name.lower() == "error"
    try:
        answer = json.loads(event.data)
    except (ValueError, RecursionError) as error:
        if failed:
            raise _reported_error(event.data, None, key) from error
        raise StreamInterruptedError("it sent what is not JSON") from error
    if isinstance(answer, list) and len(answer) == 1 and isinstance(answer[0], dict):
        answer = answer[0]  # Google's servers wrap an error in a list
    if not isinstance(answer, dict):
        if failed:
            raise _reported_error(event.data, answer, key)
        raise StreamInterruptedError("it sent JSON that is no completion")
    wrong = _error_in(answer)
    if failed or wrong:
        raise _reported_error(event.data, wrong or answer, key)
    try:
        return _read(answer, one_piece=event.name == "answer")
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError) as error:
        raise StreamInterruptedError("it sent JSON that is no completion") from error


def _error_in(answer: dict[str, Any]) -> object:
    """The error that an event reports; a false value where it reports none."""
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


def _reported_error(data: str, error: object, key: Key) -> Exception:
    """The exception for an error in the middle of a stream: the text is incomplete."""
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
    # One continuation was requested, so any other index is not ours.
    choice = next((each for each in choices or () if not each.get("index")), None)
    usage = answer.get("usage") or {}
    timings = answer.get("timings") or {}
    details = usage.get("prompt_tokens_details") or {}
    completion_tokens = _count(usage.get("completion_tokens", timings.get("predicted_n")))
    counted = Chunk(
        completion_tokens=completion_tokens,
        prompt_tokens=_count(usage.get("prompt_tokens")),
        cached_tokens=_count(details.get("cached_tokens", timings.get("cache_n"))),
    )
    if choice is None:
        return counted
    message = choice.get("delta") or choice.get("message") or {}
    reported = choice.get("logprobs") or {}
    # Chat and llama.cpp have one item a token, other completions parallel lists.
    items = (reported.get("content") if isinstance(reported, dict) else None) or []
    logprobs = [item.get("logprob") for item in items] or (
        reported.get("token_logprobs") if isinstance(reported, dict) else None
    )
    ids = choice.get("token_ids") or [item["id"] for item in items if "id" in item]
    # An answer in one piece is complete; a single event of a stream may lack the rest.
    complete = one_piece and ("message" in choice or bool(completion_tokens))
    return replace(
        counted,
        text=_text(choice.get("text")) or _text(message.get("content")),
        tokens=tuple(map(int, ids)),
        logprobs=tuple(map(_logprob, logprobs or ())),
        finish=_finish(choice.get("finish_reason")),
        done=complete,
        has_choice=True,
        reasoning=any(message.get(name) for name in ("reasoning_content", "reasoning", "thinking")),
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
    if isinstance(value, list):  # content parts; those without text are skipped
        return "".join(_text(part.get("text")) for part in value)
    if not isinstance(value, str):
        raise TypeError("the text is no text")
    return value


def _logprob(value: object) -> float:
    """NaN for anything that is not a finite number, such as null."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return math.nan
    return float(value)


def _finish(value: object) -> str | None:
    """The finish reason; None for each of the ways in which servers write "none"."""
    if isinstance(value, dict):
        value = value.get("type")
    if value is None or value is False:
        return None
    if not isinstance(value, str):
        raise TypeError("the reason for the end is no text")
    reason = value.strip().lower()
    return None if reason in ("", "null", "none", "undefined") else reason


class SurrogateJoiner:
    r"""Joins surrogate pairs that JSON escapes split between two events.

    Example:
        >>> joiner = SurrogateJoiner()
        >>> joiner.add("a\ud83d"), joiner.add("\ude00"), joiner.end()
        (b'a', b'\xf0\x9f\x98\x80', b'')
    """

    def __init__(self) -> None:
        self._half = ""

    def add(self, text: str) -> bytes:
        """The UTF-8 of complete characters; a lone surrogate becomes a replacement character."""
        text = self._half + text
        self._half = ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()

    def end(self) -> bytes:
        """The UTF-8 of a surrogate that is still held back."""
        half, self._half = self._half, ""
        return "\N{REPLACEMENT CHARACTER}".encode() if half else b""
