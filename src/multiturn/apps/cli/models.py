"""`multiturn models`: list, download and delete models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from multiturn.apps.cli.better_model import best_model_line
from multiturn.apps.cli.error_report import say
from multiturn.apps.cli.export import new_export
from multiturn.apps.cli.plan_view import show_plan
from multiturn.apps.cli.status_line import working
from multiturn.core.errors import InputError, storage_errors
from multiturn.core.files import write_atomically
from multiturn.core.records import to_plain
from multiturn.hub.downloads import ModelState, model_state, pull
from multiturn.hub.fitting import memory_needed
from multiturn.hub.progress import human_size
from multiturn.hub.registry import DEFAULT_MODEL, REGISTRY, ModelEntry, find_model
from multiturn.hub.store import FileState, ModelStore
from multiturn.hub.trained import keep_trained

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["app"]

app = typer.Typer(help="List, pull, build and remove models.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(help="A name from `multiturn models`.")]

_HERE = {
    FileState.VERIFIED: "yes",
    FileState.UNCHECKED: "not checked",
    FileState.DAMAGED: "damaged",
}


@app.callback(invoke_without_command=True)
def models(context: typer.Context, as_json: Json = False) -> None:
    """List the models: name, size, licence, source, and whether present."""
    if context.invoked_subcommand is None:
        list_models(as_json)


@app.command("list")
def list_models(as_json: Json = False) -> None:
    """List the models: name, size, licence, source, and whether present."""
    # Importing rich is slow, and `--help` must be fast.
    from rich.console import Console

    states = {name: model_state(entry) for name, entry in REGISTRY.items()}
    if as_json:
        print(json.dumps([_described(REGISTRY[name], states[name]) for name in REGISTRY], indent=1))
        return
    console = Console()
    console.print(_table(states))
    console.print(
        f"* the default. Models are stored in {ModelStore.of_user().root}", highlight=False
    )
    console.print(best_model_line(), highlight=False)


@app.command("show")
def show_model(
    name: Name,
    plan: Annotated[
        bool, typer.Option("--plan", help="Show its arrays, and its memory in each dtype.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show the details of one model."""
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
        bool, typer.Option("--force", help="Download it again, even if it is here and valid.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read the file again and check its hash.")
    ] = False,
) -> None:
    """Download a model, or resume a download, and check its hash."""
    from multiturn.apps.cli.pull_progress import pull_display

    with pull_display() as display:
        path = pull(name, progress=display, force=force, verify=verify)
    print(path)


@app.command("build")
def build_model(name: Name) -> None:
    """Train a model of this project's own family on this machine, and put it with the others.

    Corpora and runs are made in ./corpora and ./runs. The same command continues what was stopped,
    or killed, at any moment.
    """
    entry = find_model(name)
    if entry.trained is None:
        raise InputError(
            "only models of this project's own family are trained here",
            got=name,
            allowed=", ".join(each.name for each in REGISTRY.values() if each.trained),
            fix=f"multiturn models pull {name}",
        )
    # Importing JAX is slow, and `--help` must be fast.
    from multiturn.apps.cli.train.chain import train_chain

    run = train_chain(entry.trained.chain, until=entry.trained.stage).directory
    from multiturn.jaxformer.lora.export import export_run, gguf_file

    out = new_export(run, "gguf")
    with working(f"exporting and checking {run}"):
        export_run(run, out, "gguf", dtype="float16")
    file = gguf_file(run, out)
    if entry.installed is None:
        file = keep_trained(
            entry,
            file,
            ModelStore.of_user(),
            on_wait=lambda: say("another process uses the model; waiting", label=None),
        )
    else:
        say(f"{name} is the file that is installed with multiturn; this is yours", label=None)
    print(file)


@app.command("remove")
def remove_model(name: Name) -> None:
    """Delete a model from this machine, together with an interrupted download of it."""
    if find_model(name).installed is not None:
        raise InputError("the model is a part of multiturn and cannot be removed", got=name)
    freed = ModelStore.of_user().remove(name)
    print(f"removed {name}, {human_size(freed)} freed")


@app.command("tokenizer")
def write_tokenizer(
    model: Annotated[str, typer.Argument(help="A model's name, a GGUF file or a directory.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The directory to write.")],
) -> None:
    """Write a model's tokenizer as a directory, to pack a corpus for that model with it."""
    from multiturn.hub.resolve_model import model_tokenizer, resolve_model

    tokenizer = model_tokenizer(resolve_model(model))
    with storage_errors(out, "writing the tokenizer"):
        out.mkdir(parents=True, exist_ok=True)
    ends = list(tokenizer.end_of_text)
    if tokenizer.document_end is not None:
        ends = [tokenizer.document_end, *(end for end in ends if end != tokenizer.document_end)]
    write_atomically(out / "config.json", json.dumps({"eos_token_id": ends}) + "\n")
    tokenizer.save(out)
    print(out)


def _described(entry: ModelEntry, state: ModelState) -> dict[str, object]:
    return {
        "name": entry.name,
        "default": entry.name == DEFAULT_MODEL,
        "description": entry.description,
        "licence": entry.licence,
        "bytes": entry.bytes,
        "approximate_bytes": entry.approximate_bytes,
        "memory_needed": memory_needed(entry),
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
    table.add_column("source")
    table.add_column("present", no_wrap=True)
    for name, state in states.items():
        entry = REGISTRY[name]
        table.add_row(
            f"{name} *" if name == DEFAULT_MODEL else name,
            _size(entry),
            entry.licence,
            entry.installed.kind
            if entry.installed
            else ", else ".join(origin.kind for origin in entry.origins),
            _presence(state),
        )
    return table


def _size(entry: ModelEntry) -> str:
    if entry.expected_bytes is None:
        return "-"
    return ("" if entry.bytes is not None else "~") + human_size(entry.expected_bytes)


def _presence(state: ModelState) -> str:
    if state.state is FileState.ABSENT:
        return f"{human_size(state.bytes_here)} so far" if state.bytes_here else "no"
    return _HERE[state.state]
