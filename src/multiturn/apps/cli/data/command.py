"""`multiturn data`: build and inspect corpora."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from multiturn.apps.cli.command_line import command_line
from multiturn.apps.cli.data.queries import bigquery
from multiturn.apps.cli.data.records import records
from multiturn.apps.cli.data.trace import trace
from multiturn.apps.cli.extras import require_extra
from multiturn.apps.cli.interrupts import answering_ctrl_c
from multiturn.apps.cli.terminal import neutralize, one_line
from multiturn.core.bundled_recipes import find_recipe
from multiturn.core.errors import InputError, StoreError, storage_errors
from multiturn.core.files import write_atomically
from multiturn.hub.progress import human_size

if TYPE_CHECKING:
    from multiturn.data.build.statistics import Statistics

__all__ = ["app"]

app = typer.Typer(help="Build a corpus from a recipe, and inspect it.")
app.command("bigquery")(bigquery)
app.command("trace")(trace)
app.command("records")(records)

Corpus = Annotated[Path, typer.Argument(help="The directory that `build` wrote.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def data() -> None:
    """Build a corpus from a recipe, and inspect it."""


@app.command("build")
def build_corpus(
    recipe: Annotated[
        str,
        typer.Argument(
            help="A Python file that defines `recipe`, or the name of a bundled recipe."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="The output directory (default: corpora/NAME).")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", help="Number of processes (default: one per core).")
    ] = None,
    keep_drops: Annotated[
        bool, typer.Option("--keep-drops", help="Record each dropped document with the reason.")
    ] = False,
    downloads: Annotated[
        Path | None,
        typer.Option("--downloads", help="Cache of downloaded files, shared by builds."),
    ] = None,
) -> None:
    """Build a corpus, or resume an interrupted build."""
    with require_extra("data", purpose="building a corpus"):
        from multiturn.apps.cli.data.build_progress import build_display
        from multiturn.data.api import build_corpus as build
        from multiturn.data.recipe import load_recipe
    loaded = load_recipe(find_recipe(recipe, "data"))
    folder = out or Path("corpora") / loaded.name
    with (
        answering_ctrl_c("the current tasks are finished"),
        require_extra("data", purpose="building a corpus"),
        build_display() as display,
    ):
        counts = build(
            loaded,
            folder,
            workers=workers,
            downloads=downloads,
            keep_drops=keep_drops,
            progress=display,
        )
    size = f"{counts.documents.total()} documents, {human_size(counts.bytes.total())}"
    print(f"{folder}: {size}; for details: {command_line('data', 'stats', str(folder))}")
    if next_step := _training(folder, loaded.name):
        print(f"train on it: {next_step}")


def _training(folder: Path, name: str) -> str | None:
    """The command that trains a small model on the corpus; None if it is not packed."""
    from multiturn.data.loader.corpus import PackedCorpus

    try:
        manifest = PackedCorpus(folder / "packed").manifest
    except StoreError:
        return None
    return command_line(
        *("train", "micro", f"out=runs/{name}", "data.kind=packed", f"data.path={folder}/packed"),
        *(f"batch.length={manifest.length}", f"model.context={max(manifest.length, 256)}"),
        f"model.vocab_size={manifest.vocab_size}",
    )


@app.command("stats")
def show_statistics(
    corpus: Corpus,
    as_json: Json = False,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write an HTML page with plots to this file.")
    ] = None,
) -> None:
    """Show what a corpus contains, and what was dropped for which reason."""
    from multiturn.data.build.statistics import read_statistics
    from multiturn.data.build.statistics_page import statistics_page

    statistics = read_statistics(corpus)
    if html is not None:
        with storage_errors(html, "writing the page"):
            html.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(html, statistics_page(statistics))
        print(html)
    elif as_json:
        print(json.dumps(_plain(statistics), indent=1))
    else:
        _print_tables(statistics)


@app.command("show")
def show_documents(
    corpus: Corpus,
    identifier: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="The id of one document, to print it in full."),
    ] = None,
    language: Annotated[
        str | None, typer.Option("--language", help="Only documents in this language.")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", help="Only sources with this prefix.")
    ] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="Maximum number of documents.")] = 20,
    stage: Annotated[
        str | None,
        typer.Option("--stage", help="The documents after this stage (default: the last)."),
    ] = None,
    dropped: Annotated[
        bool, typer.Option("--dropped", help="Show the dropped documents (see --keep-drops).")
    ] = False,
) -> None:
    """List documents with their source, licence and language; or print one in full."""
    with require_extra("data", purpose="reading a corpus"):
        from multiturn.data.build.query import DocumentQuery, find_documents, find_drops
    query = DocumentQuery(identifier=identifier, language=language, source=source)
    shown = 0
    if dropped:
        for row in find_drops(corpus, query):
            why = one_line(f"{row['step']}: {row['reason']} {row['detail']}", max_length=100)
            print(f"{one_line(row['id'], max_length=200)}  {why}")
            if identifier is not None:
                print(neutralize(row["text"]))
            shown += 1
            if shown >= count:
                return
    else:
        for document in find_documents(corpus, query, stage=stage):
            about = [
                document.language or "-",
                document.licence or "-",
                f"{len(document.content)} bytes",
            ]
            print(f"{one_line(document.id, max_length=200)}  {'  '.join(about)}")
            if identifier is not None:
                print(neutralize(document.text), end="")
            shown += 1
            if shown >= count:
                return
    if not shown:
        raise InputError(
            "no such document",
            got=identifier,
            fix="leave out --language, --source and the id to list all documents",
        )


@app.command("verify")
def verify_corpus(corpus: Corpus) -> None:
    """Check the hash of every file of a corpus."""
    from multiturn.data.build.statistics import verify

    checked, faults = verify(corpus)
    if faults:
        for fault in faults:
            print(f"{fault.path}: {fault.fault}")
        raise StoreError(
            f"{len(faults)} of {checked} files of the corpus are wrong",
            got=str(corpus),
            fix="delete them and run `multiturn data build` again, which rebuilds only them",
        )
    print(f"{corpus}: {checked} files, all intact")


def _plain(statistics: Statistics) -> dict[str, object]:
    return {
        "recipe": statistics.recipe,
        "stages": [name for name, _ in statistics.stages],
        "documents": statistics.final.documents.total(),
        "bytes": statistics.final.bytes.total(),
        "tables": {
            table.title: [
                {"name": name, **dict(zip(table.columns, numbers, strict=True))}
                for name, numbers in table.rows
            ]
            for table in statistics.tables()
        },
    }


def _print_tables(statistics: Statistics) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for table in statistics.tables():
        if not table.rows:
            continue
        grid = Table(
            title=table.title, title_justify="left", box=None, pad_edge=False, header_style="bold"
        )
        grid.add_column("")
        for column in table.columns:
            grid.add_column(column, justify="right", no_wrap=True)
        for name, numbers in table.rows[:40]:
            grid.add_row(one_line(name, max_length=70), *(f"{number:,}" for number in numbers))
        console.print(grid, markup=False, highlight=False)
        if len(table.rows) > 40:
            console.print(f"and {len(table.rows) - 40} more (--json has all)")
        console.print()
