"""Showing code and output on a terminal, or plainly where there is none.

Everything that a model or a program wrote passes `neutralize` on its way here.
"""

from __future__ import annotations

import sys
from typing import TextIO

from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

from multiturn.apps.cli.terminal import neutralize

__all__ = [
    "CodeStream",
    "StatusLine",
    "console_for",
    "highlighted",
    "new_output",
    "show_code",
    "show_output",
]

INDENT = 4
MOST_LINES = 40
"""More lines of output than these are shown from both ends, with a word on what is left out."""

_THEME = "ansi_dark"  # the terminal's own colours, so that it reads on light and on dark


def console_for(stream: TextIO | None = None) -> Console:
    """A console that writes to `stream` (standard output), without markup or guessing."""
    return Console(
        file=stream or sys.stdout, markup=False, emoji=False, highlight=False, soft_wrap=True
    )


def highlighted(code: str) -> Text:
    """Python code in colours. Leading and trailing blank lines go."""
    text = _lexed(neutralize(code).strip("\n"))
    text.rstrip()
    return text


def show_code(console: Console, code: str) -> None:
    """Print code, indented; a word where there is none."""
    if not code.strip():
        console.print(Text("    (no code)", style="dim"))
        return
    for line in highlighted(code).split("\n", allow_blank=True):
        line.rstrip()
        console.print(Text(" " * INDENT).append_text(line) if line.plain else Text())


class CodeStream:
    """Shows code while it is written.

    The line being written is shown plain and cut to the terminal's width; when it ends it is
    written over in colours. Nothing above the current line is ever touched, so nothing
    flickers and a scrolled screen stays whole. Where there is no terminal only whole lines
    are written.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._text = ""
        self._shown_lines = 0
        self._live = console.is_terminal and not console.is_dumb_terminal

    def feed(self, text: str) -> None:
        """Take the next piece, of any length."""
        # Blank lines before the first line of code say nothing.
        self._text = (self._text + neutralize(text)).lstrip("\n")
        *whole, partial = self._text.split("\n")
        if len(whole) > self._shown_lines:
            self._erase()
            coloured = _lexed(self._text).split("\n", allow_blank=True)
            for line in coloured[self._shown_lines : len(whole)]:
                self._console.print(Text(" " * INDENT).append_text(line))
            self._shown_lines = len(whole)
        if self._live:
            self._erase()
            room = max(self._console.width - INDENT - 2, 10)
            self._write(" " * INDENT + _cut(partial.expandtabs(4), room))

    def close(self) -> None:
        """Finish the last line. Trailing blank lines were shown and stay."""
        self._erase()
        lines = _lexed(self._text).split("\n", allow_blank=True)
        rest = lines[self._shown_lines : len(self._text.split("\n"))]
        for line in rest:
            if line.plain.strip():
                self._console.print(Text(" " * INDENT).append_text(line))
        self._text, self._shown_lines = "", 0

    def _erase(self) -> None:
        if self._live:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        self._console.file.write(text)
        self._console.file.flush()


class StatusLine:
    """One line that changes in place, on a terminal; silent elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = console.is_terminal and not console.is_dumb_terminal
        self._shown = False

    def show(self, text: str) -> None:
        """Replace the line."""
        if self._live:
            room = max(self._console.width - INDENT - 2, 10)
            self._console.file.write(
                "\r\x1b[K\x1b[2m" + " " * INDENT + _cut(neutralize(text), room) + "\x1b[0m"
            )
            self._console.file.flush()
            self._shown = True

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            self._console.file.write("\r\x1b[K")
            self._console.file.flush()
            self._shown = False


def new_output(before: str, after: str) -> tuple[str, bool]:
    r"""What a program printed beyond what it had printed one turn ago.

    The program runs from its start each time. Where its output only grew, the rest is new;
    otherwise all of it is.

    Returns:
        The text, and whether earlier output was left out.

    Example:
        >>> new_output("1\n", "1\n2\n")
        ('2\n', True)
        >>> new_output("1\n", "3\n")
        ('3\n', False)
    """
    if before and after.startswith(before):
        return after[len(before) :], True
    return after, False


def show_output(console: Console, text: str, *, style: str = "") -> None:
    """Print what a program printed, indented, long output shortened in the middle."""
    lines = neutralize(text).rstrip("\n").split("\n")
    if len(lines) > MOST_LINES:
        half = MOST_LINES // 2
        left_out = len(lines) - 2 * half
        lines = [*lines[:half], f"... {left_out} lines left out ...", *lines[-half:]]
    for line in lines:
        shown = line if len(line) <= 2000 else f"{line[:2000]}... ({len(line)} characters)"
        console.print(Text("  │ ", style="dim").append(shown, style=style))


def _lexed(code: str) -> Text:
    return Syntax(code, "python", theme=_THEME, background_color="default").highlight(code)


def _cut(text: str, room: int) -> str:
    """`text` in at most `room` cells of a terminal."""
    line = Text(text)
    line.truncate(room, overflow="ellipsis")
    return line.plain
