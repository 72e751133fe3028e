"""Writes GGUF files for llama.cpp: CodeGen as ``phi2``, the Llama family as itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from multiturn.core.errors import MissingDependencyError, storage_errors
from multiturn.hub.checkpoints.layouts import Layout, gguf_llama_layout, gguf_phi2_layout
from multiturn.hub.exports.files import new_tensors
from multiturn.hub.formats.tensors import numpy_dtype
from multiturn.models.config import DecoderConfig
from multiturn.models.parameters import Parameters
from multiturn.text.tokenizers import Tokenizer
from multiturn.text.tokenizers_gguf import cut_of

__all__ = ["gguf_layout", "write_gguf"]

_FILE_TYPES = {"float32": 0, "float16": 1, "bfloat16": 32}  # general.file_type


def write_gguf(
    file: Path,
    parameters: Parameters,
    config: DecoderConfig,
    tokenizer: Tokenizer,
    dtype: str,
    *,
    name: str,
    like: Mapping[str, object] | None = None,
) -> None:
    """Write one GGUF file.

    Matrices have `dtype`; scales and biases are float32, which llama.cpp requires.

    Args:
        file: the output.
        parameters: of the model.
        config: of the model.
        tokenizer: of the model; rows of the embedding beyond it become unused tokens.
        dtype: ``float32``, ``float16`` or ``bfloat16``.
        name: of the model, in its metadata.
        like: the metadata of the GGUF file that the model was initialized from, if any; its
            special tokens and chat template are copied.

    Raises:
        InputError: llama.cpp does not support the tokenizer's pre-tokenization.
        MissingDependencyError: the package `gguf` is not installed.
        StorageError: the disk is full, or the place cannot be written.
    """
    try:
        import gguf
    except ModuleNotFoundError as error:
        raise MissingDependencyError("gguf", extra="jax", purpose="writing GGUF files") from error
    architecture, layout = gguf_layout(config)
    cut = cut_of(tokenizer)
    writer = gguf.GGUFWriter(file, architecture)
    writer.add_name(name)
    writer.add_context_length(config.max_seq_len)
    writer.add_embedding_length(config.d_model)
    writer.add_feed_forward_length(config.mlp_dim)
    writer.add_block_count(config.layers)
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.kv_heads)
    if config.family == "codegen":
        writer.add_layer_norm_eps(config.norm_eps)
    else:
        writer.add_layer_norm_rms_eps(config.norm_eps)
        writer.add_vocab_size(config.vocab_size)
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
        if config.rotary.scaling != 1:
            writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
            writer.add_rope_scaling_factor(config.rotary.scaling)
    writer.add_rope_dimension_count(config.rotary.size)
    writer.add_rope_freq_base(config.rotary.base)
    writer.add_file_type(_FILE_TYPES[dtype])
    _add_tokenizer(gguf, writer, tokenizer, config.vocab_size, cut, like or {})
    kinds = {
        "float32": gguf.GGMLQuantizationType.F32,
        "float16": gguf.GGMLQuantizationType.F16,
        "bfloat16": gguf.GGMLQuantizationType.BF16,
    }
    tensors = list(new_tensors(parameters, layout, dtype))
    with storage_errors(file, "writing the weights"):
        for tensor in tensors:
            kind = dtype if len(tensor.shape) > 1 else "float32"
            size = math.prod(tensor.shape) * numpy_dtype(kind).itemsize
            writer.add_tensor_info(
                tensor.name, tensor.shape, np.dtype(np.float32), size, raw_dtype=kinds[kind]
            )
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for tensor in tensors:
            values = tensor.make()
            if values.ndim == 1:
                values = values.astype(np.float32)
            # As bytes, since the library does not support bfloat16.
            writer.write_tensor_data(np.ascontiguousarray(values).view(np.uint8))
        writer.close()


def gguf_layout(config: DecoderConfig) -> tuple[str, Layout]:
    """The llama.cpp architecture of a model, and its layout."""
    if config.family == "llama":
        architecture = "qwen2" if config.qkv_bias else "llama"
        return architecture, gguf_llama_layout(config, architecture)
    return "phi2", gguf_phi2_layout(config)


def _add_tokenizer(
    gguf: Any,
    writer: Any,
    tokenizer: Tokenizer,
    rows: int,
    cut: str,
    like: Mapping[str, object],
) -> None:
    tokens, kinds = [], []
    for token in range(rows):
        text = tokenizer.vocabulary.get(token)
        if text is None:
            tokens.append(f"[PAD{token}]")
            kinds.append(gguf.TokenType.UNUSED)
        elif token in tokenizer.added:
            text, is_special = tokenizer.added[token]
            tokens.append(text)
            kinds.append(gguf.TokenType.CONTROL if is_special else gguf.TokenType.USER_DEFINED)
        else:
            tokens.append(text)
            kinds.append(gguf.TokenType.NORMAL)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(cut)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(tokenizer.merges)
    special = {
        key: value
        for key, value in like.items()
        if key.startswith("tokenizer.ggml.") and isinstance(value, bool | int)
    }
    if not special:
        _add_special_tokens(writer, tokenizer)
    for key, value in special.items():
        if isinstance(value, bool):
            writer.add_bool(key, value)
        else:
            writer.add_uint32(key, value)
    template = like.get("tokenizer.chat_template")
    if isinstance(template, str):
        writer.add_chat_template(template)


def _add_special_tokens(writer: Any, tokenizer: Tokenizer) -> None:
    ends = tokenizer.end_of_text
    bos = next(iter((*tokenizer.before, *ends)), None)
    if bos is not None:
        writer.add_bos_token_id(bos)
    # A GGUF file has fields for three tokens that end a text.
    for add, token in zip(
        (writer.add_eos_token_id, writer.add_eot_token_id, writer.add_eom_token_id),
        ends,
        strict=False,
    ):
        add(token)
    writer.add_add_bos_token(bool(tokenizer.before))
    if tokenizer.after:
        writer.add_add_eos_token(True)
