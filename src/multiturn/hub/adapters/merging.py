"""A decoder with an adapter's file added to its matrices."""

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
    """The decoder with an adapter added in; its arrays keep their types.

    Args:
        parameters: of the model the adapter was made for.
        config: of this model.
        adapter: a PEFT directory, or a GGUF file.
        layout: of the model's own files, where known; CodeGen's says in how many groups
            queries, keys and values are kept.

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
    for layout in (*known, *_layouts(config, architecture)):
        names = {rule.name for rule in layout.rules if rule.layer is not None and rule.fields}
        if names.issuperset(pairs):
            return _added(parameters, pairs, layout, adapter)
    raise ModelFileError(
        f"the adapter {adapter.name} is for another model",
        got=", ".join(sorted(pairs)[:2]),
        allowed="the matrices of the model's blocks",
        fix="name the model that it was trained on",
    )


def _layouts(config: DecoderConfig, architecture: str | None) -> Iterator[Layout]:
    """All layouts that an adapter of the model may be in."""
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


def _added(
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
