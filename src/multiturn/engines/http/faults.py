"""What goes wrong with a server, sorted by what to do about it."""

from __future__ import annotations

import email.utils
import json
import time
from http import HTTPStatus

from multiturn.core.errors import ContextOverflowError, EngineError, MultiturnError, shown
from multiturn.engines.http.key import Key
from multiturn.hub.sources.transport import PASSING_STATUSES

__all__ = ["BrokenOffError", "message_in", "refusal", "retry_after"]

_OVERFLOW_SIGNS = (
    "context_length_exceeded",
    "exceed_context_size",
    "maximum context length",
    "context size",
    "longer than the model's context",
)


class BrokenOffError(Exception):
    """An attempt came to nothing, and the same request may well succeed later or elsewhere.

    Args:
        reason: what the server did, to follow its address: ``"it answered HTTP 503"``.
        after: seconds that the server asks to be left alone, where it says so.
    """

    def __init__(self, reason: str, *, after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = after


def refusal(
    status: int, headers: dict[str, str], body: str, key: Key
) -> MultiturnError | BrokenOffError:
    """The error for an answer that is none.

    Args:
        status: of HTTP; or an error's own code, of one told in mid-stream.
        headers: with names in lower case.
        body: as far as it was read.
        key: is taken out of the message, should the server repeat it.
    """
    said = key.hidden_in(message_in(body))
    if status in PASSING_STATUSES or status >= 500:
        told = f" ({shown(said, most=160)})" if said else ""
        return BrokenOffError(f"it answered HTTP {status}{told}", after=retry_after(headers))
    if status in (400, 413, 422) and any(sign in body.lower() for sign in _OVERFLOW_SIGNS):
        return ContextOverflowError(
            f"the server says that the request does not fit: {shown(said, most=200)}",
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
            got=key.hidden_in(headers.get("location", "").partition("?")[0]),
            fix="name that address instead; keys and prompts are not sent on unasked",
        )
    if status == HTTPStatus.NOT_FOUND:
        return EngineError(
            "the server does not have this endpoint or model (HTTP 404)",
            got=said or None,
            fix="check the address, which mostly ends in /v1, and the model's name",
        )
    return EngineError(
        f"the server refused the request (HTTP {status}): {shown(said or 'no reason', most=200)}"
    )


def message_in(body: str) -> str:
    """What an error's body says, in one line."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return " ".join(body.split())
    for _ in range(3):
        if not isinstance(data, dict):
            break
        data = data.get("error") or data.get("message") or data.get("detail") or ""
    return " ".join(str(data).split())


def retry_after(headers: dict[str, str]) -> float | None:
    """Seconds that a `Retry-After` asks for, which is a number or a date.

    Example:
        >>> retry_after({"retry-after": "2"}), retry_after({"retry-after": "soon"})
        (2.0, None)
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), 1e9)
    try:
        date = email.utils.parsedate_to_datetime(value)
        return max(date.timestamp() - time.time(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None
