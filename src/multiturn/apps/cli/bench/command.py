"""`multiturn bench`: run, resume and show benchmarks."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event as Flag
from typing import Annotated, Any

import typer

from multiturn.apps.cli import options
from multiturn.apps.cli.bench import options as bench_options
from multiturn.apps.cli.bench.endings import endings
from multiturn.apps.cli.bench.engines import info_with_hash, open_bench_engine
from multiturn.apps.cli.bench.export import export
from multiturn.apps.cli.bench.figures import run_label
from multiturn.apps.cli.bench.grid import (
    check_names,
    label_of_runs,
    loops_of,
    model_label,
    numbers,
    open_tasks,
    split_named,
    words,
)
from multiturn.apps.cli.bench.perplexity import score
from multiturn.apps.cli.bench.rejudge import rejudge_runs
from multiturn.apps.cli.bench.scoring import refuse_other_options, score_samples
from multiturn.apps.cli.bench.settings import resolve_bench_settings
from multiturn.apps.cli.bench.show import document, show_by, show_runs
from multiturn.apps.cli.bench.variables import variables
from multiturn.apps.cli.bench.view import ProgressView, duration
from multiturn.apps.cli.error_report import INTERRUPTED, say
from multiturn.apps.cli.interrupts import answering_ctrl_c, stopped_by_ctrl_c
from multiturn.apps.cli.pull_progress import pull_display
from multiturn.apps.cli.screen import console_for
from multiturn.apps.cli.settings import Settings, resolve_settings
from multiturn.benchmarks.metrics import BY
from multiturn.benchmarks.runner.config import Selection
from multiturn.benchmarks.runner.grid import Grid
from multiturn.benchmarks.runner.results import find_runs, read_run
from multiturn.benchmarks.runner.run import Concurrency, Invocation, run_specs
from multiturn.benchmarks.runner.shared_generations import SharedGenerations
from multiturn.benchmarks.task import ArmSettings
from multiturn.core.errors import InputError, UnknownNameError
from multiturn.engines.model_name import RemoteModel, read_model_name
from multiturn.sandbox.open import open_sandbox

__all__ = ["app"]

TERMINATED = 128 + signal.SIGTERM
"""The shell's exit code of a process that this signal killed."""

_HELP = {
    "own": "Run this project's multi-turn problems.",
    "bioinformatics": "Run this project's multi-turn problems of bioinformatics.",
    "mtpb": "Run the published Multi-Turn Programming Benchmark.",
    "humaneval": "Run HumanEval.",
    "multipl-e": "Run HumanEval in another language, as MultiPL-E translates it.",
}
_MORE = """

    Each sample is saved as soon as it is finished. After Ctrl-C, a kill or a full disk the same
    command resumes, and the final files are identical to those of an uninterrupted run.
    Repeated options make a grid, with a directory for each combination:
    OUT/BENCHMARK/MODEL/ARM.TRUNCATION.tTEMPERATURE. `multiturn bench show OUT` shows the results.
    """

app = typer.Typer(help="Measure models on multi-turn problems and on HumanEval.")


