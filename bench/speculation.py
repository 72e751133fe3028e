"""What speculation by prompt lookup saves: the same requests with and without it, in pairs.

Two kinds of requests: `repair` has a program with a fault in its prompt and asks for the program
again, corrected; `fresh` asks for a function by its signature. The texts are the same with and
without, so the ratio of seconds is the gain. Pairs alternate their order, and the median of the
ratios does not depend on how busy the machine is.

    python bench/speculation.py --model qwen2.5-coder-0.5b --out bench/results/speculation.json
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import statistics
from pathlib import Path
from typing import Any

from peers.machine import describe_machine

from multiturn.engines.native.engine import NativeEngine
from multiturn.engines.native.loader import open_native
from multiturn.engines.protocol import Request, generate
from multiturn.hub.resolve_model import resolve_model
from multiturn.text.truncation import StopStrings

SOURCE = Path(__file__).parents[1] / "src" / "multiturn"
TEMPERATURES = (0.0, 0.6)


def functions(count: int, *, min_lines: int = 10, max_lines: int = 30) -> list[tuple[str, str]]:
    """Functions of this project, spread over its files: their names and sources."""
    found = []
    for file in sorted(SOURCE.rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        for node in ast.parse(text).body:
            if not isinstance(node, ast.FunctionDef):
                continue
            source = ast.get_source_segment(text, node) or ""
            if min_lines <= source.count("\n") < max_lines and len(source) < 1200:
                found.append((node.name, source))
    return found[:: max(1, len(found) // count)][:count]


def repair_prompt(name: str, source: str) -> str:
    """A program whose last `return` names an unknown variable, and the request to correct it."""
    head, found, tail = source.rpartition("return ")
    broken = f"{head}{found}re_{tail}" if found else source
    return (
        f"```python\n{broken}\n```\n\nNameError in {name}: a name after `return` is not defined. "
        "The same function with the name corrected:\n\n```python\n"
    )


def fresh_prompt(_name: str, source: str) -> str:
    """The signature alone."""
    return source[: source.index("\n") + 1]


def main() -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="qwen2.5-coder-0.5b")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--programs", type=int, default=12)
    parser.add_argument("--tokens", type=int, default=96)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    path = resolve_model(options.model)
    settings = {"dtype": options.dtype, "threads": options.threads, "context": 2048}
    with (
        open_native(path, **settings, speculate=False) as plain,
        open_native(path, **settings) as drafting,
    ):
        result: dict[str, Any] = {
            "schema": "multiturn.bench-speculation/1",
            "engine": f"{drafting.info.engine}, {drafting.info.kernels}",
            "model": drafting.info.model,
            "machine": describe_machine(None),
            "threads": options.threads,
            "kinds": {},
        }
        for kind, prompt_of in (("repair", repair_prompt), ("fresh", fresh_prompt)):
            for temperature in TEMPERATURES:
                requests = [
                    Request(
                        prompt=prompt_of(name, source),
                        temperature=temperature,
                        max_tokens=options.tokens,
                        seed=number,
                        stop=StopStrings(("```",)),
                    )
                    for number, (name, source) in enumerate(functions(options.programs))
                ]
                found = pairs(plain, drafting, requests)
                result["kinds"][f"{kind} at {temperature}"] = found
                print(kind, temperature, {k: v for k, v in found.items() if k != "ratios"})
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def pairs(plain: NativeEngine, drafting: NativeEngine, requests: list[Request]) -> dict[str, Any]:
    """The seconds of each request without over those with speculation; prefill is not counted."""
    ratios, tokens, seconds = [], 0, [0.0, 0.0]
    for number, request in enumerate(requests):
        engines = [plain, drafting] if number % 2 else [drafting, plain]
        taken = {}
        texts = set()
        for engine in engines:
            (done,) = generate(engine, request)
            taken[engine is drafting] = done.timings.total - done.timings.to_first_token
            texts.add(done.tokens)
        assert len(texts) == 1, "speculation changed a text"
        count = len(texts.pop())
        if count < 8:
            continue
        tokens += count
        ratios.append(taken[False] / taken[True])
        seconds = [seconds[0] + taken[False], seconds[1] + taken[True]]
    return {
        "requests": len(ratios),
        "tokens": tokens,
        "median_gain": round(statistics.median(ratios), 3),
        "gain_of_all": round(seconds[0] / seconds[1], 3),
        "tokens_per_second": round(tokens / seconds[0], 1),
        "tokens_per_second_with": round(tokens / seconds[1], 1),
        "ratios": [round(each, 3) for each in ratios],
    }


if __name__ == "__main__":
    main()
