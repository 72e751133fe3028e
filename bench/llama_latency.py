"""How soon a later turn begins to be written, and how fast; both beside what they compare with.

Two measurements in one run, interleaved so that other work on the machine meets both sides:

- time to the first token of each later turn of a session, with the engine's cache warm,
  against the same engine prefilling the full history again;
- tokens a second of this engine, without and with log-probabilities, against llama.cpp's
  bare Python server with nothing done to its tokens: with the same kernels ("bare"), and with
  those it takes by default.

    python bench/llama_latency.py --out bench/results/llama_latency.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from pathlib import Path
from typing import Any

from multiturn.engines.llama_cpp import LlamaCppEngine, open_llama_cpp
from multiturn.engines.protocol import Request, generate
from multiturn.hub.downloads import pull
from multiturn.hub.llama_cpp_library import import_xllamacpp
from multiturn.text.truncation import PublishedRule

TURNS = (
    "Make a list named temperatures with twelve numbers between -5 and 30",
    "Compute the mean of temperatures and keep it in a variable named mean",
    "Make a list named warm with the temperatures above the mean",
    "Write a function named to_fahrenheit that turns Celsius into Fahrenheit",
    "Use to_fahrenheit on every number of warm and keep the result in warm_fahrenheit",
    "Make a dictionary from each number of warm to its value in Fahrenheit",
    "Sort the dictionary by its values, the highest first",
    "Print each pair of the dictionary on a line of its own with one decimal",
)
HEADER = "# Import libraries.\n\nimport numpy as np\n\n"
CONTEXT = 4096
REST = 1.0
"""Seconds between a turn and the next."""


def main() -> None:
    """Measure, print and save."""
    options = _options()
    path = pull(options.model)
    threads = options.threads or len(os.sched_getaffinity(0))
    first_token: list[dict[str, Any]] = []
    if options.repeats:
        with (
            open_llama_cpp(path, context=CONTEXT, threads=threads) as warm,
            open_llama_cpp(path, context=CONTEXT, threads=threads) as cold,
        ):
            first_token = measure_first_token(warm, cold, options.repeats, options.max_tokens)
    with open_llama_cpp(path, context=CONTEXT, threads=threads) as engine:
        decoding = measure_decoding(engine, path, threads, options.decodings, options.tokens)
    result = {
        "model": path.name,
        "engine": engine.info.engine,
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} CPUs",
        "load_average": os.getloadavg(),
        "threads": threads,
        "first_token_seconds": first_token,
        **decoding,
    }
    _show(result)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(result, indent=2) + "\n")


def measure_first_token(
    warm: LlamaCppEngine, cold: LlamaCppEngine, repeats: int, max_tokens: int
) -> list[dict[str, Any]]:
    """Seconds to the first token of turns 2 to 8, with and without what was read before."""
    turns: list[dict[str, Any]] = [
        {"turn": number, "prompt_tokens": 0, "cached_tokens": 0, "warm": [], "cold": []}
        for number in range(1, len(TURNS) + 1)
    ]
    for repeat in range(repeats):
        history = HEADER
        for turn, words in zip(turns, TURNS, strict=True):
            prompt = f"{history}# {words}\n"
            request = Request(
                prompt=prompt,
                temperature=0.2,
                max_tokens=max_tokens,
                stop=PublishedRule(),
                session=f"session {repeat}",
            )
            (done,) = generate(warm, request)
            # The engine reads what it wrote once more, in the background; a person takes
            # longer to read it. Neither side is measured while it does.
            time.sleep(REST)
            (again,) = generate(cold, Request(prompt=prompt, temperature=0.2, max_tokens=1))
            turn["warm"].append(done.timings.to_first_token)
            turn["cold"].append(again.timings.to_first_token)
            turn["prompt_tokens"] = done.prompt_tokens
            turn["cached_tokens"] = done.cached_tokens
            history = f"{prompt}{done.text.rstrip() or 'pass'}\n\n"
    for turn in turns:
        turn["times_sooner"] = statistics.median(turn["cold"]) / statistics.median(turn["warm"])
    return turns[1:]


def measure_decoding(
    engine: LlamaCppEngine, path: Path, threads: int, repeats: int, tokens: int
) -> dict[str, dict[str, list[float]]]:
    """Tokens a second after the first one; and CPU time a token, the prompt's share included.

    The second hardly depends on what else the machine does, as threads that wait sleep.
    """
    bare = _bare_server(path, threads, same_kernels=True)
    default = _bare_server(path, threads, same_kernels=False)
    prompt = f"{HEADER}# {TURNS[0]}\n"
    names = ("bare", "bare_by_default", "engine", "engine_with_logprobs")
    speeds: dict[str, list[float]] = {name: [] for name in names}
    work: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(repeats):
        for name, server in (("bare", bare), ("bare_by_default", default)):
            before = time.process_time()
            speeds[name].append(_bare_speed(server, prompt, tokens))
            work[name].append((time.process_time() - before) / tokens)
        for name, logprobs in (("engine", False), ("engine_with_logprobs", True)):
            before = time.process_time()
            request = Request(
                prompt=prompt, temperature=0.8, max_tokens=tokens, seed=7, logprobs=logprobs
            )
            (done,) = generate(engine, request)
            elapsed = done.timings.total - done.timings.to_first_token
            speeds[name].append((len(done.tokens) - 1) / elapsed)
            work[name].append((time.process_time() - before) / len(done.tokens))
    return {"tokens_per_second": speeds, "cpu_seconds_per_token": work}


def _bare_server(path: Path, threads: int, *, same_kernels: bool) -> Any:
    xllamacpp = import_xllamacpp()
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = CONTEXT
    params.n_parallel = 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.fit_params = params.warmup = False
    params.verbosity = -1
    if same_kernels:
        params.no_extra_bufts = True
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_ENABLED
        params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_Q8_0
    return xllamacpp.Server(params)


def _bare_speed(server: Any, prompt: str, tokens: int) -> float:
    times: list[float] = []

    def arrived(_answer: object) -> bool:
        times.append(time.perf_counter())
        return False

    body = {
        "prompt": prompt,
        "max_tokens": tokens,
        "temperature": 0.8,
        "top_k": 0,
        "top_p": 0.95,
        "samplers": ["temperature", "top_k", "top_p"],
        "seed": 7,
        "cache_prompt": False,
        "stream": True,
    }
    server.handle_completions(body, arrived)
    # The last call only tells the end.
    return (len(times) - 2) / (times[-1] - times[0])


def _show(result: dict[str, Any]) -> None:
    print(f"{result['model']}, {result['threads']} threads, load {result['load_average'][0]:.1f}")
    if result["first_token_seconds"]:
        _show_first_token(result["first_token_seconds"])
    bare = result["tokens_per_second"]["bare"]
    for name, speeds in result["tokens_per_second"].items():
        pairs = [ours / theirs for ours, theirs in zip(speeds, bare, strict=True)]
        work = 1000 * statistics.median(result["cpu_seconds_per_token"][name])
        print(
            f"{name:20} {statistics.median(speeds):6.1f} tokens/s"
            f" ({min(speeds):.1f} to {max(speeds):.1f}, n={len(speeds)}),"
            f" median of ratios to bare {statistics.median(pairs):.3f};"
            f" {work:.2f} ms CPU a token"
        )


def _show_first_token(turns: list[dict[str, Any]]) -> None:
    print("turn  prompt  cached  warm, s  whole, s  times sooner")
    for turn in turns:
        print(
            f"{turn['turn']:4}  {turn['prompt_tokens']:6}  {turn['cached_tokens']:6}"
            f"  {statistics.median(turn['warm']):7.3f}  {statistics.median(turn['cold']):8.3f}"
            f"  {turn['times_sooner']:12.1f}"
        )
    ratios = [turn["times_sooner"] for turn in turns]
    print(f"median {statistics.median(ratios):.1f} times sooner, least {min(ratios):.1f}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="qwen2.5-coder-0.5b", help="name or path")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--repeats", type=int, default=5, help="sessions; 0 to leave them out")
    parser.add_argument("--decodings", type=int, default=10, help="for the speed")
    parser.add_argument("--max-tokens", type=int, default=48, help="of each turn")
    parser.add_argument("--tokens", type=int, default=96, help="to decode for the speed")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
