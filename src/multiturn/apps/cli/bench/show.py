"""Saved runs as tables, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from multiturn.apps.cli.bench.figures import (
    RunFigures,
    best_of,
    figures_of,
    percent,
    run_label,
    table_by,
)
from multiturn.benchmarks.metrics import Count
from multiturn.benchmarks.runner.config import RunConfig
from multiturn.benchmarks.runner.results import SavedRun
from multiturn.core.records import to_plain

if TYPE_CHECKING:
    from multiturn.report.statistics.clusters import Interval

__all__ = ["SCHEMA", "document", "scores_document", "show_by", "show_runs", "show_scores"]

SCHEMA = "multiturn.bench-figures/1"
SCORES_SCHEMA = "multiturn.bench-scores/1"


def show_runs(console: Console, runs: Sequence[SavedRun], ks: Sequence[int]) -> None:
    """Print a line for each run and oracle, then the best temperature for each k."""
    table = _figures_table("run", ks)
    lost = 0
    for run in runs:
        figures, config = figures_of(run, ks), run.config
        lost += figures.out_of_window
        name = f"{config.task} {config.model} {run_label(config)} T {config.sampling.temperature:g}"
        _add_rows(table, name, _samples(run), figures)
    _print(console, table)
    if lost:
        console.print(f"{lost} samples outgrew the context window and were cut there")
    _show_best(console, runs, ks)


def show_scores(console: Console, name: str, figures: RunFigures, ks: Sequence[int]) -> None:
    """Print the results of samples from another program."""
    table = _figures_table("samples of", ks)
    samples = max(count.samples for count in figures.counts.values())
    _add_rows(table, name, str(samples), figures)
    _print(console, table)


def show_by(console: Console, run: SavedRun, by: str) -> None:
    """Print the pass rates of one run by a property of the items."""
    oracles = run.config.oracles
    columns = {oracle: table_by(run, oracle, by) for oracle in oracles}
    table = _table(by, "samples", *oracles)
    for key, count in columns[oracles[0]].items():
        name = "-" if key is None else str(key)
        rates = (_rate(columns[oracle][key]) for oracle in oracles)
        table.add_row(name, str(count.samples), *rates)
    _print(console, table)


def document(runs: Sequence[SavedRun], ks: Sequence[int], by: Sequence[str]) -> str:
    """The results as JSON."""
    return json.dumps(
        {"schema": SCHEMA, "runs": [_described(run, ks, by) for run in runs]}, indent=2
    )


def scores_document(about: Mapping[str, object], figures: RunFigures, results: Path) -> str:
    """The results of another program's samples as JSON, with what they depend on."""
    return json.dumps(
        {
            "schema": SCORES_SCHEMA,
            **about,
            "results": str(results),
            "oracles": {
                oracle: {**_counted(count), "pass_at_k": _at_k(figures, oracle)}
                for oracle, count in figures.counts.items()
            },
        },
        indent=2,
    )


def _described(run: SavedRun, ks: Sequence[int], by: Sequence[str]) -> Mapping[str, object]:
    figures = figures_of(run, ks)
    return {
        "path": str(run.path),
        "config": to_plain(run.config),
        "samples": len(run.samples),
        "expected": run.expected,
        "complete": run.complete,
        "out_of_window": figures.out_of_window,
        "new_tokens_per_sample": None if figures.costs is None else figures.costs.new_tokens,
        "seconds_per_sample": None if figures.costs is None else figures.costs.seconds,
        "oracles": {
            oracle: {
                **_counted(figures.counts[oracle]),
                "interval": to_plain(figures.intervals[oracle]),
                "pass_at_k": _at_k(figures, oracle),
                "by": {
                    name: {
                        str(key): _counted(count)
                        for key, count in table_by(run, oracle, name).items()
                    }
                    for name in by
                },
            }
            for oracle in run.config.oracles
        },
    }


def _counted(count: Count) -> dict[str, object]:
    return {"samples": count.samples, "passed": count.passed, "pass_rate": count.rate}


def _at_k(figures: RunFigures, oracle: str) -> dict[str, float | None]:
    return {str(k): value for k, value in figures.pass_at_k[oracle].items()}


def _show_best(console: Console, runs: Sequence[SavedRun], ks: Sequence[int]) -> None:
    """Print the best temperature for each k, for runs that differ only in temperature."""
    groups: dict[str, list[SavedRun]] = {}
    for run in runs:
        groups.setdefault(_but_temperature(run.config), []).append(run)
    for group in groups.values():
        temperatures = {run.config.sampling.temperature for run in group if run.complete}
        if len(temperatures) < 2:
            continue
        config = group[0].config
        oracle = config.oracles[0]
        best = best_of(group, oracle, ks)
        text = ", ".join(
            f"pass@{k} {percent(found.value)} at T {found.temperature:g}"
            for k, found in best.items()
            if found is not None
        )
        if text:
            console.print(
                f"best of {len(temperatures)} temperatures, {config.model} "
                f"{run_label(config)}, {oracle}: {text}"
            )


def _but_temperature(config: RunConfig) -> str:
    same = replace(config, sampling=replace(config.sampling, temperature=0.5))
    return json.dumps(to_plain(same), sort_keys=True)


def _samples(run: SavedRun) -> str:
    return str(run.expected) if run.complete else f"{len(run.samples)} of {run.expected}"


def _rate(count: Count) -> str:
    return f"{percent(count.rate)} ({count.passed})"


def _ends(interval: Interval | None) -> str:
    if interval is None or interval.low is None or interval.high is None:
        return "-"
    return f"{100 * interval.low:.1f} to {100 * interval.high:.1f}"


def _mean(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    numeric = {"samples", "pass rate", "tokens", "seconds"}
    for column in columns:
        table.add_column(column, justify="right" if column in numeric else "left", no_wrap=True)
    return table


def _figures_table(first: str, ks: Sequence[int]) -> Table:
    table = _table(first, "samples", "oracle", "pass rate", "95 %", "tokens", "seconds")
    table.columns[0].no_wrap = False  # wraps on a narrow terminal
    for k in ks:
        table.add_column(f"pass@{k}", justify="right", no_wrap=True)
    return table


def _add_rows(table: Table, name: str, samples: str, figures: RunFigures) -> None:
    """Add a row for each oracle; only the first has the name and the costs."""
    costs = figures.costs
    tokens = _mean(None if costs is None else costs.new_tokens, ".0f")
    seconds = _mean(None if costs is None else costs.seconds, ".3g")
    for oracle, count in figures.counts.items():
        at_k = (percent(value) for value in figures.pass_at_k[oracle].values())
        interval = _ends(figures.intervals[oracle])
        table.add_row(name, samples, oracle, _rate(count), interval, tokens, seconds, *at_k)
        name = samples = tokens = seconds = ""


def _print(console: Console, table: Table) -> None:
    if not console.is_terminal:
        console.width = 200  # do not cut lines in a file
    console.print(table)
