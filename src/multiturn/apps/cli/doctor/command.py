"""`multiturn doctor`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from multiturn import __version__
from multiturn.apps.cli import options
from multiturn.apps.cli.doctor import machine, parts
from multiturn.apps.cli.doctor.check import Check, examine
from multiturn.apps.cli.screen import StatusLine, console_for
from multiturn.apps.cli.settings import Settings, resolve_settings
from multiturn.apps.cli.terminal import neutralize
from multiturn.core.errors import MultiturnError
from multiturn.core.records import to_plain

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)

SCHEMA = "multiturn.doctor/1"

_SIGNS = {"works": ("✓", "green"), "note": ("!", "yellow"), "fails": ("✗", "red")}


@app.command()
def doctor(
    model: options.Model = None,
    write: Annotated[
        bool,
        typer.Option(
            "--write",
            help="Also load the model and let it write a little, as with --model.",
        ),
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Say what works on this machine, what does not, and how to mend it.

    The exit code is 0 if programs can be written here, else 1.
    """
    console = console_for()
    status = StatusLine(console)
    found = []
    for check in _checks(model, write):
        status.clear()
        found.append(check)
        if not as_json:
            _show(console, check)
            status.show("looking further")
    status.clear()
    works = all(check.state != "fails" for check in found)
    if as_json:
        document = {
            "schema": SCHEMA,
            "version": __version__,
            "works": works,
            "checks": [to_plain(check) for check in found],
        }
        print(json.dumps(document, indent=2))
    else:
        console.print()
        if works:
            console.print(Text("Programs can be written on this machine.", style="bold"))
        else:
            console.print(Text("Mend what is marked ✗ first.", style="bold red"))
    if not works:
        raise typer.Exit(1)


def _checks(model: str | None, write: bool) -> Iterator[Check]:
    yield examine("python", machine.check_python)
    yield examine("machine", machine.check_machine)
    yield examine("disk", machine.check_disk)
    yield examine("settings", parts.check_settings)
    settings = _settings(model)
    yield examine("engine", parts.check_engine)
    yield examine("batches", parts.check_kernels)
    looked_at = examine("model", lambda: parts.check_model(settings))
    yield looked_at
    yield examine("sandbox", lambda: parts.check_sandbox(settings))
    yield examine("sessions", parts.check_sessions)
    yield examine("languages", machine.check_languages)
    yield examine("terminal", machine.check_terminal)
    # Who names a model wants to know of that one; but a check fetches nothing.
    named = model is not None and looked_at.state != "fails" and parts.is_here(settings)
    if write or named:
        yield examine("writing", lambda: parts.check_writing(settings))


def _settings(model: str | None) -> Settings:
    """The settings; where they are broken, which has been told, the defaults."""
    try:
        return resolve_settings({"model": model}).settings
    except MultiturnError:
        return Settings(model=model) if model else Settings()


def _show(console: Console, check: Check) -> None:
    sign, colour = _SIGNS[check.state]
    line = Text(f"{sign} ", style=f"bold {colour}").append(f"{check.name:10} ", style="bold")
    console.print(line.append(neutralize(check.found), style="default"))
    for detail in check.details:
        console.print(Text(f"{'':13}{neutralize(detail)}", style="dim"))
    if check.fix:
        console.print(Text(f"{'':13}fix: {neutralize(check.fix)}", style=colour))
