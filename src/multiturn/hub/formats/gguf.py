"""GGUF headers, parsed strictly: llama.cpp aborts the process on some broken files.

This parser checks every count, length and offset against the size of the file, and that every
tensor is inside the file, before llama.cpp sees it; the package `gguf` does not. Parsing takes a
few megabytes of memory whatever the file claims; long arrays are skipped and can be read later.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NoReturn

from multiturn.core.errors import ModelFileError
from multiturn.hub.formats.ggml_types import FILE_TYPES, GGML_TYPES, GGMLType
from multiturn.hub.formats.gguf_reader import ArrayInfo, FormatError, GGUFReader, Scalar

__all__ = ["ArrayInfo", "GGUFHeader", "TensorInfo", "Value", "read_array", "read_gguf_header"]

Value = Scalar | ArrayInfo
"""A value of the metadata; an array is represented by its location."""

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_DEFAULT_ALIGNMENT = 32
# Limits of llama.cpp (ggml.h), beyond which it refuses or ends the process.
_MAX_DIMENSIONS = 4
_MAX_TENSOR_NAME = 63
_MAX_KEY = 65535
_MAX_ELEMENTS = 2**63 - 1
# Far above any real model, but low enough that a false count costs little time.
_MAX_ENTRIES = 1 << 16
_MAX_TENSORS = 1 << 20


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor in the header; its location was checked.

    Attributes:
        name: e.g. ``blk.0.attn_q.weight``.
        dimensions: sizes in file order, the length of a row first.
        type: its number format.
        offset: of its first byte, from the beginning of the file.
        bytes: its size.
    """

    name: str
    dimensions: tuple[int, ...]
    type: GGMLType
    offset: int
    bytes: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes in numpy order, the length of a row last."""
        return self.dimensions[::-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class GGUFHeader:
    """Everything before the weights.

    Attributes:
        path: the file.
        version: of the format.
        metadata: by key; see `read_array` for the arrays among them.
        tensors: in the order of the file.
        data_offset: of the weights.
        alignment: of every tensor.
        architecture: e.g. ``qwen2``.
        bos_token: text of the beginning-of-text token; empty if the model has none.
        eos_token: text of the end-of-text token; empty if the model has none.
    """

    path: Path
    version: int
    metadata: dict[str, Value] = field(repr=False)
    tensors: tuple[TensorInfo, ...] = field(repr=False)
    data_offset: int
    alignment: int
    architecture: str
    bos_token: str
    eos_token: str

    @property
    def context_length(self) -> int | None:
        """The model's context window in tokens; None if the file does not say."""
        value = self.metadata.get(f"{self.architecture}.context_length")
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    @property
    def chat_template(self) -> str | None:
        """The model's own Jinja template; None for a base model."""
        value = self.metadata.get("tokenizer.chat_template")
        return value if isinstance(value, str) else None

    @property
    def name(self) -> str | None:
        """The name of the model."""
        value = self.metadata.get("general.name")
        return value if isinstance(value, str) else None

    @property
    def file_type(self) -> str | None:
        """The number format of most tensors, e.g. ``Q4_K_M``."""
        value = self.metadata.get("general.file_type")
        return FILE_TYPES.get(value) if isinstance(value, int) else None

    @property
    def parameters(self) -> int:
        """The number of weights in all tensors."""
        return sum(_product(tensor.dimensions) for tensor in self.tensors)


def read_gguf_header(path: Path) -> GGUFHeader:
    """Read and check the header of a GGUF file. Do not modify the result, which is shared.

    Raises:
        ModelFileError: not a GGUF file, broken, or truncated; the message says what is wrong.
    """
    try:
        status = path.stat()
    except (OSError, ValueError):
        return _read_header(path, None)  # says why not
    version = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    return _read_header(path, version)


@lru_cache(maxsize=4)
def _read_header(path: Path, version: tuple[int, ...] | None) -> GGUFHeader:
    """Read a header once for each version of a file: opening a model needs it several times."""
    del version
    try:
        with GGUFReader(path) as reader:
            return _read(path, reader)
    except FormatError as error:
        raise _model_file_error(path, str(error)) from error


