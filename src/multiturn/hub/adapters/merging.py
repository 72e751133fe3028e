"""Merges a LoRA adapter's file into a decoder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from multiturn.core.errors import ModelFileError
from multiturn.hub.adapters.gguf import read_gguf_adapter
from multiturn.hub.adapters.pairs import Pair
from multiturn.hub.adapters.peft import read_peft
from multiturn.hub.checkpoints.layouts import (
    Layout,
    codegen_layout,
    gguf_llama_layout,
    gguf_phi2_layout,
    gptj_layout,
    llama_layout,
    phi_layout,
)
from multiturn.models.config import DecoderConfig
from multiturn.models.parameters import Parameters

__all__ = ["merge_adapter"]


def merge_adapter(
    parameters: Parameters, config: DecoderConfig, adapter: Path, *, layout: Layout | None = None
) -> Parameters:
    """The decoder with an adapter merged; its arrays keep their dtypes.

    Args:
        parameters: of the adapter's base model.
        config: of this model.
        adapter: a PEFT directory, or a GGUF file.
        layout: of the model's own files, if known; CodeGen's has the number of groups of
            queries, keys and values.

    Raises:
        ModelFileError: the adapter is missing or broken, or made for another model.
    """
    if not adapter.exists():
        raise ModelFileError(
            "no such adapter", got=str(adapter), fix="name a PEFT directory or a GGUF file"
        )
    architecture = None
    if adapter.is_dir():
        pairs = read_peft(adapter)
    else:
        architecture, pairs = read_gguf_adapter(adapter)
    known = [layout] if layout and architecture is None else []
    for layout in (*known, *_possible_layouts(config, architecture)):
        names = {rule.name for rule in layout.rules if rule.layer is not None and rule.fields}
        if names.issuperset(pairs):
            return _merge_pairs(parameters, pairs, layout, adapter)
    raise ModelFileError(
        f"the adapter {adapter.name} is for another model",
        got=", ".join(sorted(pairs)[:2]),
        allowed="the matrices of the model's blocks",
        fix="name the model that it was trained on",
    )


def _possible_layouts(config: DecoderConfig, architecture: str | None) -> Iterator[Layout]:
    """All layouts that an adapter of the model may use."""
    if config.family == "llama":
        if architecture is None:
            yield llama_layout(config)
        elif architecture in ("llama", "qwen2"):
            yield gguf_llama_layout(config, architecture)
    elif architecture is None:
        if config.heads % 4 == 0:
            yield codegen_layout(config, 4)
        yield from (gptj_layout(config), phi_layout(config))
    elif architecture == "phi2":
        yield gguf_phi2_layout(config)


def _merge_pairs(
    parameters: Parameters, pairs: Mapping[str, Pair], layout: Layout, adapter: Path
) -> Parameters:
    wide: dict[str, np.ndarray[Any, Any]] = {}
    for rule in layout.rules:
        pair = pairs.get(rule.name)
        if pair is None:
            continue
        shape = (pair.lora_b.shape[0], pair.lora_a.shape[1])
        if shape != rule.shape:
            raise ModelFileError(
                f"the adapter {adapter.name} is for a model of another size",
                got=f"{rule.name} {list(shape)}",
                allowed=str(list(rule.shape)),
            )
        for field, part in zip(rule.fields, rule.from_file(pair.product()), strict=True):
            if field not in wide:
                wide[field] = np.array(getattr(parameters.layers, field), np.float32)
            wide[field][rule.layer] += part
    changed: dict[str, Any] = {
        field: jnp.asarray(values, getattr(parameters.layers, field).dtype)
        for field, values in wide.items()
    }
    return replace(parameters, layers=replace(parameters.layers, **changed))
