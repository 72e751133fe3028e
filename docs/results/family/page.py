"""Writes docs/results/family.md and its figures from the records, complete or not.

    python docs/results/family/page.py

What has no record yet is named as missing, so the page can be rebuilt while training goes on.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from records import HERE, SETS, Row, read

from multiturn.core.files import write_atomically
from multiturn.jaxformer.family import FAMILY_SIZES, family_chain
from multiturn.models.config import CODEGEN_STAGES
from multiturn.models.plan import plan_of
from multiturn.report.statistics.clusters import Clusters, Interval
from multiturn.report.statistics.contrasts import contrast

STAGE_NAMES = {"nl": "NL", "multi": "Multi", "mono": "Mono"}
MISSING = "not trained yet"
NO_RECORD = "no record yet"
SCALE = 64.0
"""Bits per byte that no window reaches: contrasts are of values between 0 and 1."""
RESAMPLES = 2_000
SMOOTHED = 10
"""Logged steps in a point of the curves of training loss."""

INTRODUCTION = """# The family

Nine models of the CodeGen architecture, trained by this project on two CPU cores: three sizes, each
through NL, Multi and Mono, with one tokenizer and the same tokens in the same order. The
[plan](family/plan.md), written before the first step, has the shapes, the budget and the reasons.
This page is made from the records beside it by

    multiturn train chain family-1m             # and family-3m, family-10m
    python docs/results/family/measure.py runs corpora
    python docs/results/family/page.py

and says what is missing where training has not come that far. All figures are bits per byte on text
that no model was trained on: lower is better."""

HELD_OUT_TEXT = """Windows of up to 512 tokens, one from a document, from the projects in turn; each
window begins without context. None of the projects is in the corpora, and documents with more than
30 % of the bytes of their lines in the training data were dropped. The Python is newer than the
corpus: releases that were uploaded after 2026-11-17 20:24 UTC, when the newest source distribution
of local-python was uploaded. The recipes `family-held-out-prose` and `family-held-out-code` name
all versions; `family/windows.jsonl` has every window with its document, licence and hash."""

STAGES_TEXT = """The change in bits per byte, with the 95 % interval over windows, paired. Below 0
the stage gains, above 0 it forgets."""

POWER_LAW_TEXT = """Bits per byte = a · N^b, N the parameters without embeddings, by least squares
on logarithms, as in the [report](../report.md). Three sizes leave one degree of freedom, so the
interval is not that of the slope: it resamples the windows, and says how well the figures are
known, not whether they follow a power law. All sizes have the same tokens."""

LEADS_TEXT = """The training loss of the sizes on the same batches, in nats per token, by
quarters of a stage:"""

RATE_TEXT = """Why the 10M is not better than the 3M after Multi, though it is after NL and after
Mono: its lead in training loss shrinks during Multi, most in the last quarter, in which the rate
falls.
No rate was searched (see the plan), and the one for the 10M, by the inverse of the width, is the
lowest of the three. A test of that: the 10M's Multi continued from its checkpoint of step 750 with
twice the rate, on the same batches. It begins with a higher loss, as a higher rate does, and ends
with a lower one although its rate has not fallen to the end yet. So a low rate is a part of the
reason; how much is not known, since the test ends at step 1,000. The 10M has seen 1.2 tokens for
each of its parameters.

    multiturn train family-10m:multi out=runs/rate-test schedule.peak=0.00168 \\
        schedule.end=0.000168 steps=1000    # with that checkpoint alone in runs/rate-test"""

SPEED_TEXT = """The sides take turns on the same machine; the bound is the fastest matrix product
of any side. A load above 2 means that other work ran on the two cores too: then compare sides, not
machines. This project's sides retain the memory that a step frees, as `multiturn train` does where
there is plenty.

    python bench/train.py --size 1m --torch-python PATH --records docs/results/family
    python bench/train.py --size 10m --dtype bfloat16 --without-xla --torch-python PATH \\
        --records docs/results/family
    python bench/train.py --size 1m --cap avx2 --dtype float32 --without-xla --rounds 2 \\
        --steps 2 --torch-python PATH --records docs/results/family
    python bench/train.py --size 1m --cap avx2 --dtype bfloat16 --without-xla --rounds 1 \\
        --steps 1 --torch-python PATH --records docs/results/family

With `--cap avx2` the processor answers every library that it has AVX2 and nothing more:
its caches and memory stay what they are. A step of torch in bfloat16 takes twelve seconds
there, so each side made one; in float32 torch is the faster one on AVX2."""


