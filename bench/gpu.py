"""All accelerator benchmarks in one command of under ten minutes.

    python bench/gpu.py --out bench/results/gpu.json
    python bench/gpu.py --small          the same on tiny models, on a CPU too

Each part runs in its own process with a time limit: a part that fails or takes too long is
recorded, and the others still run. Results are saved after each part.

- bounds: memory bandwidth, and throughput of large matrix products;
- parity: the decoder on this device against golden files of transformers (float32);
- decode: the engine's own steps in bfloat16, with the share of the memory bound: each token
  reads all weights and the KV cache of its row once;
- prefill: prompts in bfloat16, with the share of peak FLOPs;
- train: steps of the 350M model at its context in bfloat16, with model-FLOPs utilisation.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from peers.machine import describe_machine
from peers.options import save, say

from multiturn.engines.jax import decode as decoding
from multiturn.engines.jax.backend import XlaBackend
from multiturn.hub.checkpoints.reading import load_parameters, open_checkpoint
from multiturn.models.arrays import initialize
from multiturn.models.config import DecoderConfig, named_config
from multiturn.models.decoder import forward, hidden_states, unembed
from multiturn.models.generate import generate_reference
from multiturn.models.parameters import named_arrays, parameter_specs
from multiturn.models.plan import plan_of

GOLDEN = Path(__file__).parent.parent / "tests" / "golden"
TOLERANCE = 2e-4
HISTORY = 512
"""Tokens in each row before decoding starts."""

Result = dict[str, Any]


# --- Bounds -------------------------------------------------------------------------------


def measure_bounds(small: bool) -> Iterator[Result]:
    """Copy and triad of arrays far larger than any cache, and square products."""
    count = (1 << 22) if small else (1 << 29)
    a, b = jnp.ones(count, jnp.bfloat16), jnp.ones(count, jnp.bfloat16)
    copy = jax.jit(lambda x: x + 1)
    triad = jax.jit(lambda x, y: x + 3 * y)
    yield {"copy_bytes_per_second": 2 * a.nbytes / _seconds(lambda: copy(a))}
    yield {"triad_bytes_per_second": 3 * a.nbytes / _seconds(lambda: triad(a, b))}
    size = 512 if small else 8192
    for dtype in ("bfloat16", "float32"):
        square = jnp.ones((size, size), dtype)
        multiply = jax.jit(lambda x: x @ x)
        yield {
            f"{dtype}_operations_per_second": 2 * size**3
            / _seconds(lambda f=multiply, x=square: f(x))
        }  # fmt: skip


# --- Parity -------------------------------------------------------------------------------


def measure_parity(small: bool) -> Iterator[Result]:
    """The golden files' logits and greedy tokens; float32, to the tests' own tolerance."""
    for directory in sorted(GOLDEN.iterdir()):
        checkpoint = open_checkpoint(directory)
        parameters = load_parameters(checkpoint, "float32")
        expected = json.loads((directory / "expected.json").read_text("utf-8"))
        prompt = np.array([expected["prompt"]])
        logits = np.asarray(
            jax.jit(forward, static_argnums=2)(parameters, prompt, checkpoint.config)
        )
        difference = float(np.abs(logits[0] - np.load(directory / "logits.npy")).max())
        greedy = expected["greedy"][: 8 if small else None]
        written = generate_reference(
            parameters, checkpoint.config, expected["prompt"], max_tokens=len(greedy)
        )
        same = sum(ours == theirs for ours, theirs in zip(written, greedy, strict=True))
        yield {
            "model": directory.name,
            "greatest_logit_difference": difference,
            "tolerance": TOLERANCE,
            "same_greedy_tokens": same,
            "greedy_tokens": len(greedy),
            "agrees": difference <= TOLERANCE and same == len(greedy),
        }


# --- Decode -------------------------------------------------------------------------------


def measure_decode(small: bool) -> Iterator[Result]:
    """Blocks of the engine's compiled steps, no slot idle, at temperature 0.8 and top-p 0.95."""
    for name in ("codegen-micro",) if small else ("codegen-350m-mono", "codegen-2b-mono"):
        config = named_config(name)
        weights = _weights(config)
        for rows in (1, 4) if small else (1, 16, 64, 256):
            yield {"model": name, "batch": rows, **_decode(config, weights, rows, small)}
        del weights


