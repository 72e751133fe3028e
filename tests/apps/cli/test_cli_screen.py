from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from multiturn.apps.cli.screen import CodeStream, StatusLine, new_output, show_output


class Terminal:
    """A terminal just good enough: text, carriage return, erase to the end of the line."""

    def __init__(self, width: int = 60) -> None:
        self.file = io.StringIO()
        self.console = Console(
            file=self.file,
            force_terminal=True,
            color_system=None,
            width=width,
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        self.width = width

    def rows(self) -> list[str]:
        rows, row = [], ""
        text = self.file.getvalue().replace("\x1b[2m", "").replace("\x1b[0m", "")
        at = 0
        while at < len(text):
            if text.startswith("\r\x1b[K", at):
                row, at = "", at + 4
            elif text[at] == "\n":
                rows.append(row.rstrip())
                row, at = "", at + 1
            else:
                assert text[at] not in "\r\x1b", repr(text[at : at + 10])
                row, at = row + text[at], at + 1
                assert len(row) <= self.width or row.strip(), "a live line wrapped"
        return [*rows, row.rstrip()] if row.strip() else rows


CODE = "def double(x):\n    return 2 * x\n\nprint(double(21))"


@given(st.lists(st.integers(1, 12), min_size=1))
def test_streamed_code_is_complete_on_the_screen(sizes: list[int]) -> None:
    terminal = Terminal()
    stream = CodeStream(terminal.console)
    at = 0
    for size in [*sizes, len(CODE)]:
        stream.feed(CODE[at : at + size])
        at += size
    stream.close()
    assert terminal.rows() == [("    " + line).rstrip() for line in CODE.split("\n")]


def test_a_line_longer_than_the_terminal_is_cut_until_it_is_complete() -> None:
    terminal = Terminal(width=40)
    line = "x = '" + "0123456789" * 10 + "'"
    stream = CodeStream(terminal.console)
    for character in line:
        stream.feed(character)
        live = terminal.file.getvalue().rpartition("\x1b[K")[2]
        assert len(live) < 40
    stream.close()
    assert terminal.rows() == ["    " + line]


def test_control_characters_in_code_are_shown_not_obeyed() -> None:
    terminal = Terminal()
    stream = CodeStream(terminal.console)
    stream.feed("x = '\x1b[2J\r'\n")
    stream.close()
    assert terminal.rows() == ["    x = '␛[2J␍'"]


def test_without_a_terminal_only_complete_lines_are_written() -> None:
    file = io.StringIO()
    stream = CodeStream(Console(file=file, soft_wrap=True))
    stream.feed("a = 1")
    assert file.getvalue() == ""
    stream.feed("\nb = 2")
    assert file.getvalue() == "    a = 1\n"
    stream.close()
    assert file.getvalue() == "    a = 1\n    b = 2\n"


def test_a_status_line_leaves_no_trace() -> None:
    terminal = Terminal()
    status = StatusLine(terminal.console)
    status.show("writing")
    assert terminal.rows() == ["    writing"]
    status.clear()
    assert terminal.rows() == []


@given(st.text(min_size=1), st.text())
def test_output_that_grew_differs_from_output_that_changed(before: str, more: str) -> None:
    assert new_output(before, before + more) == (more, True)
    assert new_output("", before) == (before, False)
    assert new_output(before + "!", before) == (before, False)


def test_long_output_is_shortened_in_the_middle_and_says_so() -> None:
    terminal = Terminal()
    show_output(terminal.console, "".join(f"{i}\n" for i in range(1000)))
    rows = terminal.rows()
    assert rows[0].endswith("0")
    assert rows[-1].endswith("999")
    assert "960 lines left out" in rows[20]