def _command(benchmark: str) -> Callable[..., None]:
    """Make the command that runs one benchmark."""

    def run(
        call: typer.Context,
        model: bench_options.Models = None,
        language: bench_options.LanguageOption = None,
        arm: bench_options.Arms = None,
        variants: bench_options.LoopVariants = None,
        truncation: bench_options.Truncations = None,
        n: bench_options.Samples = None,
        temperature: bench_options.Temperatures = None,
        top_p: bench_options.TopP = None,
        seed: bench_options.Seed = None,
        cases: bench_options.Cases = None,
        limit: bench_options.Limit = None,
        problem: bench_options.Problems = None,
        split: bench_options.SplitOption = None,
        max_new_tokens: bench_options.MaxNewTokens = None,
        budget: bench_options.Budget = None,
        header: bench_options.Header = None,
        file: bench_options.File = None,
        any_hash: bench_options.AnyHash = False,
        samples: bench_options.SamplesFile = None,
        out: bench_options.Out = Path("runs"),
        fresh: bench_options.Fresh = False,
        in_flight: bench_options.InFlight = None,
        generations: bench_options.Generations = None,
        engine: options.Engine = None,
        context: options.Context = None,
        threads: options.Threads = None,
        cpu_seconds: options.CpuSeconds = None,
        wall_seconds: options.WallSeconds = None,
        memory_mib: options.MemoryMib = None,
        unsafe: options.Unsafe = None,
        as_json: options.Json = False,
    ) -> None:
        names = list(dict.fromkeys(model)) if model else [None]
        settings = resolve_bench_settings(
            {
                "model": names[0],
                "engine": engine,
                "context": context,
                "threads": threads,
                "cpu_seconds": cpu_seconds,
                "wall_seconds": wall_seconds,
                "memory_mib": memory_mib,
                "unsafe": unsafe,
            },
            n=n,
            temperatures=temperature,
            top_p=top_p,
            seed=seed,
            max_new_tokens=max_new_tokens,
            header=header,
        )
        console = console_for(sys.stderr if as_json else sys.stdout)
        if samples is not None:
            refuse_other_options(call)
            settings.show(console, judging=True)
            score_samples(
                benchmark,
                samples,
                language=language,
                file=file,
                any_hash=any_hash,
                fresh=fresh,
                limits=settings.limits,
                unsafe=settings.common.unsafe,
                as_json=as_json,
            )
            return
        models = [
            settings.common if name is None else replace(settings.common, model=name)
            for name in names
        ]
        for each in models:
            read_model_name(each.model)  # fail before another model runs for hours
        _check_apart(models)
        truncations, header_style = check_names(words(truncation or ["published"]), settings.header)
        arm_settings = tuple(
            ArmSettings(
                truncation=name,
                max_new_tokens=settings.max_new_tokens,
                budget=budget,
                header=header_style,
                seed=settings.seed,
            )
            for name in truncations
        )
        selection = Selection(
            cases=cases,
            limit=limit,
            problems=words(problem or []),
            split=split_named(split, benchmark),
        )
        with pull_display() as display:
            tasks = open_tasks(
                benchmark,
                words(arm or []),
                language=language,
                path=file,
                any_hash=any_hash,
                limits=settings.limits,
                progress=display,
            )
        grid = Grid(
            tasks=tasks,
            settings=arm_settings,
            samplings=settings.samplings,
            selection=selection,
            loops=loops_of(variants, tasks),
        )
        settings.show(console)
        _run(
            grid,
            models,
            out,
            fresh=fresh,
            concurrency=Concurrency(in_flight=in_flight),
            generations=generations,
            as_json=as_json,
        )

    run.__doc__ = _HELP[benchmark] + _MORE
    return run


for _name in _HELP:
    app.command(_name)(_command(_name))


