"""``config.json`` of each export layout."""

from __future__ import annotations

import math
from typing import Any

from multiturn.models.config import DecoderConfig

__all__ = ["codegen_json", "gptj_json", "llama_json", "phi_json"]


def codegen_json(config: DecoderConfig, dtype: str, end_of_text: int | list[int]) -> dict[str, Any]:
    """``config.json`` of the hub's CodeGen layout, 4 qkv groups."""
    return {
        "architectures": ["CodeGenForCausalLM"],
        "model_type": "codegen",
        "n_ctx": config.max_seq_len,
        "mp_num": 4,
        **_gptj_keys(config, dtype, end_of_text),
    }


def gptj_json(config: DecoderConfig, dtype: str, end_of_text: int | list[int]) -> dict[str, Any]:
    """``config.json`` of GPT-J."""
    return {
        "architectures": ["GPTJForCausalLM"],
        "model_type": "gptj",
        **_gptj_keys(config, dtype, end_of_text),
    }


def _gptj_keys(config: DecoderConfig, dtype: str, end_of_text: int | list[int]) -> dict[str, Any]:
    c = config
    return {
        "activation_function": "gelu_new",
        "attn_pdrop": 0.0,
        "bos_token_id": _first(end_of_text),
        "embd_pdrop": 0.0,
        "eos_token_id": end_of_text,
        "initializer_range": 0.02,
        "layer_norm_epsilon": c.norm_eps,
        "n_embd": c.d_model,
        "n_head": c.heads,
        "n_inner": None if c.mlp_dim == 4 * c.d_model else c.mlp_dim,
        "n_layer": c.layers,
        "n_positions": c.max_seq_len,
        "resid_pdrop": 0.0,
        "rotary_dim": c.rotary.size,
        "tie_word_embeddings": False,
        "torch_dtype": dtype,
        "use_cache": True,
        "vocab_size": c.vocab_size,
    }


def phi_json(config: DecoderConfig, dtype: str, end_of_text: int | list[int]) -> dict[str, Any]:
    """``config.json`` of Phi.

    `partial_rotary_factor` is both at the top level, for MLX and older readers, and in
    `rope_parameters`, for transformers 5.
    """
    c = config
    factor = _rotary_factor(c.rotary.size, c.head_dim)
    return {
        "architectures": ["PhiForCausalLM"],
        "model_type": "phi",
        "attention_dropout": 0.0,
        "bos_token_id": _first(end_of_text),
        "embd_pdrop": 0.0,
        "eos_token_id": end_of_text,
        "hidden_act": "gelu_new",
        "hidden_size": c.d_model,
        "initializer_range": 0.02,
        "intermediate_size": c.mlp_dim,
        "layer_norm_eps": c.norm_eps,
        "max_position_embeddings": c.max_seq_len,
        "num_attention_heads": c.heads,
        "num_hidden_layers": c.layers,
        "num_key_value_heads": c.heads,
        "partial_rotary_factor": factor,
        "qk_layernorm": False,
        "resid_pdrop": 0.0,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": c.rotary.base,
            "partial_rotary_factor": factor,
        },
        "rope_theta": c.rotary.base,
        "tie_word_embeddings": False,
        "torch_dtype": dtype,
        "use_cache": True,
        "vocab_size": c.vocab_size,
    }


def _rotary_factor(size: int, head_dim: int) -> float:
    """The partial rotary factor, such that ``int(head_dim * factor)`` is the rotary size.

    The plain quotient is too small for some pairs: 49 * (2 / 49) is below 2.
    """
    factor = size / head_dim
    while int(head_dim * factor) < size:
        factor = math.nextafter(factor, 2)
    return factor


def llama_json(config: DecoderConfig, dtype: str, end_of_text: int | list[int]) -> dict[str, Any]:
    """``config.json`` of Llama, or of Qwen2 if the projections have biases."""
    c = config
    qwen = c.qkv_bias
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": c.rotary.base}
    if c.rotary.scaling != 1:
        rope |= {"rope_type": "linear", "factor": c.rotary.scaling}
    content = {
        "architectures": ["Qwen2ForCausalLM" if qwen else "LlamaForCausalLM"],
        "model_type": "qwen2" if qwen else "llama",
        "bos_token_id": _first(end_of_text),
        "eos_token_id": end_of_text,
        "hidden_act": "silu",
        "hidden_size": c.d_model,
        "initializer_range": 0.02,
        "intermediate_size": c.mlp_dim,
        "max_position_embeddings": c.max_seq_len,
        "num_attention_heads": c.heads,
        "num_hidden_layers": c.layers,
        "num_key_value_heads": c.kv_heads,
        "rms_norm_eps": c.norm_eps,
        "rope_parameters": rope,
        "rope_theta": c.rotary.base,
        "tie_word_embeddings": c.tie_embeddings,
        "torch_dtype": dtype,
        "use_cache": True,
        "vocab_size": c.vocab_size,
    }
    if not qwen:
        content["head_dim"] = c.head_dim
    return content


def _first(end_of_text: int | list[int]) -> int:
    return end_of_text[0] if isinstance(end_of_text, list) else end_of_text
