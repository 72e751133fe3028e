"""`multiturn models`: what models there are, and fetching and deleting them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from multiturn.apps.cli.plan_view import show_plan
from multiturn.core.records import to_plain
from multiturn.hub.progress import human_size
from multiturn.hub.pull import ModelState, model_state, pull
from multiturn.hub.registry import DEFAULT_MODEL, REGISTRY, ModelEntry, find_model
from multiturn.hub.store import FileState, ModelStore

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["app"]

app = typer.Typer(help="The models that can be pulled by name, and what is on this machine.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Name = Annotated[str, typer.Argument(help="A name that `multiturn models` lists.")]

_HERE = {
    FileState.VERIFIED: "yes",
    FileState.UNCHECKED: "not checked",
    FileState.DAMAGED: "damaged",
}


@app.callback(invoke_without_command=True)
def models(context: typer.Context, as_json: Json = False) -> None:
    """List the models: name, size, licence, where from, whether present."""
    if context.invoked_subcommand is None:
        list_models(as_json)


@app.command("list")
def list_models(as_json: Json = False) -> None:
    """List the models: name, size, licence, where from, whether present."""
    # rich takes a moment to import, and `--help` must not wait for it.
    from rich.console import Console

    states = {name: model_state(entry) for name, entry in REGISTRY.items()}
    if as_json:
        print(json.dumps([_described(REGISTRY[name], states[name]) for name in REGISTRY], indent=1))
        return
    console = Console()
    console.print(_table(states))
    console.print(f"* the default. Kept in {ModelStore.of_user().root}", highlight=False)


@app.command("show")
def show_model(
    name: Name,
    plan: Annotated[
        bool, typer.Option("--plan", help="Its arrays, and the memory it needs for each dtype.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show all that is known about one model."""
    if plan:
        show_plan(name, as_json=as_json)
        return
    entry = find_model(name)
    described = _described(entry, model_state(entry))
    if as_json:
        print(json.dumps(described, indent=1))
        return
    width = max(map(len, described))
    for key, value in described.items():
        lines = value if isinstance(value, list) else [value]
        for index, line in enumerate(lines):
            print(f"{key if index == 0 else '':{width}}  {'-' if line is None else line}")


@app.command("pull")
def pull_model(
    name: Name = DEFAULT_MODEL,
    force: Annotated[
        bool, typer.Option("--force", help="Fetch it even if it is here and right.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read the file again and compare its hash.")
    ] = False,
) -> None:
    """Fetch a model, or the rest of one, and check it."""
    from multiturn.apps.cli.pull_progress import pull_display

    with pull_display() as display:
        path = pull(name, progress=display, force=force, verify=verify)
    print(path)


@app.command("remove")
def remove_model(name: Name) -> None:
    """Delete a model from this machine, and what is left of a broken pull of it."""
    find_model(name)
    freed = ModelStore.of_user().remove(name)
    print(f"removed {name}, {human_size(freed)} freed")


def _described(entry: ModelEntry, state: ModelState) -> dict[str, object]:
    return {
        "name": entry.name,
        "default": entry.name == DEFAULT_MODEL,
        "description": entry.description,
        "licence": entry.licence,
        "bytes": entry.bytes,
        "sha256": entry.sha256,
        "sources": [origin.label for origin in entry.origins],
        "state": to_plain(state.state),
        "path": str(state.path),
        "bytes_here": state.bytes_here,
    }


def _table(states: dict[str, ModelState]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("name", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("licence", no_wrap=True)
    table.add_column("where from")
    table.add_column("present", no_wrap=True)
    for name, state in states.items():
        entry = REGISTRY[name]
        table.add_row(
            f"{name} *" if name == DEFAULT_MODEL else name,
            human_size(entry.bytes) if entry.bytes is not None else "-",
            entry.licence,
            ", else ".join(origin.kind for origin in entry.origins),
            _presence(state),
        )
    return table


def _presence(state: ModelState) -> str:
    if state.state is FileState.ABSENT:
        return f"{human_size(state.bytes_here)} of it" if state.bytes_here else "no"
    return _HERE[state.state]
