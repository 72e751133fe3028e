"""A process that answers Ctrl-C where the one that works cannot; see `interrupts`.

    python -I -S ctrl_c_helper.py DESCRIPTOR PROCESS MESSAGE

A library may hold the interpreter's lock for as long as it loads a model, so that no line of
Python runs in that process. The C part of its signal handler still writes the signal's number to
a socket, whose other end is the descriptor here. This script imports nothing of the project: it
has to be there at once.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import termios
import time

ASK, TOLD, LEAVE = b"?", ord("t"), b"x"
"""What is said over the socket beside numbers of signals, all of which are smaller."""

GRACE_SECONDS = 0.4
"""How long the process has to end or to answer by itself."""
REPLY_SECONDS = 0.2


def main(descriptor: int, process: int, message: str) -> None:
    """Watch until the other end is closed."""
    # It ends with the process that it watches, and never before: a signal to the whole group
    # is meant for that one.
    for number in (signal.SIGINT, signal.SIGTSTP, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    link = socket.socket(fileno=descriptor)
    heard = 0
    while True:
        heard += link_read(link, None).count(signal.SIGINT)
        if not heard:
            continue
        if heard == 1:
            heard += wait(link, GRACE_SECONDS).count(signal.SIGINT)
        if heard == 1:
            link.send(ASK)
            said = wait(link, REPLY_SECONDS)
            heard += said.count(signal.SIGINT)
            if TOLD not in said:
                say(message)
        if heard > 1:
            wait(link, GRACE_SECONDS)
            show_keys()
            link.send(LEAVE)  # it may still be able to leave with a code of its own
            wait(link, REPLY_SECONDS)
            say("interrupted")
            os.kill(process, signal.SIGKILL)
            return


def wait(link: socket.socket, seconds: float) -> bytes:
    """What comes within some time."""
    found, until = b"", time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        found += link_read(link, left)
    return found


def link_read(link: socket.socket, seconds: float | None) -> bytes:
    """The next bytes; leaves where the other end is closed."""
    ready, _, _ = select.select([link], [], [], seconds)
    if not ready:
        return b""
    try:
        found = link.recv(64)
    except OSError:
        found = b""
    if not found:
        os._exit(0)
    return found


def say(line: str) -> None:
    """A line on standard error, in place of one that changes where that is a terminal."""
    try:
        start = b"\r\x1b[K" if os.isatty(2) else b""
        os.write(2, start + line.encode() + b"\n")
    except OSError:
        pass


def show_keys() -> None:
    """Let the terminal show again what is typed."""
    try:
        modes = termios.tcgetattr(0)
        modes[3] |= termios.ECHO | termios.ICANON | termios.ISIG
        termios.tcsetattr(0, termios.TCSANOW, modes)
    except (OSError, termios.error):
        pass


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
