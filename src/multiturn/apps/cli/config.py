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

    A setting comes from the command line, else from its environment variable, else from
    config.toml, else from its default.
    """
    resolved = resolve_settings()
    where = app_dirs()
    config_file = neutralize(str(where.settings))
    rows = {
        name: {"value": value, "from": resolved.origins[name].text}
        for name, value in dataclasses.asdict(resolved.settings).items()
    }
    paths = {
        "settings": where.settings,
        "sessions": where.sessions,
        "models": where.models,
        "history": where.history,
    }
    if as_json:
        files = {name: str(path) for name, path in paths.items()}
        print(json.dumps({"settings": rows, "files": files}, indent=2))
        return
    for name, row in rows.items():
        value = "-" if row["value"] is None else json.dumps(row["value"])
        print(f"{name:13} {neutralize(value):28} {neutralize(str(row['from']))}")
    print(f"\nTo change a setting for good, write `name = value` in {config_file};")
    print("for a shell, set MULTITURN_NAME=value; for one command, use --name value.\n")
    for name, path in paths.items():
        there = "" if path.exists() else "  (does not exist yet)"
        print(f"{name:13} {neutralize(str(path))}{there}")
