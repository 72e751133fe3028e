"""Retries with exponential backoff: one policy for downloads, servers and programs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from multiturn.core.errors import InputError

__all__ = ["RetryPolicy", "with_retries"]

T = TypeVar("T")

_MAX_DOUBLINGS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often an action is tried, and how long to wait between attempts.

    Attributes:
        attempts: the most attempts, the first one included.
        first_wait: seconds before the second attempt; doubled after each further failure.
        longest_wait: the most seconds between two attempts.
    """

    attempts: int = 4
    first_wait: float = 0.5
    longest_wait: float = 60.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise InputError("attempts is out of range", got=self.attempts, allowed="1 or more")
        for name in ("first_wait", "longest_wait"):
            if not getattr(self, name) >= 0:
                raise InputError(
                    f"{name} is out of range", got=getattr(self, name), allowed="0 seconds or more"
                )

    def backoff(self, failures: int) -> float:
        """Seconds to wait after `failures` failures in a row.

        Example:
            >>> [RetryPolicy(longest_wait=3.0).backoff(failures) for failures in (1, 2, 3, 4)]
            [0.5, 1.0, 2.0, 3.0]
        """
        return min(self.first_wait * 2.0 ** min(failures - 1, _MAX_DOUBLINGS), self.longest_wait)


def with_retries(
    action: Callable[[], T],
    policy: RetryPolicy,
    *,
    retry_on: type[Exception] | tuple[type[Exception], ...],
    on_failure: Callable[[Exception], None] | None = None,
    sleep: Callable[[float], object] = time.sleep,
) -> T:
    """Call `action` until it succeeds or the attempts are used up.

    Args:
        action: has the same effect however often it is called.
        policy: how often, and how long to wait.
        retry_on: failures that may pass. Any other exception propagates at once.
        on_failure: called with each such failure; may raise to stop.
        sleep: waits; an event's `wait` makes the wait interruptible.

    Raises:
        Exception: the last failure, once the attempts are used up.
    """
    failures = 0
    while True:
        try:
            return action()
        except retry_on as error:
            failures += 1
            if on_failure is not None:
                on_failure(error)
            if failures >= policy.attempts:
                raise
        sleep(policy.backoff(failures))
