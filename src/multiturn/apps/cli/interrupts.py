"""The keyboard while something is being done.

Python's handlers of signals run in the main thread between two steps of Python. While that
thread is in a library (a compiler, a loader of weights, a step of training) Ctrl-C would do
nothing that a person sees. The C part of the handler runs at once, though, and writes to a
descriptor, on which a thread of its own waits here: it says that the Ctrl-C was heard, and ends
the process at the second one. Nothing that is kept needs more: whatever this program writes is
safe from a kill at any moment.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event as Flag
from types import FrameType
from typing import Any

from multiturn.apps.cli.faults import INTERRUPTED, say

__all__ = ["answering_ctrl_c", "stopped_by_ctrl_c", "unseen_keys"]

GRACE_SECONDS = 0.5
"""How long the main thread has to end, or to say something itself, before it is helped."""

_silenced: list[tuple[int, list[Any]]] = []
"""Terminals whose echo is off, with their modes from before."""


class _Watch:
    """Waits for Ctrl-C beside the main thread."""

    def __init__(self, message: str, *, told: Callable[[], bool]) -> None:
        self._message = message
        self._told = told
        self._left = Flag()
        self._here, self._there = socket.socketpair()
        self._there.setblocking(False)
        self._before = signal.set_wakeup_fd(self._there.fileno(), warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._wait, name="ctrl-c", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Watch no more."""
        self._left.set()
        signal.set_wakeup_fd(self._before)
        self._there.close()  # ends the thread's waiting
        if threading.current_thread() is not self._thread:
            self._thread.join()
        self._here.close()

    def _wait(self) -> None:
        heard = 0
        while numbers := self._here.recv(64):
            for number in numbers:
                if number != signal.SIGINT:
                    continue
                heard += 1
                if self._left.wait(GRACE_SECONDS):
                    return
                if heard > 1:
                    _leave()
                elif not self._told():
                    say(self._message, label=None)


@contextmanager
def answering_ctrl_c(doing: str, *, told: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Answer Ctrl-C within a second, whatever the main thread is in.

    If half a second after the first one this is not over, a line says so; half a second after
    the second one the process ends. Nested in another one, nothing.

    Args:
        doing: what has to end first, to follow "stopping when": ``"the model is loaded"``.
        told: whether whoever works has answered by itself, so that the line is not needed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals go to the main thread
        return
    already = signal.set_wakeup_fd(-1)
    if already != -1:  # an outer one of these, or an event loop, waits for signals
        signal.set_wakeup_fd(already, warn_on_full_buffer=False)
        yield
        return
    watch = _Watch(f"stopping when {doing}; Ctrl-C again stops at once", told=told)
    try:
        yield
    finally:
        watch.close()


@contextmanager
def stopped_by_ctrl_c(*, begun: Callable[[], bool] = lambda: True) -> Iterator[Flag]:
    """A flag that the first Ctrl-C sets: it stops what is written, and not the whole program.

    The second interrupts like in any other program. What is typed meanwhile is not shown, as
    it would stand in the middle of the code.

    Args:
        begun: whether somebody looks at the flag yet; until then the first one interrupts too.
    """
    cancel = Flag()
    if threading.current_thread() is not threading.main_thread():
        yield cancel  # only the main thread may say what signals do
        return

    def stop(number: int, frame: FrameType | None) -> None:
        if cancel.is_set() or not begun():
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
    _silenced.append((keyboard, modes))
    try:
        yield
    finally:
        _silenced.pop()
        termios.tcsetattr(keyboard, termios.TCSADRAIN, modes)


def _leave() -> None:
    """End the process as it is."""
    for keyboard, modes in reversed(_silenced):
        with contextlib.suppress(OSError, ValueError, termios.error):
            termios.tcsetattr(keyboard, termios.TCSANOW, modes)
    with contextlib.suppress(Exception):
        say("interrupted", label=None)
    os._exit(INTERRUPTED)
