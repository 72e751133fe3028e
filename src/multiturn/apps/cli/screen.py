"""Shows code and output on a terminal, or as plain text elsewhere.

Everything that a model or a program wrote goes through `neutralize`.
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
MAX_LINES = 40
"""Longer output is cut in the middle."""

_THEME = "ansi_dark"  # the terminal's own colours, legible on light and dark backgrounds


def console_for(stream: TextIO | None = None) -> Console:
    """A console that writes to `stream` (by default standard output) without markup."""
    return Console(
        file=stream or sys.stdout, markup=False, emoji=False, highlight=False, soft_wrap=True
    )


def highlighted(code: str, lexer: str = "python") -> Text:
    """Highlighted code, without leading and trailing blank lines."""
    text = _lexed(neutralize(code).strip("\n"), lexer)
    text.rstrip()
    return text


def show_code(console: Console, code: str, lexer: str = "python") -> None:
    """Print code, indented; or a note that there is none.

    Args:
        console: where it appears.
        code: the code.
        lexer: the language, as Pygments calls it: a key of the table of languages.
    """
    if not code.strip():
        console.print(Text("    (no code)", style="dim"))
        return
    for line in highlighted(code, lexer).split("\n", allow_blank=True):
        line.rstrip()
        console.print(Text(" " * INDENT).append_text(line) if line.plain else Text())


class CodeStream:
    """Shows code while it is written.

    The current line appears plain and cut to the terminal's width; when it is complete, a
    highlighted one replaces it. Lines above it never change, so nothing flickers and scrolling
    back works. Without a terminal only complete lines are written.
    """

    def __init__(self, console: Console, lexer: str = "python") -> None:
        self._console = console
        self._lexer = lexer
        self._text = ""
        self._shown_lines = 0
        self._live = console.is_terminal and not console.is_dumb_terminal

    def feed(self, text: str) -> None:
        """Add the next part, of any length."""
        # Drop blank lines before the first line of code.
        self._text = (self._text + neutralize(text)).lstrip("\n")
        *complete, partial = self._text.split("\n")
        if len(complete) > self._shown_lines:
            self._erase()
            coloured = _lexed(self._text, self._lexer).split("\n", allow_blank=True)
            for line in coloured[self._shown_lines : len(complete)]:
                self._console.print(Text(" " * INDENT).append_text(line))
            self._shown_lines = len(complete)
        if self._live:
            self._erase()
            room = max(self._console.width - INDENT - 2, 10)
            self._write(" " * INDENT + _cut(partial.expandtabs(4), room))

    def close(self) -> None:
        """Finish the last line. Trailing blank lines that are already shown stay."""
        self._erase()
        lines = _lexed(self._text, self._lexer).split("\n", allow_blank=True)
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
    """One line that is updated in place on a terminal; silent elsewhere."""

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
        """Remove the line."""
        if self._shown:
            self._console.file.write("\r\x1b[K")
            self._console.file.flush()
            self._shown = False


def new_output(before: str, after: str) -> tuple[str, bool]:
    r"""The part of a program's output that is new since the previous turn.

    The program runs from its start each time. If the output starts with that of the previous
    turn, the rest is new; otherwise all of it is.

    Returns:
        The new text, and whether earlier output was left out.

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
    """Print a program's output, indented, and cut in the middle if it is long."""
    lines = neutralize(text).rstrip("\n").split("\n")
    if len(lines) > MAX_LINES:
        half = MAX_LINES // 2
        left_out = len(lines) - 2 * half
        lines = [*lines[:half], f"... {left_out} lines left out ...", *lines[-half:]]
    for line in lines:
        shown = line if len(line) <= 2000 else f"{line[:2000]}... ({len(line)} characters)"
        console.print(Text("  │ ", style="dim").append(shown, style=style))


def _lexed(code: str, lexer: str) -> Text:
    return Syntax(code, lexer, theme=_THEME, background_color="default").highlight(code)


def _cut(text: str, room: int) -> str:
    """`text` in at most `room` cells of a terminal."""
    line = Text(text)
    line.truncate(room, overflow="ellipsis")
    return line.plain
