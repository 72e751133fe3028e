"""The input line: history, several lines, completion, colours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from prompt_toolkit import PromptSession, print_formatted_text
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.filters import is_searching
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import Lexer, PygmentsLexer
from prompt_toolkit.search import accept_search
from prompt_toolkit.styles import Style
from pygments.lexers.python import PythonLexer

from multiturn.apps.cli.prompt.slash import COMMANDS
from multiturn.hub.registry import single_file_models

__all__ = ["Reader"]

_STYLE = Style.from_dict(
    {
        "number": "ansicyan bold",
        "more": "ansibrightblack",
        "slash": "ansicyan",
    }
)


class Reader:
    """Reads turns and commands from a terminal.

    Args:
        history: the file of the input history. If it is not writable, the history lasts only
            until the program ends.
    """

    def __init__(self, history: Path) -> None:
        self._session: PromptSession[str] = PromptSession(
            history=_history(history),
            completer=_Words(),
            complete_while_typing=True,
            lexer=_CommandLexer(),
            key_bindings=_keys(),
            style=_STYLE,
            multiline=True,
            prompt_continuation=_continuation,
            enable_open_in_editor=False,
            reserve_space_for_menu=4,
        )

    def read(self, number: int) -> str:
        """The next turn or command.

        Args:
            number: of the next turn.

        Raises:
            EOFError: Ctrl-D on an empty line.
            KeyboardInterrupt: Ctrl-C.
        """
        return self._session.prompt(FormattedText([("class:number", f"{number}> ")]))

    def change(self, code: str) -> str | None:
        """Let the user edit `code` inline; None if they cancelled with Ctrl-C."""
        inner: PromptSession[str] = PromptSession(
            lexer=PygmentsLexer(PythonLexer),
            key_bindings=_keys(send_with_escape=True),
            style=_STYLE,
            multiline=True,
            prompt_continuation=_continuation,
        )
        hint = "  Esc, then Enter saves the code; Ctrl-C cancels"
        print_formatted_text(FormattedText([("class:more", hint)]), style=_STYLE)
        try:
            return inner.prompt(FormattedText([("class:more", "  │ ")]), default=code.rstrip("\n"))
        except (KeyboardInterrupt, EOFError):
            return None


def _continuation(_width: int, _line: int, _wrapped: int) -> FormattedText:
    return FormattedText([("class:more", "  │ ")])


def _keys(*, send_with_escape: bool = False) -> KeyBindings:
    """Enter sends and Alt-Enter adds a line; the other way round while editing code.

    During a history search (Ctrl-R), Enter copies the match into the line without sending it;
    the text typed before is the next history entry. Ctrl-C or Ctrl-G restores it.
    """
    keys = KeyBindings()
    writing = ~is_searching

    def send(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    def add_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @keys.add("enter", filter=is_searching)
    def accept_match(event: KeyPressEvent) -> None:
        accept_search()
        line = event.app.current_buffer
        line.cursor_position = len(line.text)

    if send_with_escape:
        # Alt-Enter arrives as these two keys; plain Enter adds a line by default.
        keys.add("escape", "enter", filter=writing)(send)
        return keys
    keys.add("enter", filter=writing)(send)
    keys.add("escape", "enter", filter=writing)(add_line)
    return keys


def _history(path: Path) -> History:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab"):
            pass
    except OSError:
        return InMemoryHistory()
    return _ForgivingHistory(str(path))


class _ForgivingHistory(FileHistory):
    """A history that ignores a full or unwritable disk instead of losing the turn."""

    def load_history_strings(self) -> Iterable[str]:
        try:
            return list(super().load_history_strings())
        except OSError:
            return []

    def store_string(self, string: str) -> None:
        try:
            super().store_string(string)
        except (OSError, UnicodeEncodeError):
            return


class _Words(Completer):
    """Completes commands, and their file and model arguments."""

    def __init__(self) -> None:
        self._paths = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterator[Completion]:
        text = document.text_before_cursor
        if not text.startswith("/") or "\n" in text:
            return
        name, space, rest = text.partition(" ")
        if not space:
            for command in COMMANDS.values():
                if command.name.startswith(name[1:]):
                    yield Completion(
                        f"/{command.name}",
                        start_position=-len(text),
                        display_meta=command.help,
                    )
        elif name == "/save":
            yield from self._paths.get_completions(Document(rest), event)
        elif name == "/model":
            for model in single_file_models():
                if model.startswith(rest):
                    yield Completion(model, start_position=-len(rest))
        elif name == "/show":
            for what in ("tree", "turns"):
                if what.startswith(rest):
                    yield Completion(what, start_position=-len(rest))


class _CommandLexer(Lexer):
    """Colours commands; the text of a turn stays plain."""

    def lex_document(self, document: Document):  # type: ignore[no-untyped-def]
        def line(number: int) -> list[tuple[str, str]]:
            text = document.lines[number]
            return [("class:slash" if number == 0 and text.startswith("/") else "", text)]

        return line
