"""Ctrl-C and the keyboard while a command works.

Python runs signal handlers in the main thread, between two bytecode instructions. While that
thread is inside a library (a compiler, a loader of weights, a training step), Ctrl-C has no
visible effect, and if the library holds the GIL, no other thread can respond either. The C part
of the handler runs at once, though, and writes to a socket. A small process reads the other end:
it acknowledges the first Ctrl-C and kills this process at the second. That is safe because
everything this program writes survives a kill at any moment.
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
from multiturn.apps.cli.error_report import INTERRUPTED, say

__all__ = ["answering_ctrl_c", "stopped_by_ctrl_c", "unseen_keys"]


_watching: list[_Watch] = []
"""The active watch, if any."""

_guarded: list[bool] = []
"""Not empty once forked processes are excluded."""


class _Watch:
    """Watches for Ctrl-C from a helper process and a thread.

    The process decides. It asks the thread whether the command has already acknowledged the
    Ctrl-C, and whether it can exit by itself.
    """

    def __init__(self, message: str, acknowledged: Callable[[], bool]) -> None:
        self.acknowledged = [acknowledged]
        self._here, there = socket.socketpair()
        # The helper inherits the mask. Without it, a Ctrl-C that arrives before the helper ignores
        # the signal would end it, with no one left to respond. For this process it only waits.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ctrl_c_helper.IGNORED)
        try:
            with there:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", ctrl_c_helper.__file__,
                     str(there.fileno()), str(os.getpid()), message],
                    pass_fds=[there.fileno()],
                    stdout=subprocess.DEVNULL,
                )  # fmt: skip
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._here.setblocking(False)
        if not _guarded:
            _guarded.append(True)
            os.register_at_fork(after_in_child=_unwatched)
        signal.set_wakeup_fd(self._here.fileno(), warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._wait, name="ctrl-c", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
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
                message = self._here.recv(64)
            except BlockingIOError:
                continue
            except OSError:
                return
            if not message:
                return
            if ctrl_c_helper.LEAVE in message:
                say("interrupted", label=None)
                os._exit(INTERRUPTED)
            if any(acknowledged() for acknowledged in list(self.acknowledged)):
                with contextlib.suppress(OSError):
                    self._here.send(bytes([ctrl_c_helper.ACKNOWLEDGED]))


def _unwatched() -> None:
    """Detach a forked process: it gets the same Ctrl-C, which must not count twice."""
    with contextlib.suppress(ValueError):
        signal.set_wakeup_fd(-1)


@contextmanager
def answering_ctrl_c(
    doing: str, *, acknowledged: Callable[[], bool] = lambda: False
) -> Iterator[None]:
    """Respond to Ctrl-C within a second, even while the main thread is inside a library.

    If the block is still running half a second after the first Ctrl-C, a line says so. Half a
    second after the second one, the process is killed. In a nested block only `acknowledged`
    matters.

    Args:
        doing: what has to finish first, as in "stopping when ...": ``"the model is loaded"``.
        acknowledged: whether the command has printed its own line, which replaces this one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals go to the main thread
        return
    if _watching:
        _watching[0].acknowledged.append(acknowledged)
        try:
            yield
        finally:
            _watching[0].acknowledged.remove(acknowledged)
        return
    already = signal.set_wakeup_fd(-1)
    if already != -1:  # an event loop waits for signals
        signal.set_wakeup_fd(already)
        yield
        return
    try:
        watch = _Watch(f"stopping when {doing}; Ctrl-C again stops at once", acknowledged)
    except OSError:  # no process can be started: default behaviour
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
    """A flag that the first Ctrl-C sets, which stops the generation but not the program.

    The second Ctrl-C interrupts as usual. The terminal's echo is off meanwhile, so that typed
    characters do not appear in the middle of the code.

    Args:
        begun: whether the flag is being watched; until then the first Ctrl-C interrupts too.
    """
    cancel = Flag()
    if threading.current_thread() is not threading.main_thread():
        yield cancel  # only the main thread may set signal handlers
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
    """Turn the terminal's echo off; typed characters go to the next prompt.

    Does nothing without a terminal.
    """
    try:
        keyboard = sys.stdin.fileno()
        modes = termios.tcgetattr(keyboard)
    except (OSError, ValueError, termios.error):
        yield
        return
    local = 3  # the index of the local modes, which include ECHO
    silent = modes.copy()
    silent[local] &= ~termios.ECHO
    termios.tcsetattr(keyboard, termios.TCSADRAIN, silent)
    try:
        yield
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, modes)
