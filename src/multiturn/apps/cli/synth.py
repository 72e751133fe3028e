"""`multiturn synth`: run specification files without interaction."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from multiturn.apps.cli import options
from multiturn.apps.cli.app_context import open_app_context
from multiturn.apps.cli.error_report import INTERRUPTED
from multiturn.apps.cli.interrupts import answering_ctrl_c, stopped_by_ctrl_c
from multiturn.apps.cli.screen import console_for
from multiturn.apps.cli.session_options import with_session_options
from multiturn.apps.cli.session_settings import session_settings
from multiturn.apps.cli.settings import resolve_settings
from multiturn.apps.cli.synth_demo import DEMO_SETTINGS, introduce, say_what_next
from multiturn.apps.cli.synth_report import document, programs_in, write_programs
from multiturn.apps.cli.synth_view import SynthView
from multiturn.core.errors import InputError
from multiturn.synthesis.specification_files import read_specifications
from multiturn.synthesis.specification_runner import (
    SpecificationDone,
    SpecificationResult,
    run_specification,
)

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)


@app.command()
@with_session_options
def synth(
    *,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Specifications: a .yaml, .json or .jsonl file.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE|DIRECTORY",
            help="Write the program to a file (.py, .ipynb, .md or .jsonl), or several to a "
            "directory.",
        ),
    ] = None,
    attempts: Annotated[
        int | None,
        typer.Option(
            "--attempts",
            metavar="COUNT",
            help="Start over with other seeds, up to this often, until the output is as expected.",
        ),
    ] = None,
    case: Annotated[
        int | None, typer.Option("--case", metavar="NUMBER", help="Run only this case, from 1.")
    ] = None,
    quiet: Annotated[
        bool | None,
        typer.Option(
            "--quiet/--show",
            help="Print one line per program, or show the turns too; by default show the turns of "
            "a single program.",
        ),
    ] = None,
    demo: Annotated[
        bool,
        typer.Option("--demo", help="Explain each step, how long it takes, and what to try next."),
    ] = False,
    as_json: options.Json = False,
    flags: dict[str, object],
) -> None:
    """Run a specification file without interaction.

    The model writes the code of each turn; you see the code and the output of the program so
    far. The exit code is 0 if every program printed what its specification expects (or, without
    an expectation, ran without error), else 1.
    """
    if attempts is not None and not 1 <= attempts <= 100:
        raise InputError("--attempts is out of range", got=attempts, allowed="1 to 100")
    resolved = resolve_settings(flags)
    if demo:
        resolved = resolve_settings(
            flags | {k: v for k, v in DEMO_SETTINGS.items() if not resolved.is_set(k)}
        )
        attempts = attempts or 3
    settings = resolved.settings
    specifications = read_specifications(file)
    programs = programs_in(specifications, case, where=str(file))
    quiet = len(programs) > 1 if quiet is None else quiet
    # Standard output holds only the JSON document.
    console = console_for(sys.stderr if as_json else sys.stdout)
    if demo:
        introduce(console, programs[0].specification, settings)
    view = SynthView(console, several=len(programs) > 1, quiet=quiet or as_json)
    results: list[SpecificationResult] = []
    with (
        answering_ctrl_c("the current step is finished"),
        open_app_context(settings, console) as app,
        stopped_by_ctrl_c() as cancel,
    ):
        for program in programs:
            events = run_specification(
                app.synthesizer,
                program.specification,
                case=program.case,
                settings=session_settings(settings),
                attempts=attempts or 1,
                cancel=cancel,
            )
            view.begin(program)
            results += [
                event.result
                for event in view.showing(events)
                if isinstance(event, SpecificationDone)
            ]
            if cancel.is_set():
                break
        loaded = app.engine.info
    if out is not None and results:
        for path in write_programs(out, results, several=len(programs) > 1):
            view.say(f"saved {path}")
    if as_json:
        print(document(file, settings, loaded, results, attempts=attempts or 1))
    elif len(programs) > 1:
        met = sum(result.met for result in results)
        view.say(f"{met} of {len(results)} programs gave the expected output", style="bold")
    if demo and results:
        say_what_next(console, results[-1], file)
    if cancel.is_set():
        raise typer.Exit(INTERRUPTED)
    if not all(result.met for result in results):
        raise typer.Exit(1)
