"""Timeouts and retries of downloads."""

from __future__ import annotations

from dataclasses import dataclass

from multiturn.core.retry import RetryPolicy

__all__ = ["DownloadRetryPolicy", "Timeouts"]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait for a connection, and for the next bytes of a response."""

    connect: float = 5.0
    read: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadRetryPolicy(RetryPolicy):
    """A retry policy that counts the failures since the last new byte.

    Attributes:
        connect_attempts: maximum attempts to get any response, before the first byte.
    """

    connect_attempts: int = 2