@dataclass(frozen=True, slots=True)
class Records:
    """The records, by what they are looked up by.

    Attributes:
        windows: of each set.
        bits: bits per byte by size, stage and step, then set.
        files: bits of each window by size, stage and set.
        losses: step and loss by size and stage.
        speed: lines of speed.jsonl.
        rate_test: lines of rate_test.jsonl.
    """

    windows: dict[str, list[Row]]
    bits: dict[tuple[str, str, int], dict[str, float]]
    files: dict[tuple[str, str, str], Any]
    losses: dict[tuple[str, str], list[tuple[int, float]]]
    speed: list[Row]
    rate_test: list[Row]


def main() -> None:
    """Write the page and the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=Path, default=HERE, help="folder of the records")
    parser.add_argument("--out", type=Path, default=HERE.with_suffix(".md"))
    arguments = parser.parse_args()
    records = read_records(arguments.records)
    figures = draw_figures(records, arguments.out.parent / "family")
    write_atomically(arguments.out, page(records, figures))
    print(arguments.out)


def read_records(folder: Path) -> Records:
    """All records in a folder."""
    windows: dict[str, list[Row]] = {name: [] for name in SETS}
    for row in read("windows", folder):
        windows[row["set"]].append(row)
    losses: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for row in read("losses", folder):
        losses.setdefault((row["size"], row["stage"]), []).append((row["step"], row["loss"]))
    return Records(
        windows,
        {(r["size"], r["stage"], r["step"]): r["bits_per_byte"] for r in read("bits", folder)},
        {(r["size"], r["stage"], r["set"]): np.array(r["bits"]) for r in read("files", folder)},
        losses,
        read("speed", folder),
        read("rate_test", folder),
    )


def page(records: Records, figures: list[tuple[str, str]]) -> str:
    """The page as Markdown."""
    parts = [
        INTRODUCTION,
        "## What is trained", status(records),
        "## Held-out text", HELD_OUT_TEXT, held_out(records),
        "## The nine models", results(records),
        "## What each stage gains and forgets", stages(records),
        "## The paper's order on Python", order(records),
        "## Larger against smaller", sizes(records), *leads(records),
        "## Power law", power_laws(records),
        "## Curves", *(f"![{title}](family/{name})" for name, title in figures),
        *(["No checkpoint has been measured yet."] if not figures else []),
        "## Speed", speed(records),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A table in Markdown."""
    lines = [list(head), *([str(cell) for cell in row] for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def status(records: Records) -> str:
    """How far each run is."""
    rows = []
    for size, stage, config in runs():
        logged = records.losses.get((size, stage), [])
        step = logged[-1][0] if logged else 0
        state = "trained" if step >= config.steps else f"{step / config.steps:.0%}"
        rows.append(
            [
                f"{size.upper()} {STAGE_NAMES[stage]}",
                f"{step:,} of {config.steps:,}",
                f"{step * config.batch.tokens / 1e6:.1f}M",
                f"{np.mean([loss for _, loss in logged[-SMOOTHED:]]):.3f}" if logged else "",
                state if step else MISSING,
            ]
        )
    return table(["model", "steps", "tokens", "training loss", "state"], rows)


def held_out(records: Records) -> str:
    """The sets."""
    if not any(records.windows.values()):
        return "The held-out sets have not been built yet."
    rows = [
        [
            name,
            len(windows),
            len({w["document"].partition("@")[0] for w in windows}),
            f"{sum(w['bytes'] for w in windows):,}",
        ]
        for name, windows in records.windows.items()
    ]
    return table(["set", "windows", "projects", "bytes"], rows)


def results(records: Records) -> str:
    """Bits per byte of the last checkpoint of each stage on each set."""
    rows = []
    for size, stage, config in runs():
        found = records.bits.get((size, stage, config.steps))
        cells = [f"{found[name]:.3f}" if found else "" for name in SETS]
        rows.append(
            [f"{size.upper()} {STAGE_NAMES[stage]}", *(cells if found else [NO_RECORD, *cells[1:]])]
        )
    return table(["model", *SETS], rows)


def difference(
    records: Records, name: str, after: tuple[str, str], before: tuple[str, str]
) -> Interval | None:
    """Bits per byte of one model less those of another, paired by window; None without records."""
    ours, theirs = (records.files.get((*model, name)) for model in (after, before))
    if ours is None or theirs is None:
        return None
    counts = np.array([w["bytes"] for w in records.windows[name]], np.float64)
    found = contrast([Clusters(ours / SCALE, counts), Clusters(theirs / SCALE, counts)]).interval
    if found.estimate is None or found.low is None or found.high is None:
        return None
    return Interval(found.estimate * SCALE, found.low * SCALE, found.high * SCALE, found.method)


def stages(records: Records) -> str:
    """The change of each set from stage to stage."""
    rows = []
    for size in FAMILY_SIZES:
        for before, after in itertools.pairwise(CODEGEN_STAGES):
            found = [difference(records, n, (size, after), (size, before)) for n in SETS]
            title = f"{size.upper()} {STAGE_NAMES[before]} to {STAGE_NAMES[after]}"
            if all(each is None for each in found):
                rows.append([title, NO_RECORD, *[""] * (len(SETS) - 1)])
            else:
                rows.append([title, *(interval(each) for each in found)])
    return f"{STAGES_TEXT}\n\n{table(['stage', *SETS], rows)}"


def order(records: Records) -> str:
    """Whether Mono is better than Multi, and Multi than NL, on Python."""
    lines = []
    for size in FAMILY_SIZES:
        found = [
            difference(records, "python", (size, after), (size, before))
            for before, after in (("multi", "mono"), ("nl", "multi"))
        ]
        if None in found:
            lines.append(f"- {size.upper()}: {NO_RECORD}.")
            continue
        mono, multi = (verdict(each) for each in found)
        lines.append(
            f"- {size.upper()}: Mono is {mono} than Multi ({interval(found[0])}), "
            f"and Multi {multi} than NL ({interval(found[1])})."
        )
    return "\n".join(
        [
            "The paper's order is Mono before Multi before NL. Bits per byte on newer Python:",
            "",
            *lines,
        ]
    )


def sizes(records: Records) -> str:
    """Whether the larger model is better on every set."""
    names = list(FAMILY_SIZES)
    rows, exceptions, missing = [], [], 0
    for smaller, larger in itertools.pairwise(names):
        for stage in CODEGEN_STAGES:
            found = {n: difference(records, n, (larger, stage), (smaller, stage)) for n in SETS}
            title = f"{larger.upper()} less {smaller.upper()}, {STAGE_NAMES[stage]}"
            if all(each is None for each in found.values()):
                missing += 1
                rows.append([title, NO_RECORD, *[""] * (len(SETS) - 1)])
                continue
            rows.append([title, *(interval(each) for each in found.values())])
            exceptions += [
                f"{title}: {name} ({interval(each)})"
                for name, each in found.items()
                if each is not None and each.high is not None and each.high >= 0
            ]
    if missing == len(rows):
        words = "No stage of two sizes has records yet."
    elif exceptions:
        words = (
            "The larger model is not better, with an interval below 0, in: "
            + "; ".join(exceptions)
            + "."
        )
    else:
        words = "The larger is better on every set, with an interval below 0, in every pair."
    return f"{words}\n\n{table(['pair', *SETS], rows)}"


def leads(records: Records) -> Iterable[str]:
    """The training loss of all sizes, by quarters of each stage that all have finished."""
    rows = []
    for stage in CODEGEN_STAGES:
        losses = [dict(records.losses.get((size, stage), [])) for size in FAMILY_SIZES]
        end = family_chain(next(iter(FAMILY_SIZES)))[stage].steps
        if not all(end in each for each in losses):
            continue
        for quarter in range(4):
            low, high = quarter * end / 4, (quarter + 1) * end / 4
            steps = [step for step in losses[0] if low < step <= high]
            means = [float(np.mean([each[step] for step in steps])) for each in losses]
            rows.append(
                [STAGE_NAMES[stage], f"{min(steps):,} to {max(steps):,}"]
                + [f"{mean:.3f}" for mean in means]
                + [f"{means[-1] - means[-2]:+.3f}"]
            )
    if not rows:
        return
    names = [size.upper() for size in FAMILY_SIZES]
    yield LEADS_TEXT
    yield table(["stage", "steps", *names, f"{names[-1]} less {names[-2]}"], rows)
    if records.rate_test:
        yield rate_test(records)


def rate_test(records: Records) -> str:
    """What the 10M's Multi does with twice its learning rate."""
    tried = {row["step"]: row["loss"] for row in records.rate_test}
    plain = dict(records.losses["10m", "multi"])
    steps = sorted(tried.keys() & plain.keys())
    rows = []
    for first in range(0, len(steps), 5):
        part = steps[first : first + 5]
        means = [float(np.mean([losses[step] for step in part])) for losses in (plain, tried)]
        cells = [f"{part[0]:,} to {part[-1]:,}", *(f"{mean:.3f}" for mean in means)]
        rows.append([*cells, f"{means[1] - means[0]:+.3f}"])
    return f"{RATE_TEXT}\n\n{table(['steps', 'as trained', 'twice the rate', 'difference'], rows)}"


def power_laws(records: Records) -> str:
    """The exponent of each set over the sizes, with an interval over windows."""
    found = {
        (stage, name): exponent(records, stage, name) for stage in CODEGEN_STAGES for name in SETS
    }
    rows = [
        [STAGE_NAMES[stage], name, f"{each.estimate:.4f} ({each.low:.4f} to {each.high:.4f})"]
        for (stage, name), each in found.items()
        if each is not None
    ]
    if not rows:
        return f"{POWER_LAW_TEXT}\n\nNot fitted: a stage has to be trained at all three sizes."
    return f"{POWER_LAW_TEXT}\n\n{table(['stage', 'set', 'b'], rows)}"


def exponent(records: Records, stage: str, name: str) -> Interval | None:
    """The exponent of the power law of one stage on one set."""
    bits = [records.files.get((size, stage, name)) for size in FAMILY_SIZES]
    if any(each is None for each in bits):
        return None
    counts = np.array([w["bytes"] for w in records.windows[name]], np.float64)
    logs = np.log([float(parameters(size)) for size in FAMILY_SIZES])
    draws = np.random.default_rng(0).integers(0, len(counts), (RESAMPLES, len(counts)))
    chosen = np.vstack([np.arange(len(counts)), draws])
    rates = np.log([[each[row].sum() / counts[row].sum() for row in chosen] for each in bits])
    slopes = np.polyfit(logs, rates, 1)[0]
    low, high = np.quantile(slopes[1:], [0.025, 0.975])
    return Interval(float(slopes[0]), float(low), float(high), "bootstrap over windows")


def speed(records: Records) -> str:
    """Tokens per second of each size beside torch."""
    if not records.speed:
        return f"{SPEED_TEXT}\n\nNot measured yet."
    torch = {
        (r["size"], r["capped_to"], r["dtype"]): r["tokens_per_second"]
        for r in records.speed
        if r["side"] == "torch"
    }

    def of_torch(r: Row) -> str:
        rate = torch.get((r["size"], r["capped_to"], r["dtype"]))
        return f"{r['tokens_per_second'] / rate:.2f}" if rate else ""

    rows = [
        [
            r["size"].upper(), (r["capped_to"] or "all").upper(), r["dtype"], r["side"],
            f"{r['tokens_per_second']:,.0f}", of_torch(r), f"{r['share_of_product_bound']:.0%}",
            f"{r['peak_memory_mb']:,.0f}", f"{r['load_average']:.1f}",
        ]
        for r in records.speed
    ]  # fmt: skip
    machines = "; ".join(dict.fromkeys(r["machine"] for r in records.speed if not r["capped_to"]))
    head = [
        "size", "instructions", "precision", "side", "tokens/s", "of torch", "of the bound", "MB",
        "load",
    ]  # fmt: skip
    return (
        f"{SPEED_TEXT}\n\n{table(head, rows)}\n\n{machines}; {records.speed[0]['threads']} threads."
    )


def draw_figures(records: Records, folder: Path) -> list[tuple[str, str]]:
    """Draw the curves that have records; returns the files and their titles."""
    found: list[tuple[str, str]] = []
    curves = {f"{size.upper()}": training_curve(records, size) for size in FAMILY_SIZES}
    if any(curves.values()):
        title = "Training loss against tokens, through the three stages"
        draw(folder / "loss.svg", curves, "loss, nats per token")
        found.append(("loss.svg", title))
    for name in SETS:
        curves = {size.upper(): measured_curve(records, size, name) for size in FAMILY_SIZES}
        if any(curves.values()):
            draw(folder / f"{name}.svg", curves, f"bits per byte, {name}")
            found.append((f"{name}.svg", f"Bits per byte on {name} against tokens"))
    for size in FAMILY_SIZES:
        curves = {name: measured_curve(records, size, name) for name in SETS}
        if any(curves.values()):
            draw(folder / f"sets-{size}.svg", curves, f"bits per byte, {size.upper()}")
            found.append((f"sets-{size}.svg", f"All sets against tokens, {size.upper()}"))
    return found


Curve = list[tuple[float, float]]


def training_curve(records: Records, size: str) -> Curve:
    """Millions of tokens and the training loss, smoothed."""
    points = []
    for stage, begin, config in offsets(size):
        logged = records.losses.get((size, stage), [])
        for first in range(0, len(logged) - SMOOTHED + 1, SMOOTHED):
            part = logged[first : first + SMOOTHED]
            tokens = begin + part[-1][0] * config.batch.tokens
            points.append((tokens / 1e6, float(np.mean([loss for _, loss in part]))))
    return points


def measured_curve(records: Records, size: str, name: str) -> Curve:
    """Millions of tokens and bits per byte on a set."""
    points = []
    for stage, begin, config in offsets(size):
        for (of_size, of_stage, step), bits in records.bits.items():
            if (of_size, of_stage) == (size, stage) and name in bits:
                points.append(((begin + step * config.batch.tokens) / 1e6, bits[name]))
    return sorted(points)


def draw(path: Path, curves: dict[str, Curve], axis: str) -> None:
    """One figure; dashed lines are where a stage begins."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": path.stem, "svg.fonttype": "none", "font.size": 10}):
        figure = Figure(figsize=(6, 3.4), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        for name, points in curves.items():
            if points:
                axes.plot(*zip(*points, strict=True), label=name, linewidth=1.3)
        for stage, begin, _ in list(offsets(next(iter(FAMILY_SIZES))))[1:]:
            axes.axvline(begin / 1e6, color="#888888", linewidth=0.8, linestyle="--")
            axes.annotate(
                STAGE_NAMES[stage],
                (begin / 1e6, 1),
                (3, -10),
                color="#666666",
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
            )
        axes.set_xlabel("million tokens")
        axes.set_ylabel(axis)
        axes.grid(alpha=0.25)
        axes.legend(frameon=False, fontsize=8)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def offsets(size: str) -> Iterable[tuple[str, int, Any]]:
    """Each stage of a size, the tokens before it, and its config."""
    begin = 0
    for stage, config in family_chain(size).items():
        yield stage, begin, config
        begin += config.steps * config.batch.tokens


def runs() -> Iterable[tuple[str, str, Any]]:
    """Size, stage and config of the nine models."""
    for size in FAMILY_SIZES:
        for stage, config in family_chain(size).items():
            yield size, stage, config


def parameters(size: str) -> int:
    """Without the embedding and the output head."""
    model = FAMILY_SIZES[size].model
    return plan_of(size, model).parameters - (2 * model.d_model + 1) * model.vocab_size


def interval(found: Interval | None) -> str:
    """An estimate with its ends, for a cell."""
    if found is None or found.estimate is None or found.low is None or found.high is None:
        return ""
    return f"{found.estimate:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


def verdict(found: Interval | None) -> str:
    """What a difference in bits per byte shows."""
    if found is None or found.low is None or found.high is None or math.isnan(found.low):
        return "not compared"
    if found.high < 0:
        return "better"
    return "worse" if found.low > 0 else "not distinguishable (neither better nor worse)"


if __name__ == "__main__":
    main()