def _decode(config: DecoderConfig, weights: Any, rows: int, small: bool) -> Result:
    history = 32 if small else HISTORY
    capacity = history + 64 * (2 if small else 8)
    backend = XlaBackend(config, dtype=jnp.bfloat16, decode_batch_sizes=(rows,))
    block = decoding.MAX_DECODE_STEPS
    state = decoding.empty_state(backend, rows, capacity)
    cache = replace(state.cache, lengths=jnp.full((rows,), history, jnp.int32))
    state = replace(state, cache=cache)
    params = decoding.SlotParams(
        changed=jnp.ones((rows,), bool),
        token=jnp.arange(rows, dtype=jnp.int32) % config.vocab_size,
        remaining=jnp.full((rows,), block, jnp.int32),
        seed=jnp.arange(rows, dtype=jnp.int32),
        temperature=jnp.full((rows,), 0.8, jnp.float32),
        top_p=jnp.full((rows,), 0.95, jnp.float32),
        top_k=jnp.zeros((rows,), jnp.int32),
        want_logprobs=jnp.zeros((rows,), bool),
    )
    times = []
    begun = time.perf_counter()
    for _ in range(3 if small else 8):
        started = time.perf_counter()
        state, written = decoding.decode(backend, (), weights, state, params, jnp.int32(block))
        jax.block_until_ready(written.tokens)
        times.append(time.perf_counter() - started)
        cache = replace(state.cache, lengths=jnp.full((rows,), history, jnp.int32))
        state = replace(state, cache=cache)
    seconds = statistics.median(times[1:]) / block
    keys_and_values = plan_of("model", config).cache_bytes_per_token["bfloat16"]
    read = sum(array.nbytes for name, array in named_arrays(weights) if name != "embedding")
    return {
        "seconds_per_step": seconds,
        "tokens_per_second": rows / seconds,
        "bytes_per_step": read + rows * (history + block // 2) * keys_and_values,
        "compile_seconds": times[0],
        "whole_seconds": time.perf_counter() - begun,
    }


# --- Prefill ------------------------------------------------------------------------------


def measure_prefill(small: bool) -> Iterator[Result]:
    """Prefill in one call, with logits for the last token of each prompt."""
    name = "codegen-micro" if small else "codegen-350m-mono"
    config = named_config(name)
    weights = _weights(config)
    inner = sum(array.size for at, array in named_arrays(weights.layers))

    @jax.jit
    def read(weights: Any, tokens: Any) -> Any:
        return unembed(weights, hidden_states(weights, tokens, config)[:, -1:])

    for rows, length in ((1, 64),) if small else ((1, 512), (8, 512), (1, 2048), (8, 2048)):
        tokens = jnp.ones((rows, length), jnp.int32)
        seconds = _seconds(lambda tokens=tokens: read(weights, tokens))
        # Half of the attention products, because of the causal mask, as in the training part.
        attention = 2 * config.layers * config.heads * config.head_dim * length
        operations = rows * length * (2 * inner + attention)
        yield {
            "model": name,
            "batch": rows,
            "length": length,
            "tokens_per_second": rows * length / seconds,
            "operations_per_second": operations / seconds,
        }


# --- Train --------------------------------------------------------------------------------


def measure_train(small: bool) -> Iterator[Result]:
    """Optimizer steps on random tokens, by batch size and rematerialization."""
    if importlib.util.find_spec("optax") is None:
        raise ModuleNotFoundError("training is not there: optax is not installed")
    from multiturn.jaxformer.run.flops import flops_per_token, peak_flops

    name = "codegen-nano" if small else "codegen-350m-mono"
    config = named_config(name)
    length = 32 if small else config.max_seq_len
    peak = peak_flops(jax.devices()[0], "bfloat16")
    for sequences, remat in ((2, "none"),) if small else ((8, "dots"), (16, "dots"), (16, "full")):
        try:
            seconds = _train_step(config, sequences, length, remat)
        except jax.errors.JaxRuntimeError as error:  # most likely out of memory
            yield {"sequences": sequences, "remat": remat, "failed": str(error).partition("\n")[0]}
            continue
        speed = sequences * length / seconds
        yield {
            "model": name,
            "sequences": sequences,
            "length": length,
            "remat": remat,
            "seconds_per_step": seconds,
            "tokens_per_second": speed,
            "peak_operations_per_second": peak,
            "utilisation": speed * flops_per_token(config, length) / peak,
        }


def _train_step(config: DecoderConfig, sequences: int, length: int, remat: Any) -> float:
    from multiturn.jaxformer.config import (
        BatchConfig,
        MeshConfig,
        OptimizerConfig,
        PrecisionConfig,
        ScheduleConfig,
    )
    from multiturn.jaxformer.parallel.mesh import make_mesh
    from multiturn.jaxformer.step.state import Batch, full_partition, init_state
    from multiturn.jaxformer.step.train_step import make_train_step

    mesh = make_mesh(MeshConfig(), jax.devices()[:1])
    partition = full_partition(config)
    step = make_train_step(
        partition,
        mesh,
        batch=BatchConfig(sequences=sequences, length=length),
        schedule=ScheduleConfig(peak=1e-4, end=1e-5, warmup_steps=1, decay_steps=100),
        optimizer=OptimizerConfig(),
        precision=PrecisionConfig(remat=remat),
    )
    state = init_state(partition, step.optimizer, mesh, 0)
    random = np.random.default_rng(0)
    drawn = random.integers(0, config.vocab_size, (sequences, length + 1), np.int32)
    shape = (sequences, length)
    batch = jax.device_put(
        Batch(drawn[:, :-1], drawn[:, 1:], np.ones(shape, np.float32), np.zeros(shape, np.int32)),
        jax.tree.map(lambda shape: shape.sharding, step.batch),
    )
    times = []
    for _ in range(6):
        started = time.perf_counter()
        state, metrics = step.train(state, batch, None)
        loss = float(metrics.loss)
        times.append(time.perf_counter() - started)
        if not np.isfinite(loss):
            raise ValueError(f"the loss is {loss}")
    return statistics.median(times[1:])


# --- The run ------------------------------------------------------------------------------

PARTS: dict[str, tuple[Callable[[bool], Iterator[Result]], int]] = {
    "bounds": (measure_bounds, 60),
    "parity": (measure_parity, 110),
    "decode": (measure_decode, 180),
    "prefill": (measure_prefill, 60),
    "train": (measure_train, 170),
}
"""What measures each, and its limit in seconds: 580 in all."""


def main() -> int:
    """Run the parts; the exit code says whether all of them came through and parity held."""
    options = _options()
    if options.child:
        return _run_child(options)
    begun = time.monotonic()
    result: Result = {
        "schema": "multiturn.bench-gpu/1",
        "small": options.small,
        "machine": describe_machine(),
        "jax": jax.__version__,
        "parts": {},
    }
    for part in options.parts:
        result["parts"][part] = _run_part(part, options.small, PARTS[part][1])
        _add_shares(result)
        result["seconds"] = time.monotonic() - begun
        save(result, options.out)
    print(json.dumps(result, indent=2))
    parts = result["parts"].values()
    agrees = [found.get("agrees", True) for part in parts for found in part["results"]]
    return 0 if all(agrees) and not any("failed" in part for part in parts) else 1


def _run_part(part: str, small: bool, limit: int) -> Result:
    say(f"{part}: up to {limit} s")
    command = [sys.executable, __file__, "--child", part, *(["--small"] if small else [])]
    begun = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    late = threading.Event()
    timer = threading.Timer(limit, lambda: (late.set(), child.kill()))
    timer.start()
    out, errors = child.communicate()
    timer.cancel()
    results = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    record: Result = {"results": results, "seconds": time.monotonic() - begun}
    if late.is_set():
        record["failed"] = f"not done within {limit} s"
    elif child.returncode:
        lines = errors.strip().splitlines()
        record["failed"] = lines[-1] if lines else f"exit code {child.returncode}"
    if "failed" in record:
        say(f"{part} failed: {record['failed']}")
    return record


def _run_child(options: argparse.Namespace) -> int:
    device = jax.devices()[0]
    print(json.dumps({"device": device.device_kind, "platform": device.platform}), flush=True)
    for found in PARTS[options.child][0](options.small):
        print(json.dumps(found), flush=True)
    return 0


def _add_shares(result: Result) -> None:
    """Decode against the bandwidth, prefill against the products, once both were measured."""
    parts = result["parts"]
    bounds = {key: value for found in _results(parts, "bounds") for key, value in found.items()}
    bandwidth = max(
        (bounds[name] for name in bounds if name.endswith("bytes_per_second")), default=None
    )
    for found in _results(parts, "decode"):
        if bandwidth and "bytes_per_step" in found:
            reached = found["bytes_per_step"] / found["seconds_per_step"]
            found["share_of_memory_bound"] = reached / bandwidth
    peak = bounds.get("bfloat16_operations_per_second")
    for found in _results(parts, "prefill"):
        if peak and "operations_per_second" in found:
            found["share_of_peak"] = found["operations_per_second"] / peak


def _results(parts: Result, name: str) -> list[Result]:
    found: list[Result] = parts.get(name, {}).get("results", [])
    return found


def _weights(config: DecoderConfig) -> Any:
    weights = initialize(parameter_specs(config, jnp.bfloat16), 0)
    return jax.block_until_ready(weights)


def _seconds(step: Callable[[], Any]) -> float:
    """Of one call, the median of several after the first."""
    times = []
    for _ in range(6):
        started = time.perf_counter()
        jax.block_until_ready(step())
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--small", action="store_true", help="tiny models; runs on a CPU")
    parser.add_argument("--parts", default=list(PARTS), type=_parts, help=",".join(PARTS))
    parser.add_argument("--out", type=Path, help="where the results go, as JSON")
    parser.add_argument("--child", choices=PARTS, help=argparse.SUPPRESS)
    return parser.parse_args()


def _parts(text: str) -> list[str]:
    names = text.split(",")
    if strange := [name for name in names if name not in PARTS]:
        raise argparse.ArgumentTypeError(f"got {strange[0]!r}; allowed: {', '.join(PARTS)}")
    return names


if __name__ == "__main__":
    # Half of the memory at once would be no measure of what is needed.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    sys.exit(main())
