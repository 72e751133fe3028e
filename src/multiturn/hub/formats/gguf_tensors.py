"""Dequantizes the tensors of GGUF files to floating point.

Quantized formats store a few bits for each weight and a scale for each block of weights:
``weight = scale * code`` or ``scale * code + offset``. The arithmetic is that of
`ggml-quants.c`, vectorized over blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from multiturn.core.errors import ModelFileError
from multiturn.hub.formats.ggml_types import GGML_TYPES
from multiturn.hub.formats.gguf import GGUFHeader, TensorInfo, read_gguf_header
from multiturn.hub.formats.tensors import StoredTensor, map_file

__all__ = ["READABLE_TYPES", "dequantize", "read_gguf_tensors"]

Blocks = np.ndarray[Any, np.dtype[np.uint8]]
Floats = np.ndarray[Any, np.dtype[np.float32]]

_WEIGHTS_AT_ONCE = 1 << 17
"""Keeps temporary arrays small enough for a processor's cache."""


def read_gguf_tensors(path: Path) -> tuple[GGUFHeader, dict[str, StoredTensor]]:
    """The header of a GGUF file, and its tensors by name, read as float32.

    Raises:
        ModelFileError: the file is broken, or a tensor's format is not in `READABLE_TYPES`; the
            message names the tensor.
    """
    header = read_gguf_header(path)
    content = map_file(path)
    tensors: dict[str, StoredTensor] = {}
    for info in header.tensors:
        if info.type.name not in _READERS:
            raise ModelFileError(
                f"{path.name}: the tensor {info.name!r} has an unsupported number format",
                got=info.type.name,
                allowed=", ".join(READABLE_TYPES),
                fix="use another quantization of the model, such as Q8_0 or Q4_K_M",
            )
        tensors[info.name] = StoredTensor(
            info.name,
            info.shape,
            "float32",
            path,
            info.type.name,
            _reader(content, info),
            partial(_read_raw, path, info),
        )
    return header, tensors


def _read_raw(path: Path, info: TensorInfo) -> np.ndarray[Any, Any]:
    """The bytes of a tensor. Pages of a mapping would count as memory of this process."""
    raw = np.fromfile(path, np.uint8, info.bytes, offset=info.offset)
    if raw.size != info.bytes:
        raise ModelFileError(
            f"{path.name}: the tensor {info.name!r} is cut short", fix="fetch the file again"
        )
    return raw


def _reader(content: np.ndarray[Any, Any], info: TensorInfo) -> Callable[[], Floats]:
    raw = content[info.offset : info.offset + info.bytes]
    return lambda: dequantize(raw, info.type.name, info.type.block_bytes).reshape(info.shape)


