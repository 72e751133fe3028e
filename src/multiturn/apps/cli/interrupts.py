"""Ctrl-C while something is being written stops that, and not the whole program."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event as Flag
from types import FrameType

__all__ = ["stopped_by_ctrl_c"]


@contextmanager
def stopped_by_ctrl_c() -> Iterator[Flag]:
    """A flag that the first Ctrl-C sets. The second interrupts like in any other program."""
    cancel = Flag()
    if threading.current_thread() is not threading.main_thread():
        yield cancel  # only the main thread may say what signals do
        return

    def stop(number: int, frame: FrameType | None) -> None:
        if cancel.is_set():
            signal.default_int_handler(number, frame)
        cancel.set()

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield cancel
    finally:
        signal.signal(signal.SIGINT, before)
