r"""Measures an adapter of one domain: the model before and after, on the domain and elsewhere.

    python docs/results/domain.py --out runs/domain --write docs/results/domain.md \
        --adapter turns+completions=runs/lora-bioinformatics-gguf-lora/lora-bioinformatics.gguf

An interrupted run resumes; ``--table`` only reads saved runs. `--adapter` may be repeated to
compare recipes. Each row has the strict pass rate of the model alone and with the adapter on the
same cases, with 95 % intervals clustered by problem, their paired difference with its p-value, by
Holm's method over the rows of a part, and how the programs failed.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from languages import compared, difference, rate
from right_programs import bench, clusters, failures

from multiturn.benchmarks.runner.results import SavedRun, read_run
from multiturn.benchmarks.split import part_of
from multiturn.report.statistics.contrasts import holm

MODEL = "qwen2.5-coder-0.5b"
BEFORE = "before"
HERE = Path(__file__).parent / "domain"

INTRODUCTION = """# A domain made one's own

`{model}`, before and after LoRA on programs of bioinformatics, on two CPU cores. Measured on the
[58 problems of bioinformatics](../bioinformatics.md) (3 cases each), on the project's own general
problems (2 cases each: what was lost) and on HumanEval. `dev` and `test` are the halves of a set by
the hash of the problems' names: a recipe is chosen by `dev`. Temperature 0.2; `turns` are prompts
as comments, cut where the model writes the next prompt; `chat` is the form of the model's chat
template, which the training data do not have. Intervals are clustered by problem, differences
paired by problem, p-values adjusted by Holm's method over the rows of a part.

The commands that lead to the last adapter are in
[recipes/train/lora_bioinformatics.py](../../recipes/train/lora_bioinformatics.py). The first
command here makes the runs and this page, the second only the page, from the records:

    python docs/results/domain.py --out runs/domain --write docs/results/domain.md \\
        --adapter turns+completions=runs/lora-bioinformatics-gguf-lora/lora-bioinformatics.gguf
    python docs/results/domain.py --out docs/results/domain/runs --table \\
        --write docs/results/domain.md"""


RECIPES = {
    "turns+functions": """The first recipe: six programs of each template, and functions as
requests; peak rate 5e-4. It was written before the first run, and stopped after 60 of its 100
steps, before anything was measured, because the machine was needed.""",
    "turns+completions": """The second: twelve programs of each template, and every second function
as a completion of its signature and docstring, because the first recipe lost points on HumanEval;
peak rate 3e-4, because it learned on few data; one pass over the data, 160 steps.""",
}
"""What each adapter was trained on, by its name."""

READING = """## What this says

Two recipes, and **a gain on the 58 problems of bioinformatics is not shown**: both intervals
touch zero or come near it, and the problems are hard for a model of this size. The second recipe
makes the general problems in turns clearly better. Both lose on HumanEval in its own form; that
half of the functions are completions did not help.

Why programs in turns fail, read on `dev`: the model now writes what is asked, in the right form,
and then goes on. Before tuning none of the 570 turns before the last one prints what nobody
asked for; after either recipe 87 do, and some write a function of their own besides. The records
taught that: what follows the code of a turn, the `#` of the next prompt, was not in the loss, so
no token said that a turn was complete. Records are trained with that token since. The rest are
mistakes of the task: slices that begin or end one off, a position counted from 0 where 1 was
asked for, windows that overlap.

Why functions fail: of the 164 completions of HumanEval 48 have comments before tuning, which say
what the next line does, and 35 are a single line. After the first recipe 0 and 79, after the
second 0 and 59. The data have no comments, since the functions were written out of their syntax
trees, and many short expressions, and a model of this size is more often wrong where it writes
an answer at once. The recipe of the functions keeps their comments since.

