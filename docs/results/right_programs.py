r"""Runs and tabulates how often the loop's programs are right, against its controls.

    python docs/results/right_programs.py dev --out runs/right --model qwen2.5-coder-0.5b
    python docs/results/right_programs.py test --out runs/right-test \
        --write docs/results/right-programs.md

Choices are made on ``dev``; ``test`` is run once, with the settings chosen there. An interrupted
run resumes. Each row has the strict pass rate with its 95 % interval clustered by problem, the
paired difference from `turns` under ``next_prompt``, new tokens and seconds per sample, and how
the failures failed. A second table has their causes by the rules of the report. ``--rows`` names
single rows, ``--table`` only reads saved runs.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import Counter
from pathlib import Path
from statistics import median

import numpy as np

from multiturn.apps.cli.bench.figures import scored
from multiturn.apps.cli.report.problems import problem_texts
from multiturn.benchmarks.metrics import counts
from multiturn.benchmarks.runner.costs import run_costs
from multiturn.benchmarks.runner.results import SavedRun, read_run
from multiturn.benchmarks.runner.samples import Sample
from multiturn.report.analysis.error_rules import KINDS
from multiturn.report.analysis.errors import classified_failures, error_counts
from multiturn.report.records.read import read_records
from multiturn.report.statistics.clusters import Clusters, clustered_interval
from multiturn.report.statistics.contrasts import contrast
from multiturn.sandbox.outcomes import Status

INTRODUCTION = """# Right programs

How often the loop that people use, `multiturn` and `multiturn synth` with their default settings
(`loop`), writes a program that prints the right answer, beside one sample of the paper's comments
(`turns`, cut where the model writes what the arm would write next) and one in chat form (`chat`).
The project's own problems, half `test`, two cases each, temperature 0.2; what was chosen and why
is in [decision 0007](../decisions/0007-prompt-styles.md), which has the half `dev`. Each row of
`test` was run once. The defaults of the 1.5B were changed after these controls had been run: the
row `chat, values` suggested it, the half `dev` decided it. Its loop from before is the row `loop,
values not shown`. This page is rebuilt from the saved runs by

    python docs/results/right_programs.py test --out docs/results/right-programs --table \\
        --write docs/results/right-programs.md

