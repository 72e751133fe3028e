"""The keyboard while something is being done.

Python's handlers of signals run in the main thread between two steps of Python. While that
thread is in a library (a compiler, a loader of weights, a step of training) Ctrl-C would do
nothing that a person sees, and where the library holds the interpreter's lock no other thread
could say so. The C part of the handler runs at once, though, and writes to a socket, at whose
other end a small process waits: it says that the Ctrl-C was heard, and ends this one at the
second. Nothing that is kept needs more: whatever this program writes is safe from a kill at any
moment.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event as Flag
from types import FrameType

from multiturn.apps.cli import ctrl_c_helper
from multiturn.apps.cli.faults import INTERRUPTED, say

__all__ = ["answering_ctrl_c", "stopped_by_ctrl_c", "unseen_keys"]


_watching: list[_Watch] = []
"""The one that is at work, if any."""

_guarded: list[bool] = []
"""Not empty once forked processes are kept from it."""


class _Watch:
    """Waits for Ctrl-C beside the main thread, by a process and a thread.

    The process decides; the thread is asked whether the person was told already, and leaves with
    a code of its own where it can.
    """

    def __init__(self, message: str, told: Callable[[], bool]) -> None:
        self.told = [told]
        self._here, there = socket.socketpair()
        with there:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", ctrl_c_helper.__file__,
                 str(there.fileno()), str(os.getpid()), message],
                pass_fds=[there.fileno()],
                stdout=subprocess.DEVNULL,
            )  # fmt: skip
        self._here.setblocking(False)
        if not _guarded:
            _guarded.append(True)
            os.register_at_fork(after_in_child=_unwatched)
        signal.set_wakeup_fd(self._here.fileno(), warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._wait, name="ctrl-c", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Watch no more."""
        signal.set_wakeup_fd(-1)
        with contextlib.suppress(OSError):
            self._here.shutdown(socket.SHUT_RDWR)  # ends the process and the thread
        self._thread.join()
        self._here.close()
        self._process.wait()

    def _wait(self) -> None:
        while True:
            select.select([self._here], [], [])
            try:
                said = self._here.recv(64)
            except BlockingIOError:
                continue
            except OSError:
                return
            if not said:
                return
            if ctrl_c_helper.LEAVE in said:
                say("interrupted", label=None)
                os._exit(INTERRUPTED)
            if any(told() for told in list(self.told)):
                with contextlib.suppress(OSError):
                    self._here.send(bytes([ctrl_c_helper.TOLD]))


def _unwatched() -> None:
    """A process that was forked gets the same Ctrl-C, which must not count twice."""
    with contextlib.suppress(ValueError):
        signal.set_wakeup_fd(-1)


@contextmanager
def answering_ctrl_c(doing: str, *, told: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Answer Ctrl-C within a second, whatever the main thread is in.

    If half a second after the first one this is not over, a line says so; half a second after
    the second one the process ends. Nested in another one, only `told` counts.

    Args:
        doing: what has to end first, to follow "stopping when": ``"the model is loaded"``.
        told: whether whoever works has answered by itself, so that the line is not needed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals go to the main thread
        return
    if _watching:
        _watching[0].told.append(told)
        try:
            yield
        finally:
            _watching[0].told.remove(told)
        return
    already = signal.set_wakeup_fd(-1)
    if already != -1:  # an event loop waits for signals
        signal.set_wakeup_fd(already)
        yield
        return
    try:
        watch = _Watch(f"stopping when {doing}; Ctrl-C again stops at once", told)
    except OSError:  # no process can be started: then as in any other program
        yield
        return
    _watching.append(watch)
    try:
        yield
    finally:
        _watching.remove(watch)
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
    try:
        yield
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, modes)
