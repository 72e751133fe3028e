"""The keyboard while something is being written."""

from __future__ import annotations

import signal
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event as Flag
from types import FrameType

__all__ = ["stopped_by_ctrl_c", "unseen_keys"]


@contextmanager
def stopped_by_ctrl_c() -> Iterator[Flag]:
    """A flag that the first Ctrl-C sets: it stops what is written, and not the whole program.

    The second interrupts like in any other program. What is typed meanwhile is not shown, as
    it would stand in the middle of the code.
    """
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
        with unseen_keys():
            yield cancel
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def unseen_keys() -> Iterator[None]:
    """Turn the terminal's echo off: what is typed meanwhile is for the next prompt.

    Without a terminal, nothing.
    """
    try:
        keyboard = sys.stdin.fileno()
        modes = termios.tcgetattr(keyboard)
    except (OSError, ValueError, termios.error):
        yield
        return
    local = 3  # where tcgetattr keeps the flags that ECHO is one of
    silent = modes.copy()
    silent[local] &= ~termios.ECHO
    termios.tcsetattr(keyboard, termios.TCSADRAIN, silent)
    try:
        yield
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, modes)
