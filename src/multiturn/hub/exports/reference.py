"""Reference forward passes to verify exports, written for each layout.

Each reads an export's tensors by their names and computes the same as the program that will run
it, in numpy and float32. They share no code with this project's decoder, so a conversion error
cannot hide behind the same error here.

Sources: `modeling_codegen.py`, `modeling_gptj.py`, `modeling_phi.py` of transformers;
`src/models/phi2.cpp` of llama.cpp.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from multiturn.hub.formats.tensors import Tensors

__all__ = ["codegen_reference", "gptj_reference", "phi2_gguf_reference", "phi_reference"]

Values = np.ndarray[Any, Any]


def codegen_reference(tensors: Tensors, config: Mapping[str, Any], tokens: Values) -> Values:
    """Logits [rows, length, vocabulary] of `CodeGenForCausalLM`."""

    def qkv(layer: int, x: Values) -> tuple[Values, Values, Values]:
        fused = _linear(tensors, f"transformer.h.{layer}.attn.qkv_proj", x)
        groups = np.split(fused, 4, axis=-1)  # the stock loader's mp_num
        query, value, key = (
            np.concatenate([np.split(group, 3, axis=-1)[part] for group in groups], axis=-1)
            for part in range(3)
        )
        return query, key, value

    return _gptj_like(tensors, config, tokens, qkv)


def gptj_reference(tensors: Tensors, config: Mapping[str, Any], tokens: Values) -> Values:
    """Logits [rows, length, vocabulary] of `GPTJForCausalLM`."""

    def qkv(layer: int, x: Values) -> tuple[Values, Values, Values]:
        at = f"transformer.h.{layer}.attn."
        query, key, value = (_linear(tensors, f"{at}{part}_proj", x) for part in "qkv")
        return query, key, value

    return _gptj_like(tensors, config, tokens, qkv)


def phi_reference(tensors: Tensors, config: Mapping[str, Any], tokens: Values) -> Values:
    """Logits [rows, length, vocabulary] of `PhiForCausalLM`."""
    names = {
        "embedding": "model.embed_tokens",
        "norm": "model.layers.{}.input_layernorm",
        "query": "model.layers.{}.self_attn.q_proj",
        "key": "model.layers.{}.self_attn.k_proj",
        "value": "model.layers.{}.self_attn.v_proj",
        "out": "model.layers.{}.self_attn.dense",
        "first": "model.layers.{}.mlp.fc1",
        "second": "model.layers.{}.mlp.fc2",
        "final": "model.final_layernorm",
        "head": "lm_head",
    }
    heads = config["num_attention_heads"]
    rope = config["rope_parameters"]
    return _phi_like(
        tensors,
        names,
        tokens,
        layers=config["num_hidden_layers"],
        heads=heads,
        rotated=int(config["hidden_size"] // heads * rope["partial_rotary_factor"]),
        eps=config["layer_norm_eps"],
    )


def phi2_gguf_reference(tensors: Tensors, header: Mapping[str, Any], tokens: Values) -> Values:
    """Logits [rows, length, vocabulary] of a GGUF file of the architecture ``phi2``."""
    names = {
        "embedding": "token_embd",
        "norm": "blk.{}.attn_norm",
        "query": "blk.{}.attn_q",
        "key": "blk.{}.attn_k",
        "value": "blk.{}.attn_v",
        "out": "blk.{}.attn_output",
        "first": "blk.{}.ffn_up",
        "second": "blk.{}.ffn_down",
        "final": "output_norm",
        "head": "output",
    }
    return _phi_like(
        tensors,
        names,
        tokens,
        layers=header["phi2.block_count"],
        heads=header["phi2.attention.head_count"],
        rotated=header["phi2.rope.dimension_count"],
        eps=header["phi2.attention.layer_norm_epsilon"],
    )


def _gptj_like(tensors: Tensors, config: Mapping[str, Any], tokens: Values, qkv: Any) -> Values:
    heads, rotated = config["n_head"], config["rotary_dim"]
    eps = config["layer_norm_epsilon"]
    sin, cos = _rope_tables(tokens.shape[1], rotated)

    def apply_rope(x: Values) -> Values:
        head = x[..., :rotated]
        swapped = np.empty_like(head)
        swapped[..., 0::2], swapped[..., 1::2] = -head[..., 1::2], head[..., 0::2]
        head = head * np.repeat(cos, 2, axis=-1) + swapped * np.repeat(sin, 2, axis=-1)
        return np.concatenate((head, x[..., rotated:]), axis=-1)

    x = _values(tensors, "transformer.wte.weight")[tokens]
    for layer in range(config["n_layer"]):
        at = f"transformer.h.{layer}."
        normed = _layer_norm(tensors, f"{at}ln_1", x, eps)
        query, key, value = (_heads(part, heads) for part in qkv(layer, normed))
        attention = _attention(apply_rope(query), apply_rope(key), value)
        inner = _gelu(_linear(tensors, f"{at}mlp.fc_in", normed))
        x = (
            _linear(tensors, f"{at}attn.out_proj", attention)
            + _linear(tensors, f"{at}mlp.fc_out", inner)
            + x
        )
    return _linear(tensors, "lm_head", _layer_norm(tensors, "transformer.ln_f", x, eps))


def _phi_like(
    tensors: Tensors,
    names: Mapping[str, str],
    tokens: Values,
    *,
    layers: int,
    heads: int,
    rotated: int,
    eps: float,
) -> Values:
    sin, cos = _rope_tables(tokens.shape[1], rotated)
    half = rotated // 2

    def apply_rope(x: Values) -> Values:
        head = x[..., :rotated]
        swapped = np.concatenate((-head[..., half:], head[..., :half]), axis=-1)
        head = head * np.tile(cos, 2) + swapped * np.tile(sin, 2)
        return np.concatenate((head, x[..., rotated:]), axis=-1)

    x = _values(tensors, names["embedding"] + ".weight")[tokens]
    for layer in range(layers):
        at = {part: name.format(layer) for part, name in names.items()}
        normed = _layer_norm(tensors, at["norm"], x, eps)
        query, key, value = (
            _heads(_linear(tensors, at[part], normed), heads) for part in ("query", "key", "value")
        )
        attention = _linear(
            tensors, at["out"], _attention(apply_rope(query), apply_rope(key), value)
        )
        inner = _gelu(_linear(tensors, at["first"], normed))
        x = attention + _linear(tensors, at["second"], inner) + x
    return _linear(tensors, names["head"], _layer_norm(tensors, names["final"], x, eps))


def _values(tensors: Tensors, name: str) -> Values:
    return np.asarray(tensors[name].read(), np.float32)


def _linear(tensors: Tensors, name: str, x: Values) -> Values:
    y: Values = x @ _values(tensors, f"{name}.weight").T
    return y + _values(tensors, f"{name}.bias") if f"{name}.bias" in tensors else y


def _layer_norm(tensors: Tensors, name: str, x: Values, eps: float) -> Values:
    centred = x - x.mean(-1, keepdims=True)
    normed: Values = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + np.float32(eps))
    return normed * _values(tensors, f"{name}.weight") + _values(tensors, f"{name}.bias")


def _gelu(x: Values) -> Values:
    inner = np.float32(np.sqrt(2 / np.pi)) * (x + np.float32(0.044715) * x**3)
    y: Values = np.float32(0.5) * x * (1 + np.tanh(inner))
    return y


def _rope_tables(length: int, rotated: int) -> tuple[Values, Values]:
    frequency = 1 / 10_000 ** (np.arange(0, rotated, 2, dtype=np.float32) / rotated)
    angle = np.arange(length, dtype=np.float32)[:, None] * frequency.astype(np.float32)
    return np.sin(angle), np.cos(angle)


def _heads(x: Values, heads: int) -> Values:
    rows, length, width = x.shape
    return x.reshape(rows, length, heads, width // heads).transpose(0, 2, 1, 3)


def _attention(query: Values, key: Values, value: Values) -> Values:
    rows, heads, length, size = query.shape
    scores = query @ key.transpose(0, 1, 3, 2) / np.float32(np.sqrt(size))
    scores = np.where(np.tri(length, dtype=bool), scores, np.float32(-np.inf))
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    attention: Values = weights @ value
    return attention.transpose(0, 2, 1, 3).reshape(rows, length, heads * size)
