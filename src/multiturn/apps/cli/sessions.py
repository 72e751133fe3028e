"""`multiturn sessions`: list, show, export and delete saved sessions."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from multiturn import __version__
from multiturn.apps.cli import options
from multiturn.apps.cli.screen import console_for, show_code
from multiturn.apps.cli.terminal import neutralize, one_line
from multiturn.apps.cli.turn_view import show_tree, show_turn
from multiturn.core.app_dirs import app_dirs
from multiturn.core.errors import InputError
from multiturn.core.records import to_plain
from multiturn.synthesis.export import export_session
from multiturn.synthesis.records import Session
from multiturn.synthesis.session_file import SCHEMA, session_document
from multiturn.synthesis.store import SessionStore, move_aside

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None, help="List, show, export and delete saved sessions.")

Name = Annotated[
    str, typer.Argument(metavar="SESSION", help="A session's id, a prefix of it, or its name.")
]


@app.callback(invoke_without_command=True)
def sessions(ctx: typer.Context) -> None:
    """List, show, export and delete saved sessions. Without a subcommand, list them."""
    if ctx.invoked_subcommand is None:
        list_sessions()


@app.command("list")
def list_sessions(as_json: options.Json = False) -> None:
    """List all sessions, the most recently used first."""
    with SessionStore() as store:
        summaries = store.list()
    if as_json:
        rows = [to_plain(summary) for summary in summaries]
        print(json.dumps({"schema": SCHEMA, "version": __version__, "sessions": rows}, indent=2))
        return
    console = console_for()
    if not summaries:
        console.print("No sessions yet. Start one with: multiturn")
        return
    for summary in summaries:
        line = Text(f"{summary.id:10}  ", style="cyan")
        line.append(f"{summary.updated_at[:16].replace('T', ' ')}  ", style="default")
        line.append(
            f"{summary.turns:3} turns  {one_line(summary.name, max_length=24):24}  ", "default"
        )
        line.append(one_line(summary.last_prompt or "-", max_length=60), style="dim")
        console.print(line)


@app.command()
def show(
    name: Name,
    tree: Annotated[bool, typer.Option("--tree", help="Show all turns as a tree.")] = False,
    code: Annotated[bool, typer.Option("--code", help="Show only the program.")] = False,
    as_json: options.Json = False,
) -> None:
    """Show a session: its turns, their code and the program's output."""
    session = _find(name)
    console = console_for()
    if as_json:
        print(json.dumps(session_document(session), indent=2))
    elif tree:
        show_tree(console, session)
    elif code and not sys.stdout.isatty():
        print(session.program(), end="")
    elif code:
        show_code(console, session.program(), session.language.key)
    else:
        title = Text(f"{neutralize(session.name)} ", style="bold")
        title.append(f"{session.id}, {neutralize(session.model)}, {session.style}", style="dim")
        console.print(title)
        before = ""
        for turn in session.path():
            show_turn(console, session, turn, before=before)
            before = turn.choice.run.stdout if turn.choice.run else ""


@app.command()
def export(
    name: Name,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A file name that ends in .py, .ipynb, .md or .jsonl."),
    ],
) -> None:
    """Write a session's program to a file. The suffix chooses the format."""
    export_session(_find(name), file)
    print(f"saved {neutralize(str(file))}", file=sys.stderr)


@app.command()
def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Delete a session and all its turns."""
    with SessionStore() as store:
        session = store.find(name)
        what = f"{neutralize(session.name)} ({session.id}, {len(session.turns)} turns)"
        if not yes:
            if not sys.stdin.isatty():
                raise InputError(f"deleting {what} needs confirmation", fix="add --yes")
            typer.confirm(f"Delete {what}?", abort=True)
        store.delete(session.id)
    print(f"deleted {what}", file=sys.stderr)


@app.command()
def check() -> None:
    """Check the integrity of the session store."""
    with SessionStore() as store:
        store.check()
        count = len(store.list())
    print(f"{neutralize(str(app_dirs().sessions))} is intact: {count} sessions")


@app.command("move-aside")
def move_store_aside() -> None:
    """Rename a store that cannot be read, to start with a new one. Deletes nothing."""
    path = app_dirs().sessions
    if not path.exists():
        raise InputError("there is no session store", got=str(path))
    print(f"moved to {neutralize(str(move_aside(path)))}")


def _find(name: str) -> Session:
    with SessionStore() as store:
        return store.find(name)
