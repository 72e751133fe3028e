"""The page of speed, from the records of the benchmarks in `bench/results`.

    python docs/results/speed.py --write docs/results/speed.md

Each record is of one run in which the peers took turns, so that other work on the machine met all
of them; it names the processor, and the instructions that were hidden from every peer.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[2] / "bench" / "results"

Record = dict[str, Any]

INTRODUCTION = """\
# Speed on a CPU

Rebuilt by `python docs/results/speed.py --write docs/results/speed.md` from the records in
`bench/results`, which these commands write. `--cap avx2` hides from every process what the
processor has beyond AVX2, by answers of its `cpuid`.

    python bench/decode.py --counts N [--cap avx2] --setting native=int8 \\
        --peers native,llama,llama-server,openvino --out bench/results/decode[-avx2]-N.json
    python bench/prefill.py [--cap avx2] --setting native=int8 \\
        --peers native,openvino --out bench/results/prefill[-avx2].json
    python bench/turn_latency.py [--cap avx2] --out bench/results/turn_latency[-avx2].json
    python bench/speculation.py --out bench/results/speculation.json

A cell of the first tables is tokens a second, the median of the rounds (all of them are in the
record), sampled; in brackets the median of its ratios to this project's engine. Each peer has its
best setting of those that it offers, searched in the same run or given on the command line.
llama.cpp is the build in the wheel `xllamacpp`, which has no AVX-512 code: its machine code is the
same in both tables. "Capped to AVX2" is not a processor of that kind, whose clock and memory
differ; that one is owed.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", type=Path, help="write the page there")
    said = parser.parse_args()
    page = "\n".join([INTRODUCTION, *sections()])
    if said.write:
        said.write.write_text(page, encoding="utf-8")
    else:
        print(page)


def sections() -> list[str]:
    parts: list[str] = []
    for model in ("", "135m-"):
        for cap in ("", "avx2-"):
            stem = f"decode-{model}{cap}"
            runs = [read(path) for path in sorted(RESULTS.glob(f"{stem}[0-9]*.json"), key=count_of)]
            if runs:
                parts += decode_section(runs)
    for cap in ("", "-avx2"):
        if (path := RESULTS / f"prefill{cap}.json").exists():
            parts += prefill_section(read(path))
    for cap in ("", "-avx2"):
        if (path := RESULTS / f"turn_latency{cap}.json").exists():
            parts += turn_section(read(path))
    if (path := RESULTS / "speculation.json").exists():
        parts += speculation_section(read(path))
    return parts


def decode_section(runs: list[Record]) -> list[str]:
    """One model on one processor: a column for each number of sequences."""
    lines = [
        f"## Decoding, {runs[0]['model']}, {processor(runs[0])}",
        "",
        "| engine | " + " | ".join(f"{count}" for run in runs for count in run["bounds"]) + " |",
        "|---|" + "---|" * sum(len(run["bounds"]) for run in runs),
    ]
    for peer in dict.fromkeys(name for run in runs for name in run["peers"]):
        cells: list[str] = []
        title = peer
        for run in runs:
            record = run["peers"].get(peer, {"cases": []})
            title = record.get("title", title)
            cells += [cell(record, int(count)) for count in run["bounds"]]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    for dtype in ("float32", "bfloat16", "int8"):
        cells = [
            f"{found['tokens_per_second'][dtype]:.0f}"
            if dtype in found["tokens_per_second"]
            else "-"
            for run in runs
            for found in run["bounds"].values()
        ]
        of = ", of memory alone" if dtype == "int8" else ""
        lines.append(f"| bound of the machine, weights in {dtype}{of} | {' | '.join(cells)} |")
    return [*lines, "", *settings(runs), ""]


def cell(record: Record, count: int) -> str:
    for case in record.get("cases", []):
        found = case.get("jobs", {}).get("sampled", {})
        if case.get("count") == count and "tokens_per_second" in found:
            return f"{found['tokens_per_second']:.1f} ({found['ratio_to_first']:.2f})"
    return "-"


def settings(runs: list[Record]) -> list[str]:
    """What each peer ran with, and the versions."""
    found: dict[str, dict[str, None]] = {}
    for run in runs:
        for record in run["peers"].values():
            for case in record.get("cases", []):
                if "setting" in case:
                    found.setdefault(record["title"], {})[case["setting"]] = None
    versions = {
        name: version
        for run in runs
        for record in run["peers"].values()
        for name, version in record.get("versions", {}).items()
        if name != "numpy"
    }
    used = "; ".join(f"{title}: {', '.join(names)}" for title, names in found.items())
    return [f"Settings: {used}. Versions: {', '.join(f'{n} {v}' for n, v in versions.items())}."]


def prefill_section(run: Record) -> list[str]:
    cases = list(run["bounds"])
    lines = [
        f"## Reading prompts, {run['model']}, {processor(run)}",
        "",
        "| engine | " + " | ".join(cases) + " |",
        "|---|" + "---|" * len(cases),
    ]
    for record in run["peers"].values():
        cells = []
        for name in cases:
            jobs = next((c["jobs"] for c in record.get("cases", []) if c["case"] == name), {})
            found = next(iter(jobs.values()), {})
            rate = found.get("tokens_per_second")
            cells.append("-" if rate is None else f"{rate:.0f} ({found['ratio_to_first']:.2f})")
        lines.append(f"| {record['title']} | {' | '.join(cells)} |")
    return [*lines, "", *settings([run]), ""]


def turn_section(run: Record) -> list[str]:
    kinds = ("first_token", "first_code", "first_output", "turn")
    turns = run["turns"] * run["sessions"]
    lines = [
        f"## A turn, {run['model']}, {processor(run)}",
        "",
        f"Seconds from the prompt on, medians of {turns} turns; in brackets of the first row.",
        "",
        "| engine, candidates | first token | first candidate's code | its output | all run |",
        "|---|---|---|---|---|",
    ]
    first: dict[str, float] = {}
    for name, way in run["ways"].items():
        medians = {k: statistics.median(t["seconds"][k] for t in way["turns"]) for k in kinds}
        first = first or medians
        cells = [f"{medians[kind]:.2f} ({medians[kind] / first[kind]:.2f})" for kind in kinds]
        lines.append(f"| {name} ({way['engine']}) | {' | '.join(cells)} |")
    return [*lines, ""]


def speculation_section(run: Record) -> list[str]:
    lines = [
        f"## Speculation by prompt lookup, {run['model']}, {run['engine']}, {processor(run)}",
        "",
        "Seconds of a request without speculation over those with it, in pairs of the same text.",
        "",
        "| requests | pairs | median (quartiles) | of all together |",
        "|---|---|---|---|",
    ]
    for kind, found in run["kinds"].items():
        low, middle, high = statistics.quantiles(found["ratios"], n=4)
        lines.append(
            f"| {kind.replace(' at ', ', temperature ')} | {found['requests']} |"
            f" {middle:.2f} ({low:.2f} to {high:.2f}) | {found['gain_of_all']:.2f} |"
        )
    return [*lines, ""]


def processor(run: Record) -> str:
    machine = run["machine"]
    cap = machine["capped_to"]
    shown = "capped to AVX2" if cap else " ".join(machine["instructions"])
    return f"{machine['processor']}, {run.get('threads') or machine['cpus']} threads, {shown}"


def count_of(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


def read(path: Path) -> Record:
    found: Record = json.loads(path.read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    main()