def read_array(header: GGUFHeader, key: str) -> Sequence[Scalar]:
    """An array of the metadata, read from the file.

    Args:
        header: of the file.
        key: e.g. ``tokenizer.ggml.tokens``.

    Raises:
        ModelFileError: there is no array with this key, or the file has changed.
    """
    info = header.metadata.get(key)
    if not isinstance(info, ArrayInfo):
        raise ModelFileError(f"the model file has no array {key!r}", got=str(header.path))
    try:
        with GGUFReader(header.path) as reader:
            return reader.array(info)
    except FormatError as error:
        raise _model_file_error(header.path, str(error)) from error


def _model_file_error(path: Path, problem: str) -> ModelFileError:
    return ModelFileError(
        f"the model file cannot be used, {problem}",
        got=str(path),
        allowed=f"a complete GGUF file of version {' or '.join(map(str, _VERSIONS))}",
        fix="download or copy the file again",
    )


def _read(path: Path, reader: GGUFReader) -> GGUFHeader:
    version = _read_version(reader)
    tensor_count = reader.count("tensors", _MAX_TENSORS, min_bytes=24)
    entry_count = reader.count("metadata entries", _MAX_ENTRIES, min_bytes=13)
    metadata = _read_metadata(reader, entry_count)
    alignment = _alignment(metadata)
    described = _read_tensors(reader, tensor_count)
    data_offset = _aligned(reader.position, alignment)
    tensors = _place_tensors(described, data_offset, alignment, reader.size)
    architecture = metadata.get("general.architecture")
    if not isinstance(architecture, str) or not architecture:
        _fail("it does not say its architecture (general.architecture)")
    bos_token, eos_token = _special_tokens(reader, metadata)
    return GGUFHeader(
        path=path,
        version=version,
        metadata=metadata,
        tensors=tensors,
        data_offset=data_offset,
        alignment=alignment,
        architecture=architecture,
        bos_token=bos_token,
        eos_token=eos_token,
    )


def _read_version(reader: GGUFReader) -> int:
    if reader.size == 0:
        _fail("it is empty")
    magic = reader.take(min(4, reader.size), "the first four bytes")
    if magic != _MAGIC:
        _fail(f"it is not a GGUF file: it begins with {magic!r}")
    version = reader.number("<I", "the version")
    if version not in _VERSIONS:
        if int(version) & 0xFFFF == 0 and version:
            _fail("it is written for big-endian machines")
        _fail(f"it is of GGUF version {version}")
    return int(version)


def _read_metadata(reader: GGUFReader, count: int) -> dict[str, Value]:
    metadata: dict[str, Value] = {}
    for index in range(count):
        key = reader.text(f"the name of metadata entry {index}", max_bytes=_MAX_KEY, strict=True)
        if not key:
            _fail(f"metadata entry {index} has no name")
        if key in metadata:
            _fail(f"it has the metadata entry {key!r} twice")
        metadata[key] = reader.value(key)
    return metadata


def _alignment(metadata: dict[str, Value]) -> int:
    alignment = metadata.get("general.alignment", _DEFAULT_ALIGNMENT)
    if (
        not isinstance(alignment, int)
        or isinstance(alignment, bool)
        or not 0 < alignment <= 1 << 30
        or alignment & (alignment - 1)
    ):
        _fail(f"its alignment is {alignment!r}, which is not a power of two")
    return alignment


@dataclass(frozen=True, slots=True)
class _Described:
    """A tensor whose location was not checked yet; `offset` is relative to the weights."""

    name: str
    dimensions: tuple[int, ...]
    type: GGMLType
    offset: int
    bytes: int


