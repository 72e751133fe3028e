"""Layouts of checkpoint files: which tensor holds which array of a decoder.

A layout is a list of rules, one for each tensor in the files: its name and shape, the arrays of
`Parameters` it holds, and the conversions from and to the file. Loading and writing use the same
code for every layout.

Torch stores a linear layer as [out, in]; this project as [in, out], with heads as an axis.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from multiturn.models.config import DecoderConfig

__all__ = [
    "Layout",
    "Rule",
    "codegen_layout",
    "gguf_llama_layout",
    "gguf_phi2_layout",
    "gptj_layout",
    "llama_layout",
    "phi_layout",
]

Values = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """One tensor in the files.

    Attributes:
        name: in the files.
        shape: in the files.
        layer: index of the block; None outside the blocks.
        fields: the arrays it holds, such as ``query`` of `Layers` or ``embedding`` of `Parameters`.
            Empty for a tensor that must be zero, a bias that the decoder does not have.
        from_file: the file's values to the arrays' values, in the order of `fields`.
        to_file: the arrays' values to the file's.
        rows: for a matrix, [outputs, inputs] in the files: the rows of the file that are the
            outputs of each array, in their order; None for all of them as they are. Rows can be
            taken without decoding them.
    """

    name: str
    shape: tuple[int, ...]
    layer: int | None
    fields: tuple[str, ...]
    from_file: Callable[[Values], tuple[Values, ...]]
    to_file: Callable[..., Values]
    rows: tuple[Values | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """All tensors of a model in one layout.

    Attributes:
        name: of the layout, for people.
        rules: one for each tensor.
        ignored: names of tensors without weights that files may have.
    """

    name: str
    rules: tuple[Rule, ...]
    ignored: re.Pattern[str]


def codegen_layout(config: DecoderConfig, groups: int) -> Layout:
    """The hub's CodeGen layout, with queries, values and keys of each group of heads fused.

    ``qkv_proj.weight`` is [3 D, D]: for each of `groups` groups of heads/groups
    consecutive heads, the queries of the group, then its values, then its keys.
    """
    c = config
    grouped = (groups, 3, c.heads // groups, c.head_dim, c.d_model)

    def from_file(weight: Values) -> tuple[Values, ...]:
        parts = weight.reshape(grouped)
        heads = (c.heads, c.head_dim, c.d_model)
        query, value, key = (parts[:, i].reshape(heads) for i in range(3))
        return tuple(np.moveaxis(part, -1, 0) for part in (query, key, value))

    numbers = np.arange(3 * c.d_model).reshape(groups, 3, -1)
    rows = tuple(numbers[:, i].reshape(-1) for i in (0, 2, 1))

    def to_file(query: Values, key: Values, value: Values) -> Values:
        one = (groups, c.heads // groups, c.head_dim, c.d_model)
        parts = [np.moveaxis(part, 0, -1).reshape(one) for part in (query, value, key)]
        return np.stack(parts, axis=1).reshape(3 * c.d_model, c.d_model)

    def block(layer: int) -> Iterator[Rule]:
        at = f"transformer.h.{layer}."
        yield Rule(
            at + "attn.qkv_proj.weight",
            (3 * c.d_model, c.d_model),
            layer,
            ("query", "key", "value"),
            from_file,
            to_file,
            rows,
        )
        yield from _codegen_rest(c, layer)

    return Layout("codegen", (*_gptj_outer(c), *_blocks(c, block)), _IGNORED)


def gptj_layout(config: DecoderConfig) -> Layout:
    """GPT-J: like CodeGen, with separate queries, keys and values."""

    def block(layer: int) -> Iterator[Rule]:
        at = f"transformer.h.{layer}.attn."
        for field, name in (("query", "q_proj"), ("key", "k_proj"), ("value", "v_proj")):
            yield _linear(at + name, field, config, layer, out=config.d_model)
        yield from _codegen_rest(config, layer)

    return Layout("gptj", (*_gptj_outer(config), *_blocks(config, block)), _IGNORED)


def phi_layout(config: DecoderConfig) -> Layout:
    """Phi: half-split rotary, and biases on all projections of the attention (zero here)."""
    c = config

    def block(layer: int) -> Iterator[Rule]:
        at = f"model.layers.{layer}."
        order_of_head = _from_half_split(c)
        for field, name in (("query", "q_proj"), ("key", "k_proj"), ("value", "v_proj")):
            order = None if field == "value" else order_of_head
            yield _linear(f"{at}self_attn.{name}", field, c, layer, out=c.d_model, order=order)
            yield _zeros(f"{at}self_attn.{name}.bias", c.d_model, layer)
        yield _linear(f"{at}self_attn.dense", "attention_out", c, layer, out=c.d_model)
        yield _zeros(f"{at}self_attn.dense.bias", c.d_model, layer)
        yield from _layer_norm(f"{at}input_layernorm", "norm", c, layer)
        yield from _two_layers(f"{at}mlp.fc1", f"{at}mlp.fc2", c, layer)

    outer = (
        _vector("model.embed_tokens.weight", "embedding", (c.vocab_size, c.d_model)),
        *_layer_norm("model.final_layernorm", "final_norm", c, None),
        *_head("lm_head", c),
    )
    return Layout("phi", (*outer, *_blocks(c, block)), _IGNORED)


def llama_layout(config: DecoderConfig) -> Layout:
    """The hub's layout of Llama, Mistral and Qwen2."""
    c = config

    def block(layer: int) -> Iterator[Rule]:
        at = f"model.layers.{layer}."
        for field, name, heads in _attention_inputs(c):
            out = heads * c.head_dim
            yield _linear(f"{at}self_attn.{name}_proj", field, c, layer, out=out)
            if c.qkv_bias:
                yield _vector(
                    f"{at}self_attn.{name}_proj.bias", f"{field}_bias", (out,), layer,
                    (heads, c.head_dim),
                )  # fmt: skip
        yield _linear(
            f"{at}self_attn.o_proj", "attention_out", c, layer, out=c.d_model,
            inner=c.heads * c.head_dim,
        )  # fmt: skip
        yield _vector(f"{at}input_layernorm.weight", "norm_scale", (c.d_model,), layer)
        yield _vector(f"{at}post_attention_layernorm.weight", "mlp_norm_scale", (c.d_model,), layer)
        for field in ("gate", "up"):
            yield _linear(f"{at}mlp.{field}_proj", field, c, layer, out=c.mlp_dim)
        yield _linear(f"{at}mlp.down_proj", "down", c, layer, out=c.d_model, inner=c.mlp_dim)

    outer = [
        _vector("model.embed_tokens.weight", "embedding", (c.vocab_size, c.d_model)),
        _vector("model.norm.weight", "final_norm_scale", (c.d_model,)),
    ]
    if not c.tie_embeddings:
        outer.append(_linear("lm_head", "head", c, None, out=c.vocab_size))
    return Layout("llama", (*outer, *_blocks(c, block)), _IGNORED)


