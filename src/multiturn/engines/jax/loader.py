"""Loads a model's files into a `JaxEngine`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp

from multiturn.core.errors import InputError, ModelFileError
from multiturn.engines.jax.backend import Backend, XlaBackend
from multiturn.engines.jax.engine import JaxEngine
from multiturn.engines.notices import NoticeListener, ignore_notice
from multiturn.engines.protocol import EngineInfo
from multiturn.hub.adapters.merging import merge_adapter
from multiturn.hub.checkpoints.reading import Checkpoint, load_parameters, open_checkpoint
from multiturn.hub.formats.gguf import read_gguf_header
from multiturn.hub.resolve_model import model_tokenizer
from multiturn.models.config import DecoderConfig
from multiturn.models.parameters import Parameters, parameter_specs
from multiturn.models.sharding import TENSOR_PARALLEL, shardings
from multiturn.text.tokenizers import Tokenizer

__all__ = ["DType", "open_jax"]

DType = Literal["auto", "float32", "bfloat16", "int8"]
"""Of the weights and of keys and values. ``auto`` is bfloat16 on an accelerator, else float32.
``int8`` is of the native kernels, which this engine does not use."""

_ACCELERATOR_CHUNK_SIZES = (256,)
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
    config = checkpoint.config
    if context is None:
        context = config.max_seq_len
    for name, value, low, high in (
        ("the context window", context, min(64, config.max_seq_len), config.max_seq_len),
        ("the number of slots", slots, 1, 1024),
        ("the number of devices", devices, 1, len(jax.devices())),
    ):
        if not low <= value <= high:
            raise InputError(f"{name} is out of range", got=value, allowed=f"{low} to {high}")
    tokenizer, template = _tokenizer(path)
    if tokenizer.changes:
        listen(
            "the model's tokenizer changes a prompt before the model reads it: "
            + "; ".join(tokenizer.changes)
        )
    if dtype == "int8":
        raise InputError("int8 is not a type of XLA's kernels", fix="take bfloat16")
    backend, weights, name = _xla(_Source(checkpoint, adapter), dtype, slots, devices)
    info = EngineInfo(
        engine=f"jax {jax.__version__} {name}",
        model=_name(path) if adapter is None else f"{_name(path)}+{adapter.name}",
        weights_sha256=weights_sha256,
        context_window=context,
        chat_template=template,
        bos_token=_text(tokenizer, next(iter(tokenizer.before), None))
        if tokenizer.bos_text is None
        else tokenizer.bos_text,
        eos_token=_text(tokenizer, next(iter(tokenizer.end_of_text), None)),
        slots=slots,
    )
    return JaxEngine(backend, weights, tokenizer, info, cache_bytes=cache_bytes)


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the weights come from."""

    checkpoint: Checkpoint
    adapter: Path | None

    @property
    def config(self) -> DecoderConfig:
        return self.checkpoint.config

    def load(self, dtype: str) -> Parameters:
        if self.adapter is None:
            return load_parameters(self.checkpoint, dtype)
        # In float32: bfloat16 would round small changes away.
        base = load_parameters(self.checkpoint, "float32")
        merged = merge_adapter(base, self.config, self.adapter, layout=self.checkpoint.layout)
        narrow: Parameters = jax.tree.map(lambda array: array.astype(dtype), merged)
        return narrow


def _xla(source: _Source, dtype: DType, slots: int, devices: int) -> tuple[Backend, Any, str]:
    platform = jax.default_backend()
    on_cpu = platform == "cpu"
    if dtype == "auto":
        dtype = "float32" if on_cpu else "bfloat16"
    weights = source.load(dtype)
    mesh = None
    if devices > 1:
        mesh = jax.make_mesh((devices,), ("model",), axis_types=(jax.sharding.AxisType.Auto,))
        places = shardings(parameter_specs(source.config), mesh, TENSOR_PARALLEL)
        weights = jax.device_put(weights, places)
    backend = XlaBackend(
        source.config,
        dtype=jnp.dtype(dtype),
        mesh=mesh,
        prefill_chunk_sizes=XlaBackend.prefill_chunk_sizes if on_cpu else _ACCELERATOR_CHUNK_SIZES,
        decode_batch_sizes=_up_to(
            slots, XlaBackend.decode_batch_sizes if on_cpu else _ACCELERATOR_BATCH_SIZES
        ),
    )
    times = f"{devices} x " if devices > 1 else ""
    return backend, weights, f"{times}{platform} xla {dtype}"


def _up_to(slots: int, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """The sizes below `slots`, and `slots` itself."""
    return (*(size for size in sizes if size < slots), slots)


def _tokenizer(path: Path) -> tuple[Tokenizer, str | None]:
    """The model's tokenizer, and its chat template if it has one."""
    template = _hub_template(path) if path.is_dir() else read_gguf_header(path).chat_template
    return model_tokenizer(path), template


def _hub_template(directory: Path) -> str | None:
    file = directory / "tokenizer_config.json"
    try:
        said = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelFileError(f"{file.name} cannot be read: {error}") from error
    template = said.get("chat_template") if isinstance(said, dict) else None
    return template if isinstance(template, str) else None


def _name(path: Path) -> str:
    if path.is_dir():
        return path.resolve().name
    return read_gguf_header(path).name or path.stem


def _text(tokenizer: Tokenizer, token: int | None) -> str:
    return "" if token is None else tokenizer.decode([token])
