"""The time of sampling, compared with two passes over the logits.

python bench/sampling.py --out sampling.json [--fast]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from multiturn.models.sampling import log_probabilities, sample_batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--vocabulary", type=int, default=151_936)
    parser.add_argument("--fast", action="store_true", help="three repeats instead of fifteen")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    rows, size = asked.rows, asked.vocabulary
    # As peaked as those of a code model: one likely token, many unlikely ones.
    logits = jax.random.normal(jax.random.key(0), (rows, size)) * 3
    logits = logits.at[:, 100].set(20.0)
    uniforms = jax.random.uniform(jax.random.key(1), (rows,))
    one, off = jnp.ones(rows), jnp.zeros(rows, jnp.int32)
    flat = logits.at[0, 100].set(0.0)
    cases: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
        "the bound: two maxima": (lambda x, y: (x.max(1), (x * y).max(1)), (logits, 1.5)),
        "greedy": (sample_batch, (logits, uniforms, 0 * one, one, off)),
        "top-p 0.95, temperature 0.8": (
            sample_batch,
            (logits, uniforms, 0.8 * one, 0.95 * one, off),
        ),
        "top-k 40, temperature 0.8": (sample_batch, (logits, uniforms, 0.8 * one, one, off + 40)),
        "neither, temperature 1": (sample_batch, (logits, uniforms, one, one, off)),
        "top-p 0.95, one row to be sorted": (
            sample_batch,
            (flat, uniforms, 0.8 * one, 0.95 * one, off),
        ),
        "log-probabilities": (log_probabilities, (logits, off)),
    }
    compiled = {name: jax.jit(what) for name, (what, _) in cases.items()}
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for repeat in range(4 if asked.fast else 16):
        for name, (_, arguments) in cases.items():
            started = time.perf_counter()
            jax.block_until_ready(compiled[name](*arguments))
            if repeat:  # the first compiles
                seconds[name].append(time.perf_counter() - started)
    result = {
        "rows": rows,
        "vocabulary": size,
        "jax": jax.__version__,
        "cpus": len(os.sched_getaffinity(0)),
        "milliseconds": {
            name: {"median": 1e3 * statistics.median(taken), "least": 1e3 * min(taken)}
            for name, taken in seconds.items()
        },
    }
    for name, taken in result["milliseconds"].items():  # type: ignore[attr-defined]
        print(f"{name:36s} {taken['median']:8.2f} ms (least {taken['least']:.2f})")
    if asked.out:
        asked.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
