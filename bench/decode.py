"""Decode throughput of this project's engines and their peers, on the same weights in one run.

Each peer runs in its own process with the best setting that a small search finds for each number of
sequences; then all take turns, round after round. Prompts have 18 to 40 tokens, and every sequence
gets exactly the requested number of new tokens: end-of-text tokens are ignored. The time includes
prefill.

    python bench/decode.py --out bench/results/decode.json
    python bench/decode.py --fast --peers native,openvino

The same run measures the machine's bounds: memory bandwidth and the throughput of matrix products
of the model's shape. A step reads all weights once, and multiplies with each of them for every
sequence.
"""

from __future__ import annotations

import argparse
import math
import os
from typing import Any

from peers.drive import Case, Race, measure_bounds
from peers.hub_directory import RANDOM, prepare, tokenizer_of
from peers.jobs import Job, Model, random_prompts, short_prompts
from peers.machine import describe_machine, machine_line
from peers.options import common_options, fill_in, numbers, save, say
from peers.processor_cap import capped_environment

BYTES_PER_WEIGHT = {"float32": 4.0, "bfloat16": 2.0, "int8": 1.0}


def main() -> None:
    """Measure, print, save."""
    options = _options()
    model = prepare(options.model, options.prepared)
    cap = capped_environment(options.cap, options.prepared)
    started = describe_machine(options.cap)
    race = Race(
        model, options.peers, options.threads, options.limit, tokens_per_second, say,
        dict(options.setting), cap,
    )  # fmt: skip
    race.prepare()
    result: dict[str, Any] = {
        "schema": "multiturn.bench-decode/1",
        "model": model.name,
        "parameters": model.parameters,
        "new_tokens": options.tokens,
        "repeats": options.repeats,
        "threads": options.threads,
        "machine": started,
        "bounds": {},
        "peers": race.peers,
    }
    for count in options.counts:
        say(f"{count} sequences: bounds, then each peer's best setting")
        measured = measure_bounds(model, count, options.threads, cap)
        result["bounds"][str(count)] = {
            **measured, "tokens_per_second": bounds(model, count, measured)
        }  # fmt: skip
        race.run(_case(model, count, options), options.repeats)
        save(result, options.out)  # after each count, as a run may take an hour
    result["load_average_after"] = os.getloadavg()
    save(result, options.out)
    print(table(result))


def tokens_per_second(_job: Job, counts: list[int], seconds: float) -> float:
    """New tokens per second over all sequences."""
    return sum(counts) / seconds


def bounds(model: Model, count: int, measured: dict[str, Any]) -> dict[str, float]:
    """The upper bound of tokens per second by dtype: by memory or products, whichever is slower.

    Prefill, the KV cache and everything but matrices are neglected; and the products of a dtype
    that no installed package multiplies, so that memory alone bounds it.
    """
    found = {}
    for dtype, size in BYTES_PER_WEIGHT.items():
        reading = model.parameters * size / measured["bytes_read_per_second"]
        rate = measured["operations_per_second"].get(dtype, math.inf)
        products = 2 * model.parameters * count / rate
        found[dtype] = count / max(reading, products)
    return found


def table(result: dict[str, Any]) -> str:
    """The results in Markdown."""
    titles = ["sampled", "greedy"]
    columns = [(count, title) for count in result["bounds"] for title in titles]
    head = " | ".join(f"{count}, {title}" for count, title in columns)
    lines = [
        f"{result['model']}, tokens a second by number of sequences; in brackets: of the first",
        machine_line(result["machine"]),
        "",
        f"| engine, setting | {head} | load, s | peak memory, MB |",
        "|---|" + "---|" * (len(columns) + 2),
    ]
    for record in result["peers"].values():
        if "failed" in record:
            lines.append(f"| {record['title']} | {record['failed']} |")
            continue
        by_count = {str(case["count"]): case for case in record["cases"]}
        cells = [_cell(by_count[count], title) for count, title in columns if count in by_count]
        used = dict.fromkeys(case["setting"] for case in record["cases"] if "setting" in case)
        loads = [case["load_seconds"] for case in record["cases"] if "load_seconds" in case]
        peaks = [case["peak_bytes"] for case in record["cases"] if "peak_bytes" in case]
        lines.append(
            f"| {record['title']}: {'; '.join(used)} | {' | '.join(cells)} |"
            f" {max(loads, default=0):.1f} | {max(peaks, default=0) / 1e6:.0f} |"
        )
    for dtype in BYTES_PER_WEIGHT:
        cells = [
            f"{result['bounds'][count]['tokens_per_second'][dtype]:.0f}" for count, _ in columns
        ]
        measured = next(iter(result["bounds"].values()))["operations_per_second"]
        of = "" if dtype in measured else ", of memory alone"
        lines.append(f"| bound, weights in {dtype}{of} | {' | '.join(cells)} | | |")
    return "\n".join(lines)


def _cell(case: dict[str, Any], title: str) -> str:
    found = case.get("jobs", {}).get(title)
    if found is None or "failed" in found:
        return "failed"
    ratio = found["ratio_to_first"]
    return f"{found['tokens_per_second']:.1f}" + (f" ({ratio:.2f})" if ratio else "")


def _case(model: Model, count: int, options: argparse.Namespace) -> Case:
    if model.name.endswith(RANDOM):
        prompts = random_prompts(count, 18, 40, tokenizer_of(model.gguf).size)
    else:
        prompts = short_prompts(count, tokenizer_of(model.gguf).encode)
    search = Job(prompts=prompts, new_tokens=options.search_tokens, sample=True)
    jobs = {
        "sampled": Job(prompts=prompts, new_tokens=options.tokens, sample=True),
        "greedy": Job(prompts=prompts, new_tokens=options.tokens, sample=False),
    }
    return Case(f"{count} sequences", count, search, jobs)


def _options() -> argparse.Namespace:
    parser = common_options(__doc__)
    parser.add_argument("--counts", type=numbers, help="of sequences, such as 1,16,64")
    parser.add_argument("--tokens", type=int, help="new ones for each sequence")
    parser.add_argument("--search-tokens", type=int, help="new ones while settings are compared")
    options = parser.parse_args()
    usual = {"model": "qwen2.5-coder-0.5b", "counts": [1, 16, 64], "repeats": 3}
    fast = {"model": "smollm2-135m", "counts": [1, 16], "repeats": 1}
    fill_in(
        options,
        {**usual, "tokens": 64, "search_tokens": 16},
        {**fast, "tokens": 16, "search_tokens": 8},
    )
    return options


if __name__ == "__main__":
    main()
