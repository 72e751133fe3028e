"""`multiturn prompt`, the default command."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from multiturn import __version__
from multiturn.apps.cli.app_context import AppContext, open_app_context
from multiturn.apps.cli.better_model import better_model_hint
from multiturn.apps.cli.error_report import report
from multiturn.apps.cli.prompt.conversation import Conversation
from multiturn.apps.cli.prompt.editor import change_in_editor, editor_command
from multiturn.apps.cli.prompt.reader import Reader
from multiturn.apps.cli.prompt.slash import LeaveError, obey
from multiturn.apps.cli.screen import console_for
from multiturn.apps.cli.session_options import with_session_options
from multiturn.apps.cli.settings import resolve_settings
from multiturn.apps.cli.terminal import neutralize
from multiturn.core.app_dirs import app_dirs
from multiturn.core.errors import InputError, MultiturnError
from multiturn.sandbox.isolation import IsolationLevel
from multiturn.synthesis.records import Session
from multiturn.synthesis.store import SessionStore

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)

_FAILED = 1


@app.command()
@with_session_options
def prompt(
    *,
    session: Annotated[
        str | None,
        typer.Option("--session", metavar="ID|NAME", help="Continue a saved session."),
    ] = None,
    go_on: Annotated[
        bool, typer.Option("--continue", "-c", help="Continue the last session.")
    ] = False,
    flags: dict[str, object],
) -> None:
    """Write a program turn by turn.

    Describe in plain language what the program should do first, then the next step, and so on.
    The model writes the code of each step, and the program so far runs in the sandbox.
    Commands start with a slash; /help lists them. Turns can also come from a pipe, one per
    line; the exit code is 1 if the resulting program fails.
    """
    if session and go_on:
        raise InputError("--session and --continue exclude each other", fix="use one of them")
    with SessionStore() as store:
        resumed = _resumed(store, session, go_on)
    # A session continues with its own model unless another one is named.
    flags["model"] = flags["model"] or (resumed.model if resumed else None)
    settings = resolve_settings(flags).settings
    console = console_for()
    at_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    with open_app_context(settings, console, ask=at_terminal) as app:
        if resumed is not None and resumed.model != settings.model:
            resumed = app.synthesizer.adopt(resumed)
        conversation = Conversation(app, settings, console, resumed)
        if at_terminal:
            _talk(conversation, console)
        elif not _follow_pipe(conversation):
            raise typer.Exit(_FAILED)


def _resumed(store: SessionStore, name: str | None, latest: bool) -> Session | None:
    if name:
        return store.find(name)
    if latest:
        session = store.latest()
        if session is None:
            raise InputError("there is no session to continue", fix="start one with `multiturn`")
        return session
    return None


def _talk(conversation: Conversation, console: Console) -> None:
    """Read turns from the terminal until the user leaves."""
    reader = Reader(app_dirs().history)
    _greet(conversation.app, console)
    if conversation.session is not None:
        conversation.show("turns")
    while True:
        try:
            words = reader.read(conversation.number)
        except KeyboardInterrupt:
            continue
        except EOFError:
            break
        if not words.strip():
            continue
        try:
            _say_to(conversation, words, _changer(reader))
        except LeaveError:
            break
        except KeyboardInterrupt:
            console.print(Text("  stopped", style="yellow"))
        except MultiturnError as error:
            report(error)
        console.print()
    if conversation.session is not None:
        session = conversation.session
        console.print(f"Saved. To continue: multiturn --session {session.id}")


def _follow_pipe(conversation: Conversation) -> bool:
    """Run each line of standard input as a turn or a command. Stops at the first error.

    Returns:
        Whether the resulting program ran without an error; true if no line wrote or ran one.
    """
    if sys.stdin.isatty():
        raise InputError(
            "the prompt needs a terminal, but standard output is not one",
            fix="run it in a terminal, or pipe turns into it, one per line",
        )
    for line in _lines():
        words = line.rstrip("\n")
        if not words.strip():
            continue
        conversation.console.print(
            Text(f"{conversation.number}> ", style="bold cyan").append(neutralize(words), "bold")
        )
        try:
            _say_to(conversation, words, lambda code: code)
        except LeaveError:
            break
        conversation.console.print()
    return conversation.works


def _lines() -> Iterator[str]:
    try:
        yield from sys.stdin
    except UnicodeDecodeError as error:
        raise InputError(
            "standard input is not UTF-8 text", fix="pipe UTF-8 text into it"
        ) from error


def _say_to(conversation: Conversation, words: str, change: Callable[[str], str | None]) -> None:
    if words.lstrip().startswith("/"):
        obey(conversation, words, change)
    else:
        conversation.take_turn(words)


def _changer(reader: Reader) -> Callable[[str], str | None]:
    def change(code: str) -> str | None:
        command = editor_command()
        return change_in_editor(command, code) if command else reader.change(code)

    return change


def _greet(app: AppContext, console: Console) -> None:
    title = Text(f"Multiturn {__version__}", style="bold")
    title.append(f" · {neutralize(app.model)}", style="default")
    title.append(f" · sandbox: {app.sandbox.isolation.value}", style="default")
    console.print(title)
    if app.sandbox.isolation is IsolationLevel.LIMITS_ONLY:
        console.print(
            Text(
                "Programs are NOT isolated: they can read your files and use your network.",
                style="bold yellow",
            )
        )
    hint = better_model_hint(app.model)
    if hint is not None:
        console.print(Text(hint, style="dim"))
    console.print("Describe what the program should do first, then the next step, and so on.")
    console.print(
        Text(
            "Enter sends, Alt-Enter adds a line, /help lists the commands, Ctrl-D leaves.",
            style="dim",
        )
    )
    console.print()