The third recipe is the second one with both: the end of a turn in the loss, and functions as
they were written."""


@dataclass(frozen=True, slots=True)
class Measure:
    """Problems, and the form in which the model sees them."""

    benchmark: str
    arm: str
    options: tuple[str, ...] = ()


NEXT = ("--truncation", "next_prompt")
MEASURES = (
    Measure("bioinformatics", "turns", ("--cases", "3", *NEXT)),
    Measure("own", "turns", ("--cases", "2", *NEXT)),
    Measure("humaneval", "completion"),
    Measure("bioinformatics", "chat", ("--cases", "3")),
    Measure("own", "chat", ("--cases", "2")),
    Measure("humaneval", "chat"),
)
TITLES = {
    "bioinformatics": "bioinformatics",
    "own": "general problems",
    "humaneval": "HumanEval",
}


@dataclass(frozen=True, slots=True)
class Pair:
    """The same problems without and with an adapter."""

    measure: Measure
    part: str
    before: SavedRun
    after: SavedRun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--adapter", action="append", default=[], metavar="NAME=PATH")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--training", type=Path, default=HERE, help="records of the training")
    parser.add_argument("--table", action="store_true", help="only read saved runs")
    parser.add_argument("--write", type=Path, help="write the page there")
    said, more = parser.parse_known_args()  # more: options of `multiturn bench`
    adapters = dict(each.split("=", 1) for each in said.adapter)
    if not said.table:
        for measure in MEASURES:
            for name, path in {BEFORE: "", **adapters}.items():
                run(measure, f"{MODEL}+{path}" if path else MODEL, said.out / name, more)
    parts = [INTRODUCTION.format(model=MODEL)]
    made = {each.name for each in said.out.iterdir() if each.is_dir()} - {BEFORE}
    for name in (*RECIPES, *sorted(made - RECIPES.keys())):
        if name in made:
            parts += [f"## {name}", *training(said.training / "training" / name, name)]
            parts += [results(list(pairs(said.out, name)))]
    parts += [READING, "## Data", data(records(said.training / "functions.sources.jsonl"))]
    page = "\n\n".join(parts) + "\n"
    if said.write:
        said.write.write_text(page, encoding="utf-8")
    print(page)


def run(measure: Measure, model: str, out: Path, more: Sequence[str]) -> None:
    """Run one measure to its end, or the rest of it."""
    words = [measure.benchmark, "--model", model, "--arm", measure.arm, *measure.options]
    bench(*words, "--out", str(out), *more)


def pairs(out: Path, name: str) -> Iterator[Pair]:
    """The complete measures of an adapter, whole and in halves where the set has them."""
    for measure in MEASURES:
        before, after = saved(out / BEFORE, measure), saved(out / name, measure)
        if before is None or after is None:
            continue
        halves = () if measure.benchmark == "humaneval" else ("test", "dev")
        for half in halves:
            yield Pair(measure, half, half_of(before, half), half_of(after, half))
        yield Pair(measure, "all", before, after)


def saved(out: Path, measure: Measure) -> SavedRun | None:
    """The run of a measure in a directory, if it is complete."""
    for record in sorted((out / measure.benchmark).glob(f"*/{measure.arm}.*/run.json")):
        if (one := read_run(record.parent)).complete:
            return one
    return None


def half_of(whole: SavedRun, half: str) -> SavedRun:
    """The samples of the problems of one half."""
    samples = tuple(each for each in whole.samples if part_of(each.item.problem) == half)
    return replace(whole, samples=samples)


def results(found: list[Pair]) -> str:
    """Before and after, a row for each measure."""
    compare = [compared(clusters(each.after), clusters(each.before)) for each in found]
    adjusted: dict[int, float | None] = {}
    for part in {each.part for each in found}:
        rows = [row for row, each in enumerate(found) if each.part == part]
        adjusted |= zip(rows, holm([compare[row].p_value for row in rows]), strict=True)
    lines = [
        "| problems | part | form | samples | before % (95 %) | after % (95 %) | difference (95 %) "
        "| p | after is | failures before | failures after |",
        "|---" * 11 + "|",
    ]
    for row, (pair, contrast) in enumerate(zip(found, compare, strict=True)):
        cells = [TITLES[pair.measure.benchmark], pair.part, pair.measure.arm]
        cells += [str(len(pair.after.samples)), rate(pair.before), rate(pair.after)]
        cells += difference(contrast, adjusted[row])
        silent = "failed a test" if pair.measure.benchmark == "humaneval" else "no output"
        cells += [failures(each.samples, silent=silent) for each in (pair.before, pair.after)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def training(folder: Path, name: str) -> Iterator[str]:
    """What an adapter was trained on, and the loss curve, from the records of the training."""
    if name in RECIPES:
        yield RECIPES[name]
    recipe = folder / "recipe.json"
    if recipe.exists():
        yield programs(json.loads(recipe.read_text("utf-8")), name)
    metrics = records(folder / "metrics.jsonl")
    if metrics:
        yield curve(metrics)


def programs(recipe: dict[str, Any], name: str) -> str:
    """How many programs there are, and what decontamination dropped."""
    return (
        f"Of {recipe['drawn']} programs of {recipe['templates']} templates "
        f"({recipe['general_templates']} of them general), {len(recipe['dropped'])} were dropped "
        f"with {len(recipe['dropped_templates'])} templates, and {len(recipe['refused'])} refused "
        "for a wrong answer; a tenth of the templates is held out. "
        f"[recipe.json](domain/training/{name}/recipe.json) has the names and the hashes of the "
        "files."
    )


def data(functions: list[dict[str, Any]]) -> str:
    """Where the programs and the functions are from."""
    licences = Counter(each["licence"] for each in functions).most_common()
    projects = {each["source"] for each in functions}
    named = ", ".join(f"{licence} {count}" for licence, count in licences)
    return (
        "`bioinformatics_turns` writes programs in turns from templates whose author had not read "
        "the problems, runs each, and compares what it prints with an answer that is computed in "
        "another way. A template of which any program shares ten words in a row with a problem "
        "of the two sets or of HumanEval is dropped with all its programs. The test finds shared "
        "text and not shared tasks: GC content or the overlap of intervals are in the templates as "
        "in the problems, in other words.\n\n"
        f"`bioinformatics_functions` takes {len(functions)} functions that stand by themselves "
        f"from {len(projects)} projects of the corpus `bioinformatics`, which was searched for the "
        f"same problems. Licences of their documents: {named}. "
        "[functions.sources.jsonl](domain/functions.sources.jsonl) names each."
    )


def curve(metrics: list[dict[str, Any]]) -> str:
    """The loss on the training and the held-out records."""
    lines = ["| step | training loss | held-out loss | tokens a second |", "|---" * 4 + "|"]
    held_out = {
        each["step"]: each["held_out/records/loss"]
        for each in metrics
        if "held_out/records/loss" in each
    }
    losses = {each["step"]: each for each in metrics if "loss" in each}
    for step in sorted(held_out.keys() | losses.keys()):
        if step not in held_out and step % 10:
            continue
        row = losses.get(step, {})
        cells = [str(step), shown(row.get("loss")), shown(held_out.get(step))]
        cells.append(f"{row['tokens_per_second']:.0f}" if "tokens_per_second" in row else "")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def shown(loss: float | None) -> str:
    return "" if loss is None else f"{loss:.3f}"


def records(path: Path) -> list[dict[str, Any]]:
    """The records of a JSONL file; none where there is no file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


if __name__ == "__main__":
    main()