def _read_tensors(reader: GGUFReader, count: int) -> list[_Described]:
    tensors: list[_Described] = []
    names: set[str] = set()
    for index in range(count):
        where = f"the description of tensor {index}"
        name = reader.text(where, max_bytes=_MAX_TENSOR_NAME, strict=True)
        if name in names:
            _fail(f"it has the tensor {name!r} twice")
        names.add(name)
        rank = int(reader.number("<I", where))
        if not 1 <= rank <= _MAX_DIMENSIONS:
            _fail(f"the tensor {name!r} has {rank} dimensions, not 1 to {_MAX_DIMENSIONS}")
        dimensions = tuple(int(reader.number("<Q", where)) for _ in range(rank))
        # A dimension of zero makes llama.cpp divide by it.
        if 0 in dimensions or _product(dimensions) > _MAX_ELEMENTS:
            _fail(f"the tensor {name!r} has the impossible shape {dimensions}")
        number = int(reader.number("<I", where))
        kind = GGML_TYPES.get(number)
        if kind is None:
            _fail(f"the tensor {name!r} has the unknown number format {number}")
        if dimensions[0] % kind.block_size:
            _fail(
                f"the tensor {name!r} has rows of {dimensions[0]} weights, which do not fill "
                f"blocks of {kind.block_size} ({kind.name})"
            )
        size = kind.row_bytes(dimensions[0]) * _product(dimensions[1:])
        offset = int(reader.number("<Q", where))
        tensors.append(_Described(name, dimensions, kind, offset, size))
    return tensors


def _place_tensors(
    described: list[_Described], data_offset: int, alignment: int, file_size: int
) -> tuple[TensorInfo, ...]:
    """Check that tensors are contiguous, as llama.cpp requires, and inside the file."""
    tensors = []
    expected = 0
    for tensor in described:
        if tensor.offset != expected:
            _fail(f"the tensor {tensor.name!r} is at offset {tensor.offset} instead of {expected}")
        begin = data_offset + tensor.offset
        tensors.append(TensorInfo(tensor.name, tensor.dimensions, tensor.type, begin, tensor.bytes))
        expected = _aligned(tensor.offset + tensor.bytes, alignment)
    beyond = [tensor for tensor in tensors if tensor.offset + tensor.bytes > file_size]
    if beyond:
        missing = beyond[-1].offset + beyond[-1].bytes - file_size
        _fail(
            f"it is cut off: {missing} bytes are missing after its {file_size}, the tensor "
            f"{beyond[0].name!r} is the first incomplete one"
        )
    return tuple(tensors)


def _special_tokens(reader: GGUFReader, metadata: dict[str, Value]) -> tuple[str, str]:
    """The texts of the BOS and EOS tokens; also checks the vocabulary."""
    tokens = metadata.get("tokenizer.ggml.tokens")
    if tokens is None:
        return "", ""
    if not isinstance(tokens, ArrayInfo) or not tokens.of_text:
        _fail("its tokenizer.ggml.tokens is not a list of texts")
    # llama.cpp reads as many elements of these as there are tokens, even past their end.
    for key, kind in (("scores", "float32"), ("token_type", "int32")):
        other = metadata.get(f"tokenizer.ggml.{key}")
        if other is None:
            continue
        if not isinstance(other, ArrayInfo) or other.kind != kind or other.count != tokens.count:
            _fail(f"its tokenizer.ggml.{key} is not a list of {kind} as long as the vocabulary")
    merges = metadata.get("tokenizer.ggml.merges")
    if merges is not None and not (isinstance(merges, ArrayInfo) and merges.of_text):
        _fail("its tokenizer.ggml.merges is not a list of texts")
    wanted: dict[str, int] = {}
    for key in ("bos", "eos"):
        number = metadata.get(f"tokenizer.ggml.{key}_token_id")
        if number is None:
            continue
        if isinstance(number, bool) or not isinstance(number, int):
            _fail(f"its {key} token is not a number")
        if not 0 <= number < tokens.count:
            _fail(f"its {key} token is number {number} of {tokens.count}")
        wanted[key] = number
    texts = reader.texts_at(tokens, set(wanted.values()))
    return tuple(texts[wanted[key]] if key in wanted else "" for key in ("bos", "eos"))  # type: ignore[return-value]


def _aligned(position: int, alignment: int) -> int:
    return -(-position // alignment) * alignment


def _product(sizes: Sequence[int]) -> int:
    product = 1
    for size in sizes:
        product *= size
    return product


def _fail(problem: str) -> NoReturn:
    raise FormatError(problem)
