"""A process that responds to Ctrl-C when the working process cannot; see `interrupts`.

    python -I -S ctrl_c_helper.py DESCRIPTOR PROCESS MESSAGE

A library may hold the GIL while it loads a model, so that no Python code runs in that process.
The C part of its signal handler still writes the signal's number to a socket, and DESCRIPTOR is
the other end. This script imports nothing from the project, because it must start at once.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import termios
import time

ASK, ACKNOWLEDGED, LEAVE = b"?", ord("t"), b"x"
"""Messages over the socket. Signal numbers, which also pass through it, are all smaller."""

IGNORED = (signal.SIGINT, signal.SIGTSTP, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""Signals to the process group, which are meant for the watched process. This one ends with it."""

GRACE_SECONDS = 0.4
"""How long the process has to exit or to respond by itself."""
REPLY_SECONDS = 0.2


def main(descriptor: int, process: int, message: str) -> None:
    """Watch until the other end of the socket closes."""
    for number in IGNORED:
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
            reply = wait(link, REPLY_SECONDS)
            heard += reply.count(signal.SIGINT)
            if ACKNOWLEDGED not in reply:
                say(message)
        if heard > 1:
            wait(link, GRACE_SECONDS)
            show_keys()
            link.send(LEAVE)  # it may still be able to exit with a code
            wait(link, REPLY_SECONDS)
            say("interrupted")
            os.kill(process, signal.SIGKILL)
            return


def wait(link: socket.socket, seconds: float) -> bytes:
    """What arrives within `seconds`."""
    found, until = b"", time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        found += link_read(link, left)
    return found


def link_read(link: socket.socket, seconds: float | None) -> bytes:
    """The next bytes. Exits if the other end is closed."""
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
    """Print a line on standard error; on a terminal it replaces a status line."""
    try:
        start = b"\r\x1b[K" if os.isatty(2) else b""
        os.write(2, start + line.encode() + b"\n")
    except OSError:
        pass


def show_keys() -> None:
    """Turn the terminal's echo back on."""
    try:
        modes = termios.tcgetattr(0)
        modes[3] |= termios.ECHO | termios.ICANON | termios.ISIG
        termios.tcsetattr(0, termios.TCSANOW, modes)
    except (OSError, termios.error):
        pass


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
