"""Writing a CodeGen model as a GGUF file of the architecture ``phi2``, for llama.cpp."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from multiturn.core.errors import MissingDependencyError, reporting_storage
from multiturn.hub.checkpoints.layouts import gguf_phi2_layout
from multiturn.hub.exports.files import new_tensors
from multiturn.hub.formats.tensors import numpy_dtype
from multiturn.models.config import DecoderConfig
from multiturn.models.parameters import Parameters
from multiturn.text.tokenizers import Tokenizer

__all__ = ["write_gguf"]

_FILE_TYPES = {"float32": 0, "float16": 1, "bfloat16": 32}  # general.file_type


def write_gguf(
    file: Path,
    parameters: Parameters,
    config: DecoderConfig,
    tokenizer: Tokenizer,
    dtype: str,
    *,
    name: str,
) -> None:
    """Write one GGUF file.

    Matrices keep `dtype`; scales and biases are float32, as llama.cpp wants them.

    Args:
        file: to write.
        parameters: of the model.
        config: of the model.
        tokenizer: of the model; rows of the embedding beyond it become unused tokens.
        dtype: ``float32``, ``float16`` or ``bfloat16``.
        name: what the file calls the model.

    Raises:
        MissingDependencyError: the package `gguf` is not installed.
        StorageError: the disk is full, or the place cannot be written.
    """
    try:
        import gguf
    except ModuleNotFoundError as error:
        raise MissingDependencyError("gguf", extra="jax", purpose="writing GGUF files") from error
    writer = gguf.GGUFWriter(file, "phi2")
    writer.add_name(name)
    writer.add_context_length(config.context)
    writer.add_embedding_length(config.width)
    writer.add_feed_forward_length(config.feed_forward_width)
    writer.add_block_count(config.layers)
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.heads)
    writer.add_layer_norm_eps(config.norm_eps)
    writer.add_rope_dimension_count(config.rotary.size)
    writer.add_rope_freq_base(config.rotary.base)
    writer.add_file_type(_FILE_TYPES[dtype])
    _add_tokenizer(gguf, writer, tokenizer, config.vocab_size)
    kinds = {
        "float32": gguf.GGMLQuantizationType.F32,
        "float16": gguf.GGMLQuantizationType.F16,
        "bfloat16": gguf.GGMLQuantizationType.BF16,
    }
    tensors = list(new_tensors(parameters, gguf_phi2_layout(config), dtype))
    with reporting_storage(file, "writing the weights"):
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
            # The bytes themselves, since the library knows no bfloat16.
            writer.write_tensor_data(np.ascontiguousarray(values).view(np.uint8))
        writer.close()


def _add_tokenizer(gguf: Any, writer: Any, tokenizer: Tokenizer, rows: int) -> None:
    tokens, kinds = [], []
    for token in range(rows):
        text = tokenizer.vocabulary.get(token)
        if text is None:
            tokens.append(f"[PAD{token}]")
            kinds.append(gguf.TokenType.UNUSED)
        elif token in tokenizer.added:
            text, special = tokenizer.added[token]
            tokens.append(text)
            kinds.append(gguf.TokenType.CONTROL if special else gguf.TokenType.USER_DEFINED)
        else:
            tokens.append(text)
            kinds.append(gguf.TokenType.NORMAL)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(tokenizer.merges)
    if tokenizer.end_of_text:
        writer.add_bos_token_id(tokenizer.end_of_text[0])
        writer.add_eos_token_id(tokenizer.end_of_text[0])
    writer.add_add_bos_token(False)
