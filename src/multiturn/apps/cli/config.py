"""`multiturn config`: every setting, its value, and where it comes from."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated

import typer

from multiturn.apps.cli.settings import resolve_settings
from multiturn.apps.cli.terminal import neutralize
from multiturn.core.app_dirs import app_dirs

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)


@app.command()
def config(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show every setting and where it comes from.

    A setting is taken from the command line, else from its environment variable, else from
    config.toml, else it has its default.
    """
    resolved = resolve_settings()
    where = app_dirs()
    rows = {
        name: {"value": value, "from": resolved.origins[name].text}
        for name, value in dataclasses.asdict(resolved.settings).items()
    }
    kept = {
        "settings": where.settings,
        "sessions": where.sessions,
        "models": where.models,
        "history": where.history,
    }
    if as_json:
        files = {name: str(path) for name, path in kept.items()}
        print(json.dumps({"settings": rows, "files": files}, indent=2))
        return
    for name, row in rows.items():
        value = "-" if row["value"] is None else json.dumps(row["value"])
        print(f"{name:13} {neutralize(value):28} {neutralize(str(row['from']))}")
    print(f"\nChange one for good in {neutralize(str(where.settings))}, as `name = value`;")
    print("for a shell with MULTITURN_NAME=value; for one command with --name value.\n")
    for name, path in kept.items():
        there = "" if path.exists() else "  (not made yet)"
        print(f"{name:13} {neutralize(str(path))}{there}")
