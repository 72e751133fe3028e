"""Finds the matrices of a decoder to which an adapter's file belongs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from multiturn.core.errors import ModelFileError
from multiturn.hub.adapters.gguf import read_gguf_adapter
from multiturn.hub.adapters.pairs import Pair
from multiturn.hub.adapters.peft import read_peft
from multiturn.hub.checkpoints.layouts import (
    Layout,
    Rule,
    codegen_layout,
    gguf_llama_layout,
    gguf_phi2_layout,
    gptj_layout,
    llama_layout,
    phi_layout,
)
from multiturn.models.config import DecoderConfig

__all__ = ["match_adapter"]


def match_adapter(
    config: DecoderConfig, adapter: Path, *, layout: Layout | None = None
) -> list[tuple[Rule, Pair]]:
    """The factors of an adapter, each with the rule of its tensor in the adapter's own layout.

    Args:
        config: of the model.
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
            return _matched(pairs, layout, adapter)
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


def _matched(pairs: Mapping[str, Pair], layout: Layout, adapter: Path) -> list[tuple[Rule, Pair]]:
    found = []
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
        found.append((rule, pair))
    return found