@app.command()
def show(
    place: Annotated[Path, typer.Argument(metavar="DIR", help="A run, or a directory of runs.")],
    k: Annotated[
        list[str] | None,
        typer.Option("--k", "-k", metavar="COUNT", help="k of pass@k; separate several by commas."),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by",
            metavar="|".join(BY),
            help="Group the pass rates of each run.",
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Show the results of saved runs.

    The pass rate is the fraction of samples that pass. pass@k is the mean of the unbiased
    estimate over the items; it is undefined if an item has fewer than k samples.
    """
    ks = [_positive_integer(number) for number in numbers(k or ["1,10,100"], "--k")]
    names = words(by or [])
    for name in names:
        if name not in BY:
            raise UnknownNameError("grouping", name, BY)
    runs = [read_run(path) for path in find_runs(place)]
    if as_json:
        print(document(runs, ks, names))
        return
    console = console_for(sys.stdout)
    show_runs(console, runs, ks)
    for run in runs:
        for name in names:
            title = f"{run.config.model} {run_label(run.config)}"
            console.print(f"\n{title} T {run.config.sampling.temperature:g}, by {name}")
            show_by(console, run, name)


@app.command("rejudge")
def rejudge_saved(
    place: Annotated[Path, typer.Argument(metavar="DIR", help="A run, or a directory of runs.")],
    file: bench_options.File = None,
    any_hash: bench_options.AnyHash = False,
    unsafe: options.Unsafe = None,
    as_json: options.Json = False,
) -> None:
    """Judge the programs of saved runs again, and show what changes.

    The oracles of this version judge every saved program; no model is loaded. The new verdicts
    replace the old ones, which move to verdicts.N.jsonl, and run.json records the versions of
    the oracles. After Ctrl-C or a kill the same command resumes.
    """
    rejudge_runs(
        place,
        file=file,
        any_hash=any_hash,
        unsafe=resolve_settings({"unsafe": unsafe}).settings.unsafe,
        as_json=as_json,
    )


app.command("score")(score)
app.command("variables")(variables)
app.command("endings")(endings)
app.command("export")(export)


def _run(
    grid: Grid,
    models: list[Settings],
    out: Path,
    *,
    fresh: bool,
    concurrency: Concurrency,
    generations: Path | None,
    as_json: bool,
) -> None:
    """Run a grid, one model after another."""
    # Standard output holds only the JSON document.
    console = console_for(sys.stderr if as_json else sys.stdout)
    places: list[Path] = []
    stopped = False
    labels: dict[str, str] = {}
    signals = _Stopping()
    with (
        answering_ctrl_c("the current step is finished", acknowledged=lambda: signals.received),
        open_sandbox(unsafe=models[0].unsafe) as sandbox,
    ):
        for settings in models:
            view = ProgressView(console, several=False)
            with (
                open_bench_engine(settings, console) as engine,
                signals.caught(view) as cancel,
                contextlib.ExitStack() as stack,
            ):
                info = info_with_hash(engine, settings.model)
                shared = None
                if generations is not None:
                    shared = stack.enter_context(SharedGenerations(generations, info))
                label = label_of_runs(
                    out, [task.name for task in grid.tasks], read_model_name(settings.model), info
                )
                _check_label(label, settings.model, labels)
                specs = list(grid.specs(out, label, info, sandbox))
                places += [spec.place for spec in specs]
                view.several = len(specs) > 1
                try:
                    invocation = run_specs(
                        specs,
                        engine,
                        sandbox,
                        fresh=fresh,
                        concurrency=concurrency,
                        shared=shared,
                        listen=view,
                        cancel=cancel,
                    )
                finally:
                    view.close()
            console.print(_last_line(label, invocation))
            stopped = invocation.cancelled and not invocation.complete
            if stopped:
                break
    runs = [read_run(place) for place in places]
    if as_json:
        print(document(runs, (1,), ()))
    elif not stopped:
        show_runs(console, runs, (1,))
    if stopped:
        say("stopped; the same command resumes", label=None)
        raise typer.Exit(signals.exit_code)


def _last_line(model: str, invocation: Invocation) -> str:
    line = f"{model}: {invocation.done} of {invocation.total} samples"
    if invocation.new:
        rate = invocation.new / invocation.seconds
        line += f", {invocation.new} new in {duration(invocation.seconds)} ({rate:.3g}/s)"
    if invocation.new and invocation.utilization.waiting_share is not None:
        idle = 100 * invocation.utilization.waiting_share
        line += f"; the engine was idle {idle:.1f} % of the time"
    return line


class _Stopping:
    """Ctrl-C and SIGTERM as one flag; a second Ctrl-C interrupts as usual."""

    def __init__(self) -> None:
        self.exit_code = INTERRUPTED
        self._cancel = Flag()

    @property
    def received(self) -> bool:
        """Whether the current run was asked to stop, and prints its own message."""
        return self._cancel.is_set()

    @contextlib.contextmanager
    def caught(self, view: ProgressView) -> Iterator[Flag]:
        """The flag during generation; before it starts, the signals end the command at once."""
        with stopped_by_ctrl_c(begun=lambda: view.begun) as cancel:
            self._cancel = cancel

            def stop(number: int, frame: Any) -> None:
                del number, frame
                self.exit_code = TERMINATED
                if not view.begun:
                    raise SystemExit(TERMINATED)
                cancel.set()

            before = signal.signal(signal.SIGTERM, stop)
            try:
                yield cancel
            finally:
                signal.signal(signal.SIGTERM, before)


def _check_apart(models: list[Settings]) -> None:
    """Refuse models whose runs would share a directory."""
    labels: dict[str, str] = {}
    for settings in models:
        name = read_model_name(settings.model)
        if not isinstance(name, RemoteModel) or "#" in name.address:  # else ask the server
            _check_label(model_label(name), settings.model, labels)


def _check_label(label: str, model: str, labels: dict[str, str]) -> None:
    if label in labels:
        raise InputError(
            f"two models have the same label {label}",
            got=f"{labels[label]} and {model}",
            fix="run them with a different --out",
        )
    labels[label] = model


def _positive_integer(number: float) -> int:
    if number < 1 or number != int(number):
        raise InputError("--k is out of range", got=number, allowed="whole numbers from 1")
    return int(number)
