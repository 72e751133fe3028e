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
from multiturn.apps.cli.doctor import engines, machine, parts
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
            help="Also load the model and generate a few tokens, as with --model.",
        ),
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Check what works on this machine, and how to fix what does not.

    The exit code is 0 if Multiturn can write programs on this machine, else 1.
    """
    console = console_for()
    status = StatusLine(console)
    found = []
    for check in _checks(model, write):
        status.clear()
        found.append(check)
        if not as_json:
            _show(console, check)
            status.show("checking")
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
            console.print(Text("Multiturn can write programs on this machine.", style="bold"))
        else:
            console.print(Text("Fix the items marked ✗ first.", style="bold red"))
    if not works:
        raise typer.Exit(1)


def _checks(model: str | None, write: bool) -> Iterator[Check]:
    yield examine("python", machine.check_python)
    yield examine("machine", machine.check_machine)
    yield examine("disk", machine.check_disk)
    yield examine("settings", parts.check_settings)
    settings = _settings(model)
    yield examine("engine", engines.check_engine)
    yield examine("kernels", engines.check_kernels)
    model_check = examine("model", lambda: parts.check_model(settings))
    yield model_check
    yield examine("sandbox", lambda: parts.check_sandbox(settings))
    yield examine("sessions", parts.check_sessions)
    yield examine("languages", machine.check_languages)
    yield examine("terminal", machine.check_terminal)
    # A named model is tried too, but a check downloads nothing.
    named = model is not None and model_check.state != "fails" and parts.is_here(settings)
    if write or named:
        yield examine("writing", lambda: parts.check_writing(settings))


def _settings(model: str | None) -> Settings:
    """The settings; the defaults if they are invalid, which `check_settings` reports."""
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
