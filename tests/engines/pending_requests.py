"""Requests for a scheduler, without an engine around it."""

from __future__ import annotations

import threading
from typing import Any

from multiturn.engines.pending_request import PendingRequest
from multiturn.engines.protocol import Completion, Request

MINUTES = 300.0
"""No test waits as long, unless a scheduler has lost its request."""


def pending(prompt: list[int], **options: Any) -> PendingRequest:
    return PendingRequest(Request(prompt="x", **options), prompt, threading.Event())


def completions(request: PendingRequest) -> list[Completion]:
    """All completions of a request, in the order of their ends."""
    found: list[Completion] = []
    while len(found) < request.request.n:
        event = request.events.get(timeout=MINUTES)
        if isinstance(event, BaseException):
            raise event
        if isinstance(event, Completion):
            found.append(event)
    return found
