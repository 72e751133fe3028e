"""The decode step of a full decoder on the CPU: XLA compared with the native kernels.

Random weights in the shape of Qwen2.5-Coder-0.5B (or of a smaller model), with a hundred tokens in
each row; a step takes one token of each row and computes its logits. The designs take turns, so
that other load on the machine affects all of them; the minimum and the median time are reported,
beside the roofline of the machine, which is measured in the same run.

    python bench/kernels.py --out bench/results/kernels.json
    python bench/kernels.py --fast
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np

from multiturn.models import cache as plain_cache
from multiturn.models import decoder as plain
from multiturn.models.config import DecoderConfig, llama_config
from multiturn.models.native.compilers import find_compiler
from multiturn.models.native.decoder import ForwardRow, NativeDecoder
from multiturn.models.parameters import named_arrays, parameter_specs
from multiturn.models.plan import plan_of

QWEN = llama_config(
    vocab_size=151_936,
    layers=24,
    d_model=896,
    heads=14,
    kv_heads=2,
    mlp_dim=4_864,
    qkv_bias=True,
    tie_embeddings=True,
    max_seq_len=4_096,
    rotary_base=1e6,
)
SMOL = llama_config(
    vocab_size=49_152,
    layers=30,
    d_model=576,
    heads=9,
    kv_heads=3,
    mlp_dim=1_536,
    tie_embeddings=True,
    max_seq_len=2_048,
)
READ_BEFORE = 100
CAPACITY = 192
DESIGNS = (
    "native bfloat16",
    "native int8",
    "native float32",
    "xla scan float32",
    "xla unrolled float32",
)
# For the roofline of each design: bytes per weight, and which product throughput.
BOUNDS = {
    "bfloat16": (2, "bfloat16_gflop_s"),
    "int8": (1, "int8_gop_s"),
    "float32": (4, "float32_gflop_s"),
}


@dataclass(frozen=True)
class Step:
    """The time of one step."""

    design: str
    rows: int
    least_ms: float
    median_ms: float
    tokens_a_second: float
    """At the median time."""
    bound_ms: float | None
    """By the roofline; None where it is unknown."""


def main() -> None:
    """Measure, print and save."""
    options = _options()
    config = SMOL if options.fast else QWEN
    threads = options.threads or len(os.sched_getaffinity(0))
    roofline = measure_roofline(threads)
    print(json.dumps(roofline))
    steps = []
    for rows in options.rows:
        for step in measure(config, options.designs, rows, threads, options.repeats, roofline):
            steps.append(step)
            bound = f"{step.bound_ms:.1f}" if step.bound_ms else "?"
            print(
                f"{step.design:22} {rows:3} rows: least {step.least_ms:7.1f} ms, median "
                f"{step.median_ms:7.1f} ms, {step.tokens_a_second:6.0f} tokens/s; bound {bound} ms"
            )
    result = {
        "command": "python bench/kernels.py",
        "processor": platform.processor() or platform.machine(),
        "load_average": os.getloadavg()[0],
        "model": "smollm2-135m shape" if options.fast else "qwen2.5-coder-0.5b shape",
        "roofline": roofline,
        "steps": [asdict(step) for step in steps],
    }
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")


def measure_roofline(threads: int) -> dict[str, float]:
    """What this machine's memory and products can do at most."""
    compiler = find_compiler()
    if compiler is None:
        return {}
    source = Path(__file__).parent / "roofline.cc"
    with tempfile.TemporaryDirectory() as room:
        program = Path(room) / "roofline"
        flags = ("-std=c++20", "-O3", "-march=native", "-pthread")
        subprocess.run([*compiler.command, *flags, str(source), "-o", str(program)], check=True)
        ran = subprocess.run(
            [str(program), str(threads)], check=True, capture_output=True, text=True
        )
    found: dict[str, float] = json.loads(ran.stdout)
    return found


def measure(
    config: DecoderConfig,
    designs: list[str],
    rows: int,
    threads: int,
    repeats: int,
    roofline: dict[str, float],
) -> list[Step]:
    """Each design's step, taking turns."""
    runs = {design: _design(design, config, rows, threads) for design in designs}
    took: dict[str, list[float]] = {design: [] for design in designs}
    for turn in range(repeats + 1):
        for design, run in runs.items():
            start = time.perf_counter()
            run()
            if turn > 0:  # the first one compiles
                took[design].append(time.perf_counter() - start)
    return [
        Step(
            design=design,
            rows=rows,
            least_ms=1e3 * min(times),
            median_ms=1e3 * statistics.median(times),
            tokens_a_second=rows / statistics.median(times),
            bound_ms=_bound(design, config, rows, roofline),
        )
        for design, times in took.items()
    ]


