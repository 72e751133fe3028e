"""Model FLOPs of a token, and the peak FLOP/s of devices."""

from __future__ import annotations

import time
from typing import Any

import jax
import jax.numpy as jnp

from multiturn.models.config import DecoderConfig
from multiturn.models.plan import plan_of

__all__ = ["PEAKS", "flops_per_token", "peak_flops"]

PEAKS: dict[str, float] = {
    "NVIDIA A100": 312e12,
    "NVIDIA H100 PCIe": 756e12,
    "NVIDIA H100": 989e12,
    "NVIDIA H200": 989e12,
    "NVIDIA B200": 2250e12,
    "TPU v4": 275e12,
    "TPU v5 lite": 197e12,
    "TPU v5": 459e12,
    "TPU v6 lite": 918e12,
}
"""Dense bf16 peaks from the makers' data sheets, by prefix of the device kind; the longest
matching prefix applies."""


def flops_per_token(config: DecoderConfig, length: int) -> float:
    """Model FLOPs of a training step for each token.

    Six for each weight in a matrix product (two forward, four backward; the embedding is a
    lookup), and ``6 * layers * heads * head_dim * length`` for attention, of which the causal
    mask needs half. Rematerialization does not count.
    """
    weights = plan_of("model", config).parameters
    if not config.tie_embeddings:
        weights -= config.vocab_size * config.d_model
    attention = 6 * config.layers * config.heads * config.head_dim * length
    return 6.0 * weights + attention


def peak_flops(device: Any, dtype: str) -> float:
    """The peak FLOP/s of matrix products on one device: looked up, or measured."""
    kind = str(device.device_kind)
    fits = [name for name in PEAKS if kind.startswith(name)]
    if fits and dtype == "bfloat16":
        return PEAKS[max(fits, key=len)]
    return _measured(device, dtype)


def _measured(device: Any, dtype: str) -> float:
    size = 1024 if device.platform == "cpu" else 8192
    square = jax.device_put(jnp.ones((size, size), dtype), device)
    multiply = jax.jit(lambda a: a @ a)
    multiply(square).block_until_ready()
    best = float("inf")
    for _ in range(5):
        begin = time.perf_counter()
        multiply(square).block_until_ready()
        best = min(best, time.perf_counter() - begin)
    return 2 * size**3 / best
