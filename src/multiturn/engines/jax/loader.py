"""Loads a model's files into a `JaxEngine`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import jax
import jax.numpy as jnp

from multiturn.core.errors import InputError
from multiturn.engines.jax.backend import XlaBackend
from multiturn.engines.jax.engine import JaxEngine
from multiturn.engines.model_files import (
    MAX_SLOTS,
    check_in_range,
    context_window,
    engine_info,
    open_tokenizer,
)
from multiturn.engines.notices import NoticeListener, ignore_notice
from multiturn.hub.adapters.merging import merge_adapter
from multiturn.hub.checkpoints.reading import Checkpoint, load_parameters, open_checkpoint
from multiturn.models.parameters import Parameters, parameter_specs
from multiturn.models.sharding import TENSOR_PARALLEL, shardings

__all__ = ["DType", "open_jax"]

DType = Literal["auto", "float32", "bfloat16"]
"""Of the weights and of keys and values. ``auto`` is bfloat16 on an accelerator, else float32."""

_ACCELERATOR_CHUNK_SIZE = 256
_ACCELERATOR_BATCH_SIZES = (1, 8, 64)


def open_jax(
    path: Path,
    *,
    context: int | None = None,
    slots: int = 64,
    dtype: DType = "auto",
    devices: int = 1,
    cache_bytes: int = 2 << 30,
    weights_sha256: str | None = None,
    adapter: Path | None = None,
    listen: NoticeListener = ignore_notice,
) -> JaxEngine:
    """Load a model into the JAX engine.

    Args:
        path: a GGUF file, or a checkpoint's directory in the hub's layout.
        context: tokens of the context window; by default the model's own. Memory grows with the
            texts, so a large window costs nothing by itself.
        slots: how many continuations are decoded at once, at most.
        dtype: see `DType`.
        devices: how many devices the model is sharded over (a divisor of its heads).
        cache_bytes: memory limit of the prefix cache.
        weights_sha256: the file's hash where it is known, for the records.
        adapter: a LoRA adapter that is added to the weights: a PEFT directory or a GGUF file.
        listen: called with a notice where the tokenizer changes prompts.

    Raises:
        ModelFileError: the model cannot be read; the message says why.
        InputError: an option is out of range.
        MissingDependencyError: a package it needs is not installed.
    """
    checkpoint = open_checkpoint(path)
    context = context_window(checkpoint.config, context)
    check_in_range("the number of slots", slots, 1, MAX_SLOTS)
    check_in_range("the number of devices", devices, 1, len(jax.devices()))
    if dtype not in get_args(DType):
        raise InputError(
            "no dtype of this engine",
            got=dtype,
            allowed=", ".join(get_args(DType)),
            fix="the native engine has int8 and int4",
        )
    tokenizer = open_tokenizer(path, listen)
    platform = jax.default_backend()
    on_cpu = platform == "cpu"
    if dtype == "auto":
        dtype = "float32" if on_cpu else "bfloat16"
    weights = _load(checkpoint, adapter, dtype)
    mesh = None
    if devices > 1:
        mesh = jax.make_mesh((devices,), ("model",), axis_types=(jax.sharding.AxisType.Auto,))
        places = shardings(parameter_specs(checkpoint.config), mesh, TENSOR_PARALLEL)
        weights = jax.device_put(weights, places)
    backend = XlaBackend(
        checkpoint.config,
        dtype=jnp.dtype(dtype),
        mesh=mesh,
        prefill_chunk_size=XlaBackend.prefill_chunk_size if on_cpu else _ACCELERATOR_CHUNK_SIZE,
        decode_batch_sizes=_up_to(
            slots, XlaBackend.decode_batch_sizes if on_cpu else _ACCELERATOR_BATCH_SIZES
        ),
    )
    times = f"{devices} x " if devices > 1 else ""
    info = engine_info(
        path,
        tokenizer,
        engine=f"jax {jax.__version__} {times}{platform} xla {dtype}",
        context=context,
        slots=slots,
        adapter=adapter,
        weights_sha256=weights_sha256,
        features=frozenset({"prompt_tokens"}),
    )
    return JaxEngine(backend, weights, tokenizer, info, cache_bytes=cache_bytes)


def _load(checkpoint: Checkpoint, adapter: Path | None, dtype: str) -> Parameters:
    """The weights, with those of the adapter added."""
    if adapter is None:
        return load_parameters(checkpoint, dtype)
    # In float32: bfloat16 would round small changes away.
    base = load_parameters(checkpoint, "float32")
    merged = merge_adapter(base, checkpoint.config, adapter, layout=checkpoint.layout)
    narrow: Parameters = jax.tree.map(lambda array: array.astype(dtype), merged)
    return narrow


def _up_to(slots: int, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """The sizes below `slots`, and `slots` itself."""
    return (*(size for size in sizes if size < slots), slots)
