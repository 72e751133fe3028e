r"""Runs HumanEval in chat form and in completion form, and tabulates it beside the authors' scores.

    python docs/results/humaneval.py --out runs/humaneval --write docs/results/humaneval.md

An interrupted run resumes; ``--table`` only reads saved runs. Greedy, one sample for each of the
164 problems, so the interval is that of a binomial share.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from right_programs import bench, clusters, ends, failures

from multiturn.benchmarks.runner.costs import run_costs
from multiturn.benchmarks.runner.results import SavedRun, read_run
from multiturn.report.statistics.clusters import clustered_interval

INTRODUCTION = """# HumanEval in chat form

The coder models in their 4-bit files (Q4_K_M), greedy, one sample for each of the 164 problems,
beside what their authors report for the full weights in chat form (arXiv 2409.12186). The forms
and the rules that take the function from an answer are in
[Benchmarks](../benchmarks.md#humaneval-in-chat-form). One command makes the runs and this page;
with `--table --out docs/results/humaneval` it only rebuilds the page from the saved runs.

    python docs/results/humaneval.py --out runs/humaneval --write docs/results/humaneval.md"""

PUBLISHED = {"qwen2.5-coder-0.5b": 61.6, "qwen2.5-coder-1.5b": 70.7}

# What a row is called, with its arm and its rule of truncation.
ROWS = {
    "chat, the authors' prompt": ("chat", "published"),
    "chat, EvalPlus' prompt": ("chat_evalplus", "published"),
    "chat, the authors' prompt, no extraction": ("chat", "none"),
    "completion": ("completion", "parse"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", action="append", choices=PUBLISHED)
    parser.add_argument("--table", action="store_true", help="only read saved runs")
    parser.add_argument("--write", type=Path, help="write the page there")
    said = parser.parse_args()
    lines = [
        INTRODUCTION,
        "",
        "| model | form | passed | % (95 %) | the authors | difference | new tokens | failures |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for model in said.model or PUBLISHED:
        for name, (arm, truncation) in ROWS.items():
            if not said.table:
                run(model, arm, truncation, said.out)
            place = said.out / "humaneval" / model / f"{arm}.{truncation}.t0"
            if (place / "run.json").exists():
                lines.append(row(model, name, read_run(place)))
    page = "\n".join(lines) + "\n"
    if said.write:
        said.write.write_text(page, encoding="utf-8")
    print(page)


def run(model: str, arm: str, truncation: str, out: Path) -> None:
    """Run one row to its end, or the rest of it."""
    command = ["humaneval", "--model", model, "--arm", arm, "--truncation", truncation]
    bench(*command, "--temperature", "0", "--out", str(out))


def row(model: str, name: str, saved: SavedRun) -> str:
    found = clusters(saved)
    rate, costs = clustered_interval(found), run_costs(saved)
    away = "-"
    if rate.estimate is not None:
        away = f"{round(100 * rate.estimate - PUBLISHED[model], 1) + 0.0:+.1f}"
    cells = [model, name, f"{found.sums.sum():.0f} of {len(saved.samples)}"]
    cells += [ends(rate.estimate, rate.low, rate.high), f"{PUBLISHED[model]:.1f}", away]
    # The tests of a problem print nothing; a program that fails them has another value.
    kinds = failures(saved.samples, silent="wrong value")
    cells += [f"{costs.new_tokens or 0:.0f}", kinds]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