def _bound(
    design: str, config: DecoderConfig, rows: int, roofline: dict[str, float]
) -> float | None:
    """The longer of reading all weights once, and of all their products."""
    size, products = BOUNDS[design.split()[-1]]
    if products not in roofline:
        return None
    weights = plan_of("", config).parameters
    reading = weights * size / roofline["read_gb_s"] / 1e9
    multiplying = 2 * weights * rows / roofline[products] / 1e9
    return 1e3 * max(reading, multiplying)


@partial(jax.jit, static_argnames="config", donate_argnames="cache")
def _scanned_step(weights: Any, tokens: Any, counts: Any, cache: Any, config: DecoderConfig) -> Any:
    hidden, cache = plain.forward_with_cache(weights, tokens, counts, cache, config)
    return plain.unembed(weights, hidden[:, 0]), cache


@partial(jax.jit, static_argnames="config", donate_argnames="cache")
def _unrolled_step(
    weights: Any, tokens: Any, counts: Any, cache: Any, config: DecoderConfig
) -> Any:
    scan = partial(jax.lax.scan, unroll=True)
    with mock.patch.object(jax.lax, "scan", scan):  # while it is traced
        hidden, cache = plain.forward_with_cache(weights, tokens, counts, cache, config)
    return plain.unembed(weights, hidden[:, 0]), cache


def _design(design: str, config: DecoderConfig, rows: int, threads: int) -> Callable[[], None]:
    """A function that takes one step and waits for it."""
    kind, *_, precision = design.split()
    if kind == "native":
        return _native_step(_packed(config, precision, threads), rows)
    tokens, counts = jnp.ones((rows, 1), jnp.int32), jnp.ones(rows, jnp.int32)
    before = jnp.full((rows,), READ_BEFORE, jnp.int32)
    weights = _float32(config)
    step = _scanned_step if "scan" in design else _unrolled_step
    cache = plain_cache.empty_cache(config, rows, CAPACITY)

    def run() -> None:
        nonlocal cache
        cache = type(cache)(cache.keys, cache.values, before + 0)
        logits, cache = step(weights, tokens, counts, cache, config)
        jax.block_until_ready(logits)

    return run


def _native_step(decoder: NativeDecoder, rows: int) -> Callable[[], None]:
    caches = [decoder.new_cache() for _ in range(rows)]
    before = np.ones(READ_BEFORE, np.int32)
    decoder.forward([ForwardRow(before, cache, "none") for cache in caches])
    logits = np.empty((rows, decoder.config.vocab_size), np.float32)

    def run() -> None:
        for cache in caches:
            cache.truncate(READ_BEFORE)
        decoder.unembed(decoder.forward([ForwardRow([1], cache) for cache in caches]), logits)

    return run


_made: dict[Any, Any] = {}


def _packed(config: DecoderConfig, precision: Any, threads: int) -> NativeDecoder:
    if precision not in _made:
        arrays = _by_layer(_random(config))
        _made[precision] = NativeDecoder.pack(arrays, config, precision, threads=threads)
    decoder: NativeDecoder = _made[precision]
    return decoder


def _by_layer(parameters: Any) -> Iterator[tuple[str, int | None, Any]]:
    for name, array in named_arrays(parameters):
        if name.startswith("layers."):
            for layer, part in enumerate(array):
                yield name.removeprefix("layers."), layer, part
        else:
            yield name, None, array


def _float32(config: DecoderConfig) -> Any:
    if "plain" not in _made:
        _made["plain"] = jax.tree.map(
            lambda array: jnp.asarray(array, jnp.float32), _random(config)
        )
    return _made["plain"]


def _random(config: DecoderConfig) -> Any:
    """Weights of ordinary size; their values repeat, which changes no time."""
    some = np.random.default_rng(0).standard_normal(1 << 22) * 0.02
    half = some.astype(ml_dtypes.bfloat16)
    return jax.tree.map(lambda info: np.resize(half, info.shape), parameter_specs(config))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--designs", nargs="+", choices=DESIGNS, default=list(DESIGNS))
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, help="by default one for each CPU")
    parser.add_argument("--fast", action="store_true", help="a smaller model")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
