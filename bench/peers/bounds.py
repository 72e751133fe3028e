"""What this machine could do at most: bytes read a second, and products a second.

Run as a process of its own by the benchmarks, as `peers.worker` is. Measured with the shapes
of the model at hand, each in every way that is installed, and the best counts:

- reading: all of an array far larger than the caches is summed up, by all threads;
- products: `rows` rows of activations with a matrix of the model's feed-forward size, in
  float32, bfloat16 and int8.

    python -m peers.bounds ROWS WIDTH OUTPUTS THREADS
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

_READ_BYTES = 1 << 29
_SECONDS = 0.6
"""For each way; the best repetition counts, as a bound is meant."""


def main() -> None:
    """Measure and print JSON."""
    rows, width, outputs, threads = map(int, sys.argv[1:])
    print(json.dumps(measure(rows, width, outputs, threads)))


def measure(rows: int, width: int, outputs: int, threads: int) -> dict[str, Any]:
    """All measurements; the name of each says how it was done."""
    reading = {name: _READ_BYTES / seconds for name, seconds in _reading(threads)}
    operations = 2 * rows * width * outputs
    products: dict[str, dict[str, float]] = {}
    for way in (_numpy_products, _torch_products, _jax_products):
        for name, dtype, step in way(rows, width, outputs, threads):
            products.setdefault(dtype, {})[name] = operations / _best(step)
    return {
        "rows": rows,
        "matrix": [width, outputs],
        "bytes_read_per_second": max(reading.values()),
        "bytes_read_per_second_by": reading,
        "operations_per_second": {dtype: max(found.values()) for dtype, found in products.items()},
        "operations_per_second_by": products,
    }


def _best(step: Callable[[], object]) -> float:
    step()
    best, until = float("inf"), time.perf_counter() + _SECONDS
    while time.perf_counter() < until:
        started = time.perf_counter()
        step()
        best = min(best, time.perf_counter() - started)
    return best


def _reading(threads: int) -> Iterator[tuple[str, float]]:
    data = np.ones(_READ_BYTES // 8, np.int64)
    with ThreadPoolExecutor(threads) as pool:
        parts = np.array_split(data, threads)
        yield "numpy or", _best(lambda: list(pool.map(np.bitwise_or.reduce, parts)))
    try:
        import torch
    except ModuleNotFoundError:
        return
    torch.set_num_threads(threads)
    tensor = torch.ones(_READ_BYTES // 4)
    yield "torch sum", _best(lambda: tensor.sum())
    matrix, vector = tensor.reshape(-1, 1024), torch.ones(1024)
    yield "torch matrix x vector", _best(lambda: matrix @ vector)


_Ways = Iterator[tuple[str, str, Callable[[], object]]]


def _numpy_products(rows: int, width: int, outputs: int, _threads: int) -> _Ways:
    random = np.random.default_rng(0)
    x = random.standard_normal((rows, width), np.float32)
    w = random.standard_normal((width, outputs), np.float32)
    yield "numpy", "float32", lambda: x @ w


def _torch_products(rows: int, width: int, outputs: int, threads: int) -> _Ways:
    try:
        import torch
    except ModuleNotFoundError:
        return
    torch.set_num_threads(threads)
    x, w = torch.randn(rows, width), torch.randn(outputs, width)
    linear = torch.nn.functional.linear
    yield "torch", "float32", lambda: linear(x, w)
    narrow_x, narrow_w = x.bfloat16(), w.bfloat16()
    yield "torch", "bfloat16", lambda: linear(narrow_x, narrow_w)
    small_x = torch.randint(-128, 127, (rows, width), dtype=torch.int8)
    small_w = torch.randint(-128, 127, (width, outputs), dtype=torch.int8)
    yield "torch", "int8", lambda: torch._int_mm(small_x, small_w)


def _jax_products(rows: int, width: int, outputs: int, _threads: int) -> _Ways:
    try:
        import jax
        import jax.numpy as jnp
    except ModuleNotFoundError:
        return
    multiply = jax.jit(lambda x, w: jnp.matmul(x, w, preferred_element_type=jnp.float32))
    for dtype in ("float32", "bfloat16"):
        x, w = jnp.ones((rows, width), dtype), jnp.ones((width, outputs), dtype)
        yield "XLA", dtype, lambda x=x, w=w: multiply(x, w).block_until_ready()


if __name__ == "__main__":
    main()
