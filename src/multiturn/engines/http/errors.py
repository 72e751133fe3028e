"""Errors of servers, classified by whether a retry can help."""

from __future__ import annotations

import email.utils
import html
import json
import re
import time
from datetime import UTC
from http import HTTPStatus

from multiturn.core.errors import ContextOverflowError, EngineError, MultiturnError, truncate_repr
from multiturn.engines.http.key import Key
from multiturn.hub.sources.transport import TRANSIENT_STATUSES

__all__ = [
    "StreamInterruptedError",
    "ErrorEventError",
    "RefusedError",
    "message_in",
    "refusal",
    "retry_after",
    "status_in",
]

_OVERFLOW_SIGNS = (
    "context_length_exceeded",
    "exceed_context_size",
    "exceeds the available context",
    "maximum context length",
    "maximum model length",
    "context size",
    "context window",
    "context length",
    "longer than the model's context",
    "`inputs` tokens + `max_new_tokens` must be",
)
_LASTING_SIGNS = ("insufficient_quota", "billing_hard_limit", "insufficient_balance")
"""Where a 429 means that a limit is used up for good, so waiting does not help."""

_STATUS_WORDS = {
    "rate_limit": 429,
    "ratelimit": 429,
    "too_many_requests": 429,
    "overloaded": 503,
    "unavailable": 503,
    "context_length_exceeded": 400,
    "exceed_context_size": 400,
    "invalid_request": 400,
    "badrequest": 400,
    "bad_request": 400,
    "validation": 422,
    "authentication": 401,
    "unauthorized": 401,
    "permission": 403,
    "not_found": 404,
}


class StreamInterruptedError(Exception):
    """An attempt failed, but the same request may succeed later or at another server.

    Args:
        reason: what the server did, to follow its address: ``"it answered HTTP 503"``.
        after: seconds to wait, where the server asks for that.
        status: the HTTP status, where there is one.
        body: the body of the answer.
    """

    def __init__(
        self,
        reason: str,
        *,
        after: float | None = None,
        status: int | None = None,
        body: str = "",
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = after
        self.status = status
        self.body = body

    @property
    def not_ready(self) -> bool:
        """Whether the server runs but cannot serve yet: it loads a model, or is overloaded."""
        return self.status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS)


class ErrorEventError(StreamInterruptedError):
    """A server reported an error in the middle of its answer, which is therefore incomplete."""


class RefusedError(EngineError):
    """A server refuses a request for good."""

    status = 400
    body = ""
    """The body of the answer. It may repeat the key, so it is never shown."""


def refusal(
    status: int, headers: dict[str, str], body: str, key: Key
) -> MultiturnError | StreamInterruptedError:
    """The exception for an HTTP error.

    Args:
        status: the HTTP status, or the code of an error in mid-stream.
        headers: with names in lower case.
        body: as far as it was read.
        key: is removed from the message, should the server repeat it.
    """
    said = key.redact(message_in(body))
    permanent = status == HTTPStatus.TOO_MANY_REQUESTS and any(s in body for s in _LASTING_SIGNS)
    if (status in TRANSIENT_STATUSES or status >= 500) and not permanent:
        message = f" ({truncate_repr(said, max_length=160)})" if said else ""
        return StreamInterruptedError(
            f"it answered HTTP {status}{message}",
            after=retry_after(headers),
            status=status,
            body=body,
        )
    if status in (400, 413, 422) and any(sign in body.lower() for sign in _OVERFLOW_SIGNS):
        return ContextOverflowError(
            f"the server says that the request does not fit: {truncate_repr(said, max_length=200)}",
            fix="shorten the prompt, or ask for fewer tokens",
        )
    if status in (401, 403):
        state = "did not accept the key" if key else "wants a key"
        return EngineError(
            f"the server {state} (HTTP {status})",
            fix=f"set {key.variable}, or name the variable that holds the key",
        )
    if 300 <= status < 400:
        return EngineError(
            f"the server sends requests on to another address (HTTP {status})",
            got=key.redact(headers.get("location", "").partition("?")[0]),
            fix="name that address instead; keys and prompts are not sent on unasked",
        )
    if status == HTTPStatus.NOT_FOUND:
        return EngineError(
            "the server does not have this endpoint or model (HTTP 404)",
            got=said or None,
            fix="check the address, which mostly ends in /v1, and the model's name",
        )
    refused = RefusedError(
        f"the server refused the request (HTTP {status}): "
        f"{truncate_repr(said or 'no reason', max_length=200)}"
    )
    refused.status, refused.body = status, body
    return refused


def status_in(error: object, otherwise: int) -> int:
    """The HTTP status that an error in the middle of an answer corresponds to.

    Args:
        error: an object with a code, or a text.
        otherwise: returned where there is no code.

    Example:
        >>> status_in({"code": "429"}, 500), status_in({"type": "invalid_request_error"}, 500)
        (429, 400)
    """
    if not isinstance(error, dict):
        return otherwise
    for name in ("code", "status", "status_code", "http_code"):
        code = error.get(name)
        if isinstance(code, str) and code.strip().isdecimal():
            code = int(code.strip()[:9])
        if isinstance(code, int) and not isinstance(code, bool) and 300 <= code < 600:
            return code
    words = " ".join(str(error.get(name, "")) for name in ("code", "type", "status", "error_type"))
    words = words.lower()
    return next((status for word, status in _STATUS_WORDS.items() if word in words), otherwise)


def message_in(body: str) -> str:
    """The message in the body of an error, in one line; the title of a web page."""
    text = body.lstrip("\ufeff").strip()
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return " ".join((_page_text(text) if text.startswith("<") else text).split())
    for _ in range(5):
        if isinstance(data, list) and len(data) == 1:
            data = data[0]
        elif isinstance(data, dict):
            named = (data.get(name) for name in _MESSAGE_NAMES)
            data = next((value for value in named if value), "")
        else:
            break
    return " ".join(str(data).split())


_MESSAGE_NAMES = ("error", "message", "detail", "errors", "error_message", "msg", "reason", "title")


def _page_text(page: str) -> str:
    page = page[:65536]
    title = re.search(r"<title[^>]*>([^<]*)", page, re.IGNORECASE)
    if title and title[1].strip():
        return html.unescape(title[1])
    page = re.sub(r"(?is)<(script|style)\b.{0,65536}?</\1>", " ", page)
    return html.unescape(re.sub(r"<[^>]*>", " ", page))


def retry_after(headers: dict[str, str]) -> float | None:
    """The seconds of a `Retry-After` header, which is a number or a date.

    OpenAI's `retry-after-ms` is more exact and has priority.

    Example:
        >>> retry_after({"retry-after": "2"}), retry_after({"retry-after": "soon"})
        (2.0, None)
        >>> retry_after({"retry-after-ms": "1500"})
        1.5
    """
    exact = headers.get("retry-after-ms", "").strip()
    if exact.isascii() and exact.isdigit():
        return min(float(exact) / 1000, 1e9)
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), 1e9)
    try:
        date = email.utils.parsedate_to_datetime(value)
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)  # HTTP dates are UTC
        return max(date.timestamp() - time.time(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None
