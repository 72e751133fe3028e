"""How fast the kernels and the memory of this machine are, measured in a fraction of a second."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from multiturn.models.config import DecoderConfig, llama_config
from multiturn.models.native.arrays import array_shapes
from multiturn.models.native.decoder import ForwardRow, NativeDecoder, Precision

__all__ = ["KernelSpeed", "kernel_speed", "read_bandwidth", "step_seconds"]

_REPEATS = 6
_MAX_SECONDS = 0.3
_READ_BYTES = 256 << 20
"""Larger than the caches of most processors."""


@dataclass(frozen=True, slots=True)
class KernelSpeed:
    """What the kernels reach with matrices of a 0.5B model, in one precision.

    Attributes:
        precision: of the weights.
        weight_bandwidth: bytes of weights a second, for one sequence.
        operations: multiplications and additions a second, for 64 sequences.
    """

    precision: Precision
    weight_bandwidth: float
    operations: float


def step_seconds(decoders: Sequence[NativeDecoder], rows: int) -> list[float]:
    """The shortest time of a decode step in each decoder, without the output head.

    They take turns, so that a moment in which the machine is busy is everyone's.

    Args:
        decoders: whose arrays are all set.
        rows: sequences of the step.
    """
    caches = [[decoder.new_cache() for _ in range(rows)] for decoder in decoders]
    best = [float("inf")] * len(decoders)
    end = time.perf_counter() + _MAX_SECONDS
    for repeat in range(_REPEATS):
        if repeat >= 2 and time.perf_counter() > end:
            break  # on a busy machine
        for index, decoder in enumerate(decoders):
            batch = [ForwardRow([1], cache, "none") for cache in caches[index]]
            begin = time.perf_counter()
            decoder.forward(batch)
            best[index] = min(best[index], time.perf_counter() - begin)
    return best


def kernel_speed(precision: Precision = "int8") -> KernelSpeed:
    """Measure a decode step of one and of 64 sequences, with random weights.

    Raises:
        EngineError: the kernels cannot be compiled or loaded here.
    """
    config = _blocks_of_half_a_billion()
    draw = np.random.default_rng(0)
    row = draw.normal(size=1 << 16).astype(np.float32)
    decoder = NativeDecoder(config, precision)
    try:
        for (name, layer), shape in array_shapes(config).items():
            values = np.resize(row, shape.size).reshape(shape.inputs_first)
            decoder.set(name, layer, values)
        weights = sum(
            shape.size for (_, layer), shape in array_shapes(config).items() if layer is not None
        )
        return KernelSpeed(
            precision,
            decoder.bytes / step_seconds([decoder], 1)[0],
            2 * weights * 64 / step_seconds([decoder], 64)[0],
        )
    finally:
        decoder.close()


def read_bandwidth() -> float:
    """Bytes a second that all CPUs of this process read from memory together."""
    cpus = len(os.sched_getaffinity(0))
    parts = np.array_split(np.ones(_READ_BYTES // 8, np.uint64), cpus)
    best = float("inf")
    with ThreadPoolExecutor(cpus) as pool:
        for _ in range(_REPEATS // 2):
            begin = time.perf_counter()
            for _ in pool.map(np.add.reduce, parts):
                pass
            best = min(best, time.perf_counter() - begin)
    return _READ_BYTES / best


def _blocks_of_half_a_billion() -> DecoderConfig:
    """A few blocks of Qwen2.5-Coder-0.5B, with a small vocabulary."""
    return llama_config(
        vocab_size=64,
        layers=4,
        d_model=896,
        heads=14,
        kv_heads=2,
        mlp_dim=4864,
        max_seq_len=128,
        tie_embeddings=True,
    )
