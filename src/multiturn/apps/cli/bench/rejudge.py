"""`multiturn bench rejudge`: judge saved programs again, and show what changes."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from multiturn.apps.cli.bench.saved_runs import task_of_run
from multiturn.apps.cli.error_report import INTERRUPTED, say
from multiturn.apps.cli.screen import console_for
from multiturn.benchmarks.runner.rejudge import PassCounts, RejudgeReport, rejudge
from multiturn.benchmarks.runner.results import find_runs, read_run
from multiturn.core.records import to_plain
from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.oracles.verdicts import Verdict

__all__ = ["SCHEMA", "rejudge_runs"]

SCHEMA = "multiturn.bench-rejudged/1"
MAX_LISTED = 20
"""The most changed samples to list per run."""


def rejudge_runs(
    place: Path, *, file: Path | None, any_hash: bool, unsafe: bool, as_json: bool
) -> None:
    """Judge the runs in a directory again, and print what changed.

    Args:
        place: a run, or a directory of runs.
        file: a problem file, in place of the published one.
        any_hash: accept that file even if it is not the published one.
        unsafe: run programs with limits only if they cannot be isolated.
        as_json: print one JSON document.

    Raises:
        MultiturnError: a run is broken or belongs to other problems; the sandbox failed.
        typer.Exit: the user stopped it.
    """
    console = console_for(sys.stderr if as_json else sys.stdout)
    found = []
    try:
        with open_sandbox(unsafe=unsafe) as sandbox:
            for path in find_runs(place):
                config = read_run(path).config
                task = task_of_run(config, file, any_hash=any_hash)
                with console.status(f"judging {path}") as status:

                    def tell(done: int, total: int, path: Path = path) -> None:
                        status.update(f"judging {path}: {done} of {total}")

                    found.append(rejudge(path, task, sandbox, listen=tell))
                if not as_json:
                    _show(console, found[-1])
    except KeyboardInterrupt:
        say("stopped; the same command resumes", label=None)
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        print(_document(found))
    elif len(found) > 1:
        console.print(_sum_of(found))


def _show(console: Console, found: RejudgeReport) -> None:
    versions = ", ".join(
        f"{oracle} {before} to {found.versions_after[oracle]}"
        for oracle, before in found.versions_before.items()
    )
    console.print(f"{found.path}: {found.samples} samples, {versions}", highlight=False)
    if not found.changes:
        console.print("  nothing changed")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("  problem", *found.passed):
        table.add_column(column, no_wrap=True)
    for problem, passed in found.problems.items():
        table.add_row(f"  {problem}", *map(_counts, passed.values()))
    table.add_row("  all", *map(_counts, found.passed.values()))
    console.print(table)
    for change in found.changes[:MAX_LISTED]:
        console.print(
            f"  {change.item} sample {change.sample}, {change.oracle}: "
            f"{change.before.describe()} -> {change.after.describe()}",
            markup=False,
            highlight=False,
        )
    if len(found.changes) > MAX_LISTED:
        console.print(f"  and {len(found.changes) - MAX_LISTED} more; --json has all")


def _counts(passed: PassCounts) -> str:
    same = passed.before == passed.after
    return f"{passed.before}" if same else f"{passed.before} -> {passed.after}"


def _sum_of(found: Sequence[RejudgeReport]) -> str:
    changed = sum(bool(each.changes) for each in found)
    if not changed:
        return f"nothing changed in {len(found)} runs"
    return f"{changed} of {len(found)} runs changed"


def _document(found: Sequence[RejudgeReport]) -> str:
    return json.dumps({"schema": SCHEMA, "runs": [_described(each) for each in found]}, indent=2)


def _described(found: RejudgeReport) -> Mapping[str, object]:
    return {
        "path": str(found.path),
        "samples": found.samples,
        "oracles_before": found.versions_before,
        "oracles_after": found.versions_after,
        "passed": to_plain(found.passed),
        "problems": to_plain(found.problems),
        "changed": [
            {
                "item": change.item,
                "sample": change.sample,
                "oracle": change.oracle,
                "before": _verdict(change.before),
                "after": _verdict(change.after),
            }
            for change in found.changes
        ],
    }


def _verdict(verdict: Verdict) -> Mapping[str, object]:
    return {
        "judgement": verdict.judgement.value,
        "passed": verdict.passed,
        "result": verdict.describe(),
    }
