"""Model FLOPs of a token, and the peak FLOP/s of devices."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from multiturn.models.arrays import ParameterSpec
from multiturn.models.config import DecoderConfig
from multiturn.models.lora import LoraConfig, lora_specs
from multiturn.models.native.training.matmul import matmul
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


def flops_per_token(config: DecoderConfig, length: int, lora: LoraConfig | None = None) -> float:
    """Model FLOPs of a training step for each token.

    Six for each trained weight in a matrix product: two forward, two for the gradient of its
    input, two for its own. Four for a frozen one, which needs no gradient. The embedding is a
    lookup. And ``6 * layers * heads * head_dim * length`` for attention, of which the causal mask
    needs half. Rematerialization does not count.

    Args:
        config: of the model.
        length: tokens of a sequence.
        lora: the factors that are trained beside the frozen model; None if all of it is trained.
    """
    weights = plan_of("model", config).parameters
    if not config.tie_embeddings:
        weights -= config.vocab_size * config.d_model
    attention = 6 * config.layers * config.heads * config.head_dim * length
    if lora is None:
        return 6.0 * weights + attention
    specs: list[ParameterSpec] = jax.tree.leaves(lora_specs(config, lora))
    factors = sum(math.prod(spec.shape) for spec in specs)
    return 4.0 * weights + 6.0 * factors + attention


def peak_flops(device: Any, dtype: str, *, native: bool = False) -> float:
    """The peak FLOP/s of matrix products on one device: looked up, or measured.

    Args:
        device: of JAX.
        dtype: of the factors.
        native: whether the native kernels are loaded and measured too. The faster product counts:
            XLA has none in bfloat16 on a CPU.
    """
    kind = str(device.device_kind)
    fits = [name for name in PEAKS if kind.startswith(name)]
    if fits and dtype == "bfloat16":
        return PEAKS[max(fits, key=len)]
    products: list[Callable[[Array, Array], Array]] = [jnp.matmul]
    if native:
        products.append(matmul)
    return max(_measured(product, device, dtype) for product in products)


def _measured(product: Callable[[Array, Array], Array], device: Any, dtype: str) -> float:
    size = 1024 if device.platform == "cpu" else 8192
    square = jax.device_put(jnp.ones((size, size), dtype), device)
    multiply = jax.jit(lambda a: product(a, a))
    multiply(square).block_until_ready()
    best = float("inf")
    for _ in range(5):
        begin = time.perf_counter()
        multiply(square).block_until_ready()
        best = min(best, time.perf_counter() - begin)
    return 2 * size**3 / best
