"""Notices to a person while an engine opens or runs."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["NoticeListener", "ignore_notice"]

NoticeListener = Callable[[str], None]
"""Called with one line, maybe from another thread: that the engine waits for a server, say."""


def ignore_notice(notice: str) -> None:
    """Do nothing."""
    del notice