and without `--table` the command makes the runs. Intervals are clustered by problem, differences
are from `turns` and paired. New tokens are of all candidates and repairs. Seconds are of a sample
among many that share the engine, on two threads of a Xeon (AVX-512, VNNI, AMX) that other
programs used too: they compare rows and are no speed. "About" stands where a run took equal
requests from a file (`--generations`); there the seconds are those of its new tokens at the pace
of the other rows. The second table counts why programs failed, by the rules of the
[report](../report.md)."""

MODELS = ("qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b")
BASELINE = "turns"

# What a row of the loop varies begins here: the chat form, one candidate, nothing else. Every
# setting is given, since what is left out follows the model's own defaults.
PLAIN = {
    "style": "chat",
    "n": "1",
    "retries": "0",
    "choose": "likely",
    "align": "false",
    "asked": "false",
}


def loop(**changes: str) -> tuple[str, str]:
    """The arm `loop` with what a row varies."""
    return "loop", ",".join(f"{name}={value}" for name, value in {**PLAIN, **changes}.items())


# name: arm, options of the arm. Those that
# vary one thing at a time are compared with `chat` or with `comment`.
ROWS: dict[str, tuple[str, str]] = {
    BASELINE: ("turns", ""),
    "turns published": ("turns", "published"),
    "loop": ("loop", ""),
    "loop, values not shown": loop(
        n="4", retries="1", choose="values", align="true", asked="true", shown="turns"
    ),
    "chat": ("chat", ""),
    "comment": loop(style="comment"),
    "comment, next comment": loop(style="comment", comment_stop="next_comment"),
    "chat, no extraction": loop(extract="false"),
    "chat, aligned": loop(align="true"),
    "comment, next comment, aligned": loop(
        style="comment", comment_stop="next_comment", align="true"
    ),
    "chat, demonstrated": loop(demonstrate="true"),
    "comment, demonstrated": loop(style="comment", comment_stop="next_comment", demonstrate="true"),
    "chat, recap": loop(shown="recap"),
    "chat, values": loop(shown="values"),
    "comment, values": loop(style="comment", comment_stop="next_comment", shown="values"),
    "chat, aligned, asked, repair 1": loop(align="true", asked="true", retries="1"),
    "chat, repair 1": loop(retries="1"),
    "chat, repair 2": loop(retries="2"),
    "chat, resample 1": loop(retries="1", retry="resample"),
    "chat, resample 2": loop(retries="2", retry="resample"),
    "chat, best of 4": loop(n="4"),
    "chat, 4 agree by output": loop(n="4", choose="output"),
    "chat, 4 agree by values": loop(n="4", choose="values"),
    "chat, until 2 agree by values": loop(n="4", choose="values", agree="2"),
    "chat, 4 with own checks": loop(n="4", checks="3"),
    "comment, 4 agree by values": loop(
        style="comment", comment_stop="next_comment", n="4", choose="values", align="true"
    ),
    "ceiling: chat, 4 by the answer": loop(n="4", examples="answer"),
    "ceiling: chat, 4 by every turn": loop(n="4", examples="turns"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("split", choices=("dev", "test"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", action="append")
    parser.add_argument(
        "--rows", default="", help="names, or options of the loop, separated by semicolons"
    )
    parser.add_argument("--cases", type=int, default=2)
    parser.add_argument("--table", action="store_true", help="only read saved runs")
    parser.add_argument("--write", type=Path, help="write the table there")
    said, more = parser.parse_known_args()  # more: options of `multiturn bench own`
    rows = [name.strip() for name in said.rows.split(";") if name.strip()] or list(ROWS)
    if strange := [name for name in rows if name not in ROWS and "=" not in name]:
        parser.error(f"no such row: {'; '.join(strange)}; allowed: {'; '.join(ROWS)}")
    pages = []
    for model in said.model or MODELS:
        found = {}
        for name in rows if BASELINE in rows else [BASELINE, *rows]:
            place = said.out / name.replace(" ", "-").replace(",", "").replace(":", "")
            if not said.table:
                run(name, model, place, said, more)
            records = sorted(place.glob(f"own/{model}/*/run.json"))
            if records:
                found[name] = read_run(records[0].parent)
        if found:
            pages += [table(model, found), causes(found)]
    page = "\n\n".join([INTRODUCTION, *pages]) + "\n"
    if said.write:
        said.write.write_text(page, encoding="utf-8")
    print(page)


def run(name: str, model: str, place: Path, said: argparse.Namespace, more: list[str]) -> None:
    """Run one row to its end, or the rest of it; each has a directory and the engine alone."""
    arm, options = ROWS.get(name, ("loop", name))
    command = ["own", "--model", model, "--split", said.split]
    command += ["--cases", str(said.cases), "--out", str(place)]
    command += ["--arm", arm, *more]
    if arm == "turns":
        command += ["--truncation", options or "next_prompt"]
    elif options:
        command += ["--with", options]
    bench(*command)


def bench(*words: str) -> None:
    """Run `multiturn bench` of this environment.

    Raises:
        CalledProcessError: it failed.
    """
    command = Path(sys.executable).with_name("multiturn")
    subprocess.run([str(command), "bench", *words], check=True)


def table(model: str, runs: dict[str, SavedRun]) -> str:
    """The rows of one model."""
    base = clusters(runs[BASELINE]) if BASELINE in runs else None
    lines = [
        f"## {model}",
        "",
        "| row | samples | strict % (95 %) | difference (95 %) | new tokens | seconds | failures |",
        "|---|---|---|---|---|---|---|",
    ]
    costs_of = {name: run_costs(saved) for name, saved in runs.items()}
    pace = median(
        each.seconds / each.new_tokens
        for each in costs_of.values()
        if each.seconds is not None and each.new_tokens
    )
    for name, saved in runs.items():
        own, costs = clusters(saved), costs_of[name]
        rate = clustered_interval(own)
        away = "-"
        if base is not None and name != BASELINE and len(own.counts) == len(base.counts):
            found = contrast([own, base]).interval
            away = ends(found.estimate, found.low, found.high, sign="+")
        strict = ends(rate.estimate, rate.low, rate.high)
        tokens = "-" if costs.new_tokens is None else f"{costs.new_tokens:.0f}"
        seconds = "-" if costs.seconds is None else f"{costs.seconds:.2f}"
        if costs.seconds is None and costs.new_tokens is not None:
            seconds = f"about {costs.new_tokens * pace:.1f}"
        cells = [name, str(len(saved.samples)), strict, away, tokens, seconds]
        lines.append(f"| {' | '.join(cells)} | {failures(saved.samples)} |")
    return "\n".join(lines)


def clusters(saved: SavedRun) -> Clusters:
    """Passes by problem, in the order of their names, so that rows pair."""
    found = counts(scored(saved, "strict"), lambda item: item.problem)
    ordered = [found[name] for name in sorted(found)]
    return Clusters(
        np.array([each.passed for each in ordered], dtype=np.float64),
        np.array([each.samples for each in ordered], dtype=np.float64),
    )


def ends(estimate: float | None, low: float | None, high: float | None, *, sign: str = "") -> str:
    if estimate is None:
        return "-"
    if low is None or high is None:  # as for two rows that differ nowhere
        return f"{100 * estimate:{sign}.1f}"
    return f"{100 * estimate:{sign}.1f} ({100 * low:{sign}.1f} to {100 * high:{sign}.1f})"


def failures(samples: tuple[Sample, ...], *, silent: str = "no output") -> str:
    """How the programs failed, the most frequent first; `silent` names those that print nothing."""
    kinds: Counter[str] = Counter()
    for sample in samples:
        verdict = sample.verdicts["strict"]
        if verdict.passed:
            continue
        outcome = verdict.outcome
        if outcome is None or outcome.status is Status.FINISHED:
            printed = (verdict.difference or "").startswith("got ")
            kinds["wrong value" if printed else silent] += 1
        elif outcome.error and outcome.status is Status.RAISED:
            kinds[outcome.error.partition(":")[0]] += 1
        else:
            kinds[outcome.status.value] += 1
    return ", ".join(f"{kind} {count}" for kind, count in kinds.most_common(5)) or "-"


def causes(runs: dict[str, SavedRun]) -> str:
    """Why the programs of each row failed, in the order of how often, as the report says it."""
    columns: dict[str, dict[str, int]] = {}
    for name, saved in runs.items():
        records = read_records([saved.path])
        found = error_counts(records, classified_failures(records, problem_texts(records)))
        columns[name] = found[0].kinds if found else {}
    kinds = sorted(KINDS, key=lambda kind: -sum(each.get(kind, 0) for each in columns.values()))
    shown = [kind for kind in kinds if any(kind in each for each in columns.values())]
    lines = [
        f"| row | {' | '.join(KINDS[kind] for kind in shown)} |",
        "|---" * (len(shown) + 1) + "|",
    ]
    for name, found in columns.items():
        lines.append(f"| {name} | {' | '.join(str(found.get(kind, 0)) for kind in shown)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