def dequantize(raw: np.ndarray[Any, Any], type_name: str, block_bytes: int) -> Floats:
    """All weights of `raw`, as one flat array.

    Args:
        raw: complete blocks, as bytes.
        type_name: one of `READABLE_TYPES`.
        block_bytes: bytes of one block.
    """
    read = _READERS[type_name]
    blocks = np.frombuffer(raw, np.uint8).reshape(-1, block_bytes)
    block_size = _BLOCK_SIZES[type_name]
    if type_name in ("F32", "F16", "BF16"):
        return read(blocks).reshape(-1)
    weights = np.empty(len(blocks) * block_size, np.float32)
    step = max(1, _WEIGHTS_AT_ONCE // block_size)
    for at in range(0, len(blocks), step):
        done = read(blocks[at : at + step]).reshape(-1)
        weights[at * block_size : at * block_size + len(done)] = done
    return weights


def _half(two_bytes: Blocks) -> Floats:
    """One float16 for each block, as a column."""
    return np.ascontiguousarray(two_bytes).view(np.float16).astype(np.float32)


def _scaled(codes: np.ndarray[Any, Any], two_bytes: Blocks) -> Floats:
    """The codes of each block times its scale."""
    weights: Floats = np.multiply(codes, _half(two_bytes), dtype=np.float32)
    return weights


def _nibbles(packed: Blocks) -> Blocks:
    """The low nibbles of some bytes, then the high nibbles."""
    return np.concatenate((packed & 0x0F, packed >> 4), axis=-1)


def _fifth_bits(four_bytes: Blocks) -> Blocks:
    """The 32 bits of a little-endian number, lowest first, each worth 16."""
    return np.unpackbits(four_bytes, axis=-1, bitorder="little") << np.uint8(4)


def _f32(blocks: Blocks) -> Floats:
    return blocks.reshape(-1).view("<f4").astype(np.float32, copy=False)


def _f16(blocks: Blocks) -> Floats:
    return blocks.reshape(-1).view("<f2").astype(np.float32)


def _bf16(blocks: Blocks) -> Floats:
    wide: Floats = blocks.reshape(-1).view(ml_dtypes.bfloat16).astype(np.float32)
    return wide


def _q8_0(blocks: Blocks) -> Floats:
    codes = np.ascontiguousarray(blocks[:, 2:]).view(np.int8)
    return _scaled(codes, blocks[:, :2])


def _q4_0(blocks: Blocks) -> Floats:
    codes = _nibbles(blocks[:, 2:]).view(np.int8) - np.int8(8)
    return _scaled(codes, blocks[:, :2])


def _q4_1(blocks: Blocks) -> Floats:
    weights = _scaled(_nibbles(blocks[:, 4:]), blocks[:, :2])
    weights += _half(blocks[:, 2:4])
    return weights


def _q5_0(blocks: Blocks) -> Floats:
    codes = _nibbles(blocks[:, 6:]) | _fifth_bits(blocks[:, 2:6])
    return _scaled(codes.view(np.int8) - np.int8(16), blocks[:, :2])


def _q5_1(blocks: Blocks) -> Floats:
    codes = _nibbles(blocks[:, 8:]) | _fifth_bits(blocks[:, 4:8])
    weights = _scaled(codes, blocks[:, :2])
    weights += _half(blocks[:, 2:4])
    return weights


def _k_scales(packed: Blocks) -> tuple[Floats, Floats]:
    """Scale and offset codes of 8 sub-blocks, 6 bits each, out of 12 bytes.

    The first 8 bytes hold 4 scales and 4 offsets in their low 6 bits; the last 4 hold the
    low nibbles of the other scales and offsets, whose high 2 bits top the first 8 bytes.
    """
    scales, offsets, low = packed[:, 0:4], packed[:, 4:8], packed[:, 8:12]
    late_scales = (low & 0x0F) | ((scales >> 6) << 4)
    late_offsets = (low >> 4) | ((offsets >> 6) << 4)
    return (
        np.concatenate((scales & 0x3F, late_scales), axis=1).astype(np.float32),
        np.concatenate((offsets & 0x3F, late_offsets), axis=1).astype(np.float32),
    )


def _k_weights(blocks: Blocks, codes: Blocks) -> Floats:
    """``scale * code - offset`` for 8 sub-blocks of 32, shared by Q4_K and Q5_K."""
    scales, offsets = _k_scales(blocks[:, 4:16])
    scale = (_half(blocks[:, :2]) * scales)[:, :, None]
    offset = (_half(blocks[:, 2:4]) * offsets)[:, :, None]
    weights: Floats = scale * codes.astype(np.float32) - offset
    return weights


def _q4_k(blocks: Blocks) -> Floats:
    codes = _nibbles(blocks[:, 16:].reshape(-1, 4, 32)).reshape(-1, 8, 32)
    return _k_weights(blocks, codes)


def _q5_k(blocks: Blocks) -> Floats:
    codes = _nibbles(blocks[:, 48:].reshape(-1, 4, 32)).reshape(-1, 8, 32)
    # Bit s of byte i is the fifth bit of weight i in sub-block s.
    shifts = np.arange(8, dtype=np.uint8)[:, None]
    fifth = (blocks[:, None, 16:48] >> shifts) & np.uint8(1)
    return _k_weights(blocks, codes | (fifth << np.uint8(4)))


def _q6_k(blocks: Blocks) -> Floats:
    low = _nibbles(blocks[:, :128].reshape(-1, 2, 64)).reshape(-1, 8, 32)
    shifts = np.array([0, 2, 4, 6], np.uint8)[:, None]
    high = (blocks[:, 128:192].reshape(-1, 2, 1, 32) >> shifts) & 3
    codes = (low | (high.reshape(-1, 8, 32) << 4)).astype(np.float32) - 32
    scales = np.ascontiguousarray(blocks[:, 192:208]).view(np.int8).astype(np.float32)
    scale = (_half(blocks[:, 208:210]) * scales)[:, :, None]
    weights: Floats = scale * codes.reshape(-1, 16, 16)
    return weights


_READERS: dict[str, Callable[[Blocks], Floats]] = {
    "F32": _f32,
    "F16": _f16,
    "BF16": _bf16,
    "Q8_0": _q8_0,
    "Q4_0": _q4_0,
    "Q4_1": _q4_1,
    "Q5_0": _q5_0,
    "Q5_1": _q5_1,
    "Q4_K": _q4_k,
    "Q5_K": _q5_k,
    "Q6_K": _q6_k,
}

_BLOCK_SIZES = {kind.name: kind.block_size for kind in GGML_TYPES.values()}

READABLE_TYPES = tuple(_READERS)
"""The supported number formats."""