def gguf_llama_layout(config: DecoderConfig, architecture: str) -> Layout:
    """GGUF files of the architectures ``llama`` and ``qwen2``.

    Files of ``llama`` store queries and keys interleaved (the permute of llama.cpp's
    converter); those of ``qwen2`` store them half-split, like the hub.
    """
    c = config
    order_of_head = _from_interleaved(c) if architecture == "llama" else None

    def block(layer: int) -> Iterator[Rule]:
        at = f"blk.{layer}."
        for field, name, heads in _attention_inputs(c):
            out, order = heads * c.head_dim, None if field == "value" else order_of_head
            yield _linear(f"{at}attn_{name}", field, c, layer, out=out, order=order)
            if c.qkv_bias:
                yield _vector(
                    f"{at}attn_{name}.bias", f"{field}_bias", (out,), layer,
                    (heads, c.head_dim), order=order,
                )  # fmt: skip
        yield _linear(
            f"{at}attn_output", "attention_out", c, layer, out=c.d_model,
            inner=c.heads * c.head_dim,
        )  # fmt: skip
        yield _vector(f"{at}attn_norm.weight", "norm_scale", (c.d_model,), layer)
        yield _vector(f"{at}ffn_norm.weight", "mlp_norm_scale", (c.d_model,), layer)
        for field in ("gate", "up"):
            yield _linear(f"{at}ffn_{field}", field, c, layer, out=c.mlp_dim)
        yield _linear(f"{at}ffn_down", "down", c, layer, out=c.d_model, inner=c.mlp_dim)

    outer = [
        _vector("token_embd.weight", "embedding", (c.vocab_size, c.d_model)),
        _vector("output_norm.weight", "final_norm_scale", (c.d_model,)),
    ]
    if not c.tie_embeddings:
        outer.append(_linear("output", "head", c, None, out=c.vocab_size))
    return Layout(f"gguf {architecture}", (*outer, *_blocks(c, block)), _IGNORED)


def gguf_phi2_layout(config: DecoderConfig) -> Layout:
    """GGUF files of the architecture ``phi2``: Phi under llama.cpp's names."""
    c = config

    def block(layer: int) -> Iterator[Rule]:
        at = f"blk.{layer}."
        order_of_head = _from_half_split(c)
        for field, name, _ in _attention_inputs(c):
            order = None if field == "value" else order_of_head
            yield _linear(f"{at}attn_{name}", field, c, layer, out=c.d_model, order=order)
            yield _zeros(f"{at}attn_{name}.bias", c.d_model, layer)
        yield _linear(f"{at}attn_output", "attention_out", c, layer, out=c.d_model)
        yield _zeros(f"{at}attn_output.bias", c.d_model, layer)
        yield from _layer_norm(f"{at}attn_norm", "norm", c, layer)
        yield from _two_layers(f"{at}ffn_up", f"{at}ffn_down", c, layer)

    outer = (
        _vector("token_embd.weight", "embedding", (c.vocab_size, c.d_model)),
        *_layer_norm("output_norm", "final_norm", c, None),
        *_head("output", c),
    )
    return Layout("gguf phi2", (*outer, *_blocks(c, block)), _IGNORED)


