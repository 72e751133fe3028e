"""How long a source is waited for, and how often it is asked again."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Retries", "Timeouts"]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait for a connection, and for the next bytes of an answer."""

    connect: float = 5.0
    read: float = 30.0


@dataclass(frozen=True, slots=True)
class Retries:
    """How often in a row nothing may come before a source is given up.

    Attributes:
        attempts: tries that may bring no new byte; any new byte starts the count again.
        first_wait: seconds before the second try; doubled each time.
        answers: tries to get any answer at all, before the first byte.
    """

    attempts: int = 4
    first_wait: float = 0.5
    answers: int = 2
