"""Prefill throughput of this project's engines and their peers, on the same weights.

The prompts are Python of exactly 512 or 2,048 tokens. The time is that of a call with one new token
(time to first token). The share is of the machine's peak throughput for matrix products of the
model's shape, measured in the same run, in its fastest dtype.

    python bench/prefill.py --out bench/results/prefill.json
    python bench/prefill.py --fast --peers native,openvino
"""

from __future__ import annotations

import argparse
import os
from typing import Any

from peers.drive import Case, Race, measure_bounds
from peers.hub_directory import RANDOM, prepare, tokenizer_of
from peers.jobs import Job, Model, long_prompts, random_prompts
from peers.machine import describe_machine, machine_line
from peers.options import common_options, fill_in, save, say
from peers.processor_cap import capped_environment

SIZES = ((1, 512), (8, 512), (1, 2048))
"""Prompts in one call, and tokens of each."""
_MAX_ROWS = 1024
"""Products reach their peak below this; more would only take longer to measure."""


def main() -> None:
    """Measure, print, save."""
    options = _options()
    model = prepare(options.model, options.prepared)
    cap = capped_environment(options.cap, options.prepared)
    started = describe_machine(options.cap)
    race = Race(
        model, options.peers, options.threads, options.limit, read_per_second, say,
        dict(options.setting), cap,
    )  # fmt: skip
    race.prepare()
    result: dict[str, Any] = {
        "schema": "multiturn.bench-prefill/1",
        "model": model.name,
        "parameters": model.parameters,
        "repeats": options.repeats,
        "threads": options.threads,
        "machine": started,
        "bounds": {},
        "peers": race.peers,
    }
    for count, tokens in options.sizes:
        case = _case(model, count, tokens)
        say(f"{case.name}: bounds, then each peer's best setting")
        measured = measure_bounds(model, min(count * tokens, _MAX_ROWS), options.threads, cap)
        result["bounds"][case.name] = {**measured, "tokens_per_second": bounds(model, measured)}
        race.run(case, options.repeats)
        save(result, options.out)
    result["load_average_after"] = os.getloadavg()
    save(result, options.out)
    print(table(result))


def read_per_second(job: Job, _counts: list[int], seconds: float) -> float:
    """Prompt tokens per second over all prompts."""
    return sum(map(len, job.prompts)) / seconds


def bounds(model: Model, measured: dict[str, Any]) -> dict[str, float]:
    """Most tokens a second by products alone, the head counted once for every token.

    The head is needed for the last token of each prompt only, so a share above 1 is possible
    for a model whose vocabulary is most of it; attention counts for nothing here.
    """
    return {
        dtype: speed / (2 * model.parameters)
        for dtype, speed in measured["operations_per_second"].items()
    }


def table(result: dict[str, Any]) -> str:
    """The results in Markdown."""
    names = list(result["bounds"])
    lines = [
        f"{result['model']}, tokens read a second (of the first engine; of the bound)",
        machine_line(result["machine"]),
        "",
        f"| engine | {' | '.join(names)} |",
        "|---|" + "---|" * len(names),
    ]
    for record in result["peers"].values():
        if "failed" in record:
            lines.append(f"| {record['title']} | {record['failed']} |")
            continue
        by_name = {case["case"]: case for case in record["cases"]}
        cells = [_cell(by_name.get(name, {}), result["bounds"][name]) for name in names]
        lines.append(f"| {record['title']} | {' | '.join(cells)} |")
    for dtype in ("float32", "bfloat16", "int8"):
        found = [result["bounds"][name]["tokens_per_second"].get(dtype) for name in names]
        cells = ["" if speed is None else f"{speed:.0f}" for speed in found]
        lines.append(f"| bound, products in {dtype} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(case: dict[str, Any], bound: dict[str, Any]) -> str:
    found = case.get("jobs", {}).get("read")
    if found is None or "failed" in found:
        return "failed"
    share = found["tokens_per_second"] / max(bound["tokens_per_second"].values())
    ratio = found["ratio_to_first"]
    first = f"{ratio:.2f}; " if ratio else ""
    return f"{case['setting']}: {found['tokens_per_second']:.0f} ({first}{share:.0%})"


def _case(model: Model, count: int, tokens: int) -> Case:
    tokenizer = tokenizer_of(model.gguf)
    if model.name.endswith(RANDOM):
        prompts = random_prompts(count, tokens, tokens, tokenizer.size)
    else:
        prompts = long_prompts(count, tokens, tokenizer.encode)
    job = Job(prompts=prompts, new_tokens=1, sample=False)
    return Case(f"{count} x {tokens} tokens", count, job, {"read": job})


def _options() -> argparse.Namespace:
    options = common_options(__doc__).parse_args()
    options.sizes = SIZES[:1] if options.fast else SIZES
    fill_in(
        options,
        {"model": "qwen2.5-coder-0.5b", "repeats": 3},
        {"model": "smollm2-135m", "repeats": 1},
    )
    return options


if __name__ == "__main__":
    main()