# Masks and rotary tables that old files store with the weights.
_IGNORED = re.compile(
    r"(transformer\.h\.\d+\.attn\.(causal_mask|bias|masked_bias|embed_positions))"
    r"|(model\.layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq"
    r"|model\.rotary_emb\.inv_freq"
)


def _blocks(c: DecoderConfig, block: Callable[[int], Iterator[Rule]]) -> Iterator[Rule]:
    for layer in range(c.layers):
        yield from block(layer)


def _attention_inputs(c: DecoderConfig) -> tuple[tuple[str, str, int], ...]:
    return ("query", "q", c.heads), ("key", "k", c.kv_heads), ("value", "v", c.kv_heads)


def _gptj_outer(c: DecoderConfig) -> Iterator[Rule]:
    yield _vector("transformer.wte.weight", "embedding", (c.vocab_size, c.d_model))
    yield from _layer_norm("transformer.ln_f", "final_norm", c, None)
    yield from _head("lm_head", c)


def _codegen_rest(c: DecoderConfig, layer: int) -> Iterator[Rule]:
    at = f"transformer.h.{layer}."
    yield _linear(at + "attn.out_proj", "attention_out", c, layer, out=c.d_model)
    yield from _layer_norm(at + "ln_1", "norm", c, layer)
    yield from _two_layers(at + "mlp.fc_in", at + "mlp.fc_out", c, layer)


def _two_layers(first: str, second: str, c: DecoderConfig, layer: int) -> Iterator[Rule]:
    wide = c.mlp_dim
    yield _linear(first, "up", c, layer, out=wide)
    yield _vector(f"{first}.bias", "up_bias", (wide,), layer)
    yield _linear(second, "down", c, layer, out=c.d_model, inner=wide)
    yield _vector(f"{second}.bias", "down_bias", (c.d_model,), layer)


def _layer_norm(name: str, field: str, c: DecoderConfig, layer: int | None) -> Iterator[Rule]:
    yield _vector(f"{name}.weight", f"{field}_scale", (c.d_model,), layer)
    yield _vector(f"{name}.bias", f"{field}_bias", (c.d_model,), layer)


def _head(name: str, c: DecoderConfig) -> Iterator[Rule]:
    yield _linear(name, "head", c, None, out=c.vocab_size)
    yield _vector(f"{name}.bias", "head_bias", (c.vocab_size,))


def _linear(
    name: str,
    field: str,
    c: DecoderConfig,
    layer: int | None,
    *,
    out: int,
    inner: int | None = None,
    order: Values | None = None,
) -> Rule:
    """A weight of a linear layer, [out, in] in the files and [in ..., out ...] here.

    `order` permutes the dimensions of a head, from the file to the model.
    """
    inner = c.d_model if inner is None else inner
    shapes = {
        "query": (inner, c.heads, c.head_dim),
        "key": (inner, c.kv_heads, c.head_dim),
        "value": (inner, c.kv_heads, c.head_dim),
        "attention_out": (c.heads, c.head_dim, out),
    }
    shape = shapes.get(field, (inner, out))

    def from_file(weight: Values) -> tuple[Values, ...]:
        array = weight.T.reshape(shape)
        return (array if order is None else array[..., order],)

    def to_file(array: Values) -> Values:
        if order is not None:
            array = array[..., np.argsort(order)]
        return array.reshape(inner, out).T

    rows = None
    if order is not None:
        heads = np.arange(out // c.head_dim)[:, None] * c.head_dim
        rows = (heads + order).reshape(-1)
    return Rule(f"{name}.weight", (out, inner), layer, (field,), from_file, to_file, (rows,))


def _vector(
    name: str,
    field: str,
    shape: tuple[int, ...],
    layer: int | None = None,
    ours: tuple[int, ...] | None = None,
    *,
    order: Values | None = None,
) -> Rule:
    """A tensor without transposition; `ours` is the decoder's shape, if different."""
    ours = shape if ours is None else ours

    def from_file(values: Values) -> tuple[Values, ...]:
        array = values.reshape(ours)
        return (array if order is None else array[..., order],)

    def to_file(array: Values) -> Values:
        if order is not None:
            array = array[..., np.argsort(order)]
        return array.reshape(shape)

    rows = (None,) if field == "embedding" else ()
    return Rule(name, shape, layer, (field,), from_file, to_file, rows)


def _zeros(name: str, size: int, layer: int) -> Rule:
    return Rule(name, (size,), layer, (), lambda _: (), partial(np.zeros, (size,)))


def _from_interleaved(c: DecoderConfig) -> Values:
    """The order of a head's dimensions for an interleaved file and a half-split model."""
    size = c.rotary.size
    rotary = np.concatenate((np.arange(0, size, 2), np.arange(1, size, 2)))
    return np.concatenate((rotary, np.arange(size, c.head_dim)))


def _from_half_split(c: DecoderConfig) -> Values:
    """The order of a head's dimensions for a half-split file and an interleaved model."""
    return np.argsort(_from_interleaved(c))
