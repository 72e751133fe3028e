"""What a person should know of a server while the work goes on."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["NoticeListener", "unheard"]

NoticeListener = Callable[[str], None]
"""Is told one line at a time, from a thread of the engine: that a server is waited for, or that
a parameter is left out."""


def unheard(notice: str) -> None:
    """Nobody listens."""
    del notice
