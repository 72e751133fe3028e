"""The safetensors format, with strict reading and streamed writing.

The package `safetensors` needs all tensors in memory to write a file; this module computes each
tensor as it is written. A file is a header length, a JSON header, and the tensors' bytes.

Source: the format section of the safetensors README (github.com/huggingface/safetensors).
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from multiturn.core.errors import storage_errors
from multiturn.hub.formats.tensors import StoredTensor, broken, map_file, numpy_dtype

__all__ = ["NewTensor", "read_safetensors", "write_safetensors"]

_DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
}
_CODES = {name: code for code, name in _DTYPES.items()}
_MAX_HEADER_BYTES = 100_000_000  # the format's own limit


def read_safetensors(file: Path) -> dict[str, StoredTensor]:
    """The tensors of one file by name.

    Raises:
        ModelFileError: the file is truncated, its header is invalid, or the tensors do not fill
            it exactly. The message names the tensor.
    """
    content = map_file(file)
    if content.size < 8:
        raise broken(file, "too short for a safetensors file", got=f"{content.size} bytes")
    (length,) = struct.unpack("<Q", content[:8].tobytes())
    if length > min(_MAX_HEADER_BYTES, content.size - 8):
        raise broken(
            file,
            "not a complete safetensors file: its header runs past the end",
            got=f"a header of {length} bytes in a file of {content.size}",
        )
    header = _parse_header(file, content[8 : 8 + length].tobytes())
    data = content[8 + length :]
    tensors = {}
    spans = []
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        dtype, shape, begin, end = _read_entry(file, name, entry)
        if end > data.size:
            raise broken(
                file,
                f"cut short: the tensor {name!r} runs past the end",
                got=f"{data.size} bytes of data",
                allowed=f"{end}",
            )
        spans.append((begin, end, name))
        tensors[name] = StoredTensor(
            name, shape, _DTYPES[dtype], file, dtype, _reader(data[begin:end], dtype, shape)
        )
    at = 0
    for begin, end, name in sorted(spans):
        if begin != at:
            raise broken(file, f"the tensor {name!r} overlaps another or leaves a gap", got=begin)
        at = end
    if at != data.size:
        raise broken(file, "bytes left over after the last tensor", got=data.size - at)
    return tensors


def _parse_header(file: Path, raw: bytes) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a name is repeated")
        return found

    try:
        header = json.loads(raw, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise broken(file, f"its safetensors header is not JSON ({error})") from error
    if not isinstance(header, dict):
        raise broken(file, "its safetensors header is not a JSON object")
    return header


def _read_entry(file: Path, name: str, entry: Any) -> tuple[str, tuple[int, ...], int, int]:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise broken(file, f"the header's entry of the tensor {name!r} is not well formed")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise broken(
            file, f"the tensor {name!r} has an unknown dtype", got=dtype, allowed=", ".join(_DTYPES)
        )
    for numbers in (shape, offsets):
        if not isinstance(numbers, list) or any(
            type(number) is not int or number < 0 for number in numbers
        ):
            raise broken(file, f"the header's entry of the tensor {name!r} is not well formed")
    if len(offsets) != 2:
        raise broken(file, f"the header's entry of the tensor {name!r} is not well formed")
    begin, end = offsets
    expected = math.prod(shape) * numpy_dtype(_DTYPES[dtype]).itemsize
    if end - begin != expected:
        raise broken(
            file,
            f"the tensor {name!r} has another size than its shape {shape} and {dtype} give",
            got=f"{end - begin} bytes",
            allowed=f"{expected}",
        )
    return dtype, tuple(shape), begin, end


def _reader(
    data: np.ndarray[Any, Any], dtype: str, shape: tuple[int, ...]
) -> Callable[[], np.ndarray[Any, Any]]:
    return lambda: np.frombuffer(data, dtype=numpy_dtype(_DTYPES[dtype])).reshape(shape)


@dataclass(frozen=True, slots=True)
class NewTensor:
    """A tensor to write, whose size is known before its values are computed."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    make: Callable[[], np.ndarray[Any, Any]]

    @property
    def nbytes(self) -> int:
        """Bytes of the values."""
        return math.prod(self.shape) * numpy_dtype(self.dtype).itemsize


def write_safetensors(file: Path, tensors: Sequence[NewTensor]) -> None:
    """Write one file, computing each tensor only when it is written.

    The file is synced to disk but the write is not atomic; use `atomic_directory`.

    Raises:
        StorageError: the disk is full, or the file cannot be written.
        ValueError: a tensor has another shape or dtype than announced.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for tensor in tensors:
        header[tensor.name] = {
            "dtype": _CODES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [at, at + tensor.nbytes],
        }
        at += tensor.nbytes
    raw = json.dumps(header, separators=(",", ":")).encode()
    raw += b" " * (-len(raw) % 8)  # tensors start at a multiple of 8 bytes
    with storage_errors(file, "writing the weights"), file.open("wb") as out:
        out.write(struct.pack("<Q", len(raw)))
        out.write(raw)
        for tensor in tensors:
            values = tensor.make()
            if values.shape != tensor.shape or values.dtype != numpy_dtype(tensor.dtype):
                raise ValueError(
                    f"{tensor.name} was made as {values.dtype}{values.shape}, "
                    f"announced as {tensor.dtype}{tensor.shape}"
                )
            out.write(np.ascontiguousarray(values).view(np.uint8).data)
        out.flush()
        os.fsync(out.fileno())
