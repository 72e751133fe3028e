"""Notices to a person about a server, while a request runs."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["NoticeListener", "ignore_notice"]

NoticeListener = Callable[[str], None]
"""Called with one line from a thread of the engine: that it waits for a server, or that a
parameter is left out."""


def ignore_notice(notice: str) -> None:
    """Do nothing."""
    del notice
