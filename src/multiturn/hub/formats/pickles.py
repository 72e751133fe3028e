"""Reads `pytorch_model.bin` without torch and without executing the pickle in it.

Such a file is a zip: ``data.pkl`` describes the tensors, and ``data/0``, ``data/1`` ... are their
bytes. A pickle is a program that may call anything importable, so `pickle` is not used. This reader
interprets the instructions that a state dict needs and only *describes* their effect: it never
imports a name or calls anything, and refuses every other instruction or name.

Source: `torch/serialization.py` and `torch/_utils.py` for the names, `pickletools` for the
instructions.
"""

from __future__ import annotations

import io
import math
import pickletools
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from multiturn.core.errors import ModelFileError
from multiturn.hub.formats.tensors import StoredTensor, broken, map_file, numpy_dtype

__all__ = ["read_torch_pickle"]

_STORAGES = {
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "DoubleStorage": "float64",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
_REBUILD_TENSOR = ("torch._utils", "_rebuild_tensor_v2")
_REBUILD_PARAMETER = ("torch._utils", "_rebuild_parameter")
_ORDERED_DICT = ("collections", "OrderedDict")
_KNOWN = {_REBUILD_TENSOR, _REBUILD_PARAMETER, _ORDERED_DICT} | {
    ("torch", storage) for storage in _STORAGES
}
_MAX_PICKLE_BYTES = 64 << 20  # the description of a state dict takes a few hundred kB


@dataclass(frozen=True, slots=True)
class _Name:
    """A qualified name, which is compared but never imported."""

    module: str
    name: str

    @property
    def pair(self) -> tuple[str, str]:
        return self.module, self.name


@dataclass(frozen=True, slots=True)
class _Storage:
    key: str
    dtype: str
    elements: int


@dataclass(frozen=True, slots=True)
class _View:
    """A tensor in a pickle: a strided view of a storage, in elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Refusal(Exception):  # noqa: N818 - carries the reason for the error
    """The pickle has something that is not allowed."""


def read_torch_pickle(file: Path) -> dict[str, StoredTensor]:
    """The tensors of one file by name.

    Raises:
        ModelFileError: not a torch zip file, truncated, or its pickle has more than tensors.
            Nothing from the file was imported or executed.
    """
    content = map_file(file)
    members = _members(file, content)
    description = [name for name in members if name.rsplit("/", 1)[-1] == "data.pkl"]
    if len(description) != 1:
        raise broken(file, "not a torch file: it has no data.pkl", got=len(description))
    root = description[0][: -len("data.pkl")]
    order = members.get(f"{root}byteorder")
    if order is not None and order().tobytes() != b"little":
        raise broken(file, "its numbers are not little-endian")
    raw = members[description[0]]()
    if raw.size > _MAX_PICKLE_BYTES:
        raise broken(file, "its data.pkl is too large", got=f"{raw.size} bytes")
    try:
        state = _Interpreter().run(raw.tobytes())
    except _Refusal as refusal:
        raise ModelFileError(
            f"{file.name}: the pickle has more than tensors, and was not executed: {refusal}",
            fix="use the model's safetensors files, or do not trust this one",
        ) from refusal
    if not isinstance(state, dict):
        raise broken(file, "the pickle is not a mapping from names to tensors")
    tensors = {}
    for name, view in state.items():
        if not isinstance(name, str) or not isinstance(view, _View):
            raise broken(file, f"the entry {str(name)!r} is not a tensor", got=type(view).__name__)
        storage = members.get(f"{root}data/{view.storage.key}")
        if storage is None:
            raise broken(file, f"the bytes of the tensor {name!r} are missing")
        tensors[name] = _stored(file, name, view, storage())
    return tensors


def _members(file: Path, content: np.ndarray[Any, Any]) -> dict[str, Callable[[], Any]]:
    """The zip's members, each as a function that returns a view of the file."""
    if content[:4].tobytes() != b"PK\x03\x04":
        raise broken(
            file,
            "not a torch zip file (the older format of torch before 1.6 is not read)",
            got=content[:4].tobytes(),
        )
    try:
        with zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise broken(file, f"cut short or broken: {error}") from error
    members: dict[str, Callable[[], Any]] = {}
    for info in infos:
        if info.filename in members:
            raise broken(file, "a member is repeated", got=info.filename)
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            raise broken(file, "a member is compressed or encrypted", got=info.filename)
        members[info.filename] = _member_reader(file, content, info)
    return members


def _member_reader(
    file: Path, content: np.ndarray[Any, Any], info: zipfile.ZipInfo
) -> Callable[[], np.ndarray[Any, Any]]:
    def read() -> np.ndarray[Any, Any]:
        # The local header repeats the name and has its own extra field.
        fixed = content[info.header_offset : info.header_offset + 30].tobytes()
        if len(fixed) < 30 or fixed[:4] != b"PK\x03\x04":
            raise broken(file, "cut short or broken", got=info.filename)
        name_length, extra_length = struct.unpack("<HH", fixed[26:30])
        begin = info.header_offset + 30 + name_length + extra_length
        if begin + info.file_size > content.size:
            raise broken(file, "cut short", got=info.filename)
        return content[begin : begin + info.file_size]

    return read


def _stored(file: Path, name: str, view: _View, raw: np.ndarray[Any, Any]) -> StoredTensor:
    dtype = numpy_dtype(view.storage.dtype)
    held = raw.size // dtype.itemsize
    last = view.offset + sum(
        (size - 1) * stride for size, stride in zip(view.shape, view.strides, strict=True)
    )
    empty = math.prod(view.shape) == 0
    if raw.size != view.storage.elements * dtype.itemsize or (not empty and last >= held):
        raise broken(
            file,
            f"the tensor {name!r} runs past its bytes",
            got=f"{raw.size} bytes",
            allowed=f"{max(last + 1, view.storage.elements) * dtype.itemsize}",
        )

    def read() -> np.ndarray[Any, Any]:
        elements = np.frombuffer(raw, dtype=dtype, count=held)[view.offset :]
        if empty:
            return np.zeros(view.shape, dtype)
        return np.lib.stride_tricks.as_strided(
            elements,
            view.shape,
            [stride * dtype.itemsize for stride in view.strides],
            writeable=False,
        )

    return StoredTensor(name, view.shape, view.storage.dtype, file, view.storage.dtype, read)


class _Interpreter:
    """An interpreter of the pickle instructions that a state dict uses."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self, raw: bytes) -> Any:
        """The described content of a pickle."""
        try:
            for opcode, argument, _ in pickletools.genops(io.BytesIO(raw)):
                if opcode.name == "STOP":
                    return self.stack.pop()
                self._step(opcode.name, argument)
        except _Refusal:
            raise
        except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
            raise _Refusal(f"it is not well formed ({type(error).__name__}: {error})") from error
        raise _Refusal("it has no end")

    def _step(self, name: str, argument: Any) -> None:
        stack = self.stack
        match name:
            case "PROTO" | "FRAME":
                pass
            case "MARK":
                self.marks.append(len(stack))
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_TUPLE":
                stack.append(())
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[name])
            case (
                "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT"
                | "BINUNICODE" | "SHORT_BINUNICODE" | "BINUNICODE8"
            ):  # fmt: skip
                stack.append(argument)
            case "TUPLE":
                stack.append(tuple(self._since_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(name[-1])
                stack[-count:] = [tuple(stack[-count:])]
            case "APPEND" | "APPENDS":
                items = self._since_mark() if name == "APPENDS" else [stack.pop()]
                self._top(list).extend(items)
            case "SETITEM" | "SETITEMS":
                items = self._since_mark() if name == "SETITEMS" else self._pop(2)
                self._top(dict).update(zip(items[0::2], items[1::2], strict=True))
            case "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = stack[-1]
            case "MEMOIZE":
                self.memo[len(self.memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(self.memo[argument])
            case "GLOBAL":
                module, _, attribute = argument.partition(" ")
                stack.append(_known(module, attribute))
            case "STACK_GLOBAL":
                stack.append(_known(*self._pop(2)))
            case "BINPERSID":
                stack.append(_storage(stack.pop()))
            case "REDUCE":
                stack.append(_described(*self._pop(2)))
            case "BUILD":
                # The `_metadata` of a state dict's OrderedDict is not needed.
                stack.pop()
                self._top(dict)
            case _:
                raise _Refusal(f"the instruction {name}")

    def _pop(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise IndexError("the stack is empty")
        taken = self.stack[-count:]
        del self.stack[-count:]
        return taken

    def _since_mark(self) -> list[Any]:
        return self._pop_from(self.marks.pop())

    def _pop_from(self, start: int) -> list[Any]:
        taken = self.stack[start:]
        del self.stack[start:]
        return taken

    def _top(self, kind: type) -> Any:
        if type(self.stack[-1]) is not kind:
            raise TypeError(f"expected a {kind.__name__}")
        return self.stack[-1]


def _known(module: object, name: object) -> _Name:
    if (module, name) not in _KNOWN:
        raise _Refusal(f"the name {module}.{name}")
    return _Name(str(module), str(name))


def _storage(identity: Any) -> _Storage:
    kind, storage, key, _device, elements = identity
    if kind != "storage" or not isinstance(storage, _Name) or storage.module != "torch":
        raise TypeError("a storage of no known kind")
    if not isinstance(key, str) or type(elements) is not int or elements < 0:
        raise TypeError("a storage that is not well formed")
    return _Storage(key, _STORAGES[storage.name], elements)


def _described(what: Any, arguments: Any) -> Any:
    """The described result of a call, for the three calls of a state dict."""
    if not isinstance(what, _Name) or not isinstance(arguments, tuple):
        raise _Refusal("a call of something that is not a name")
    if what.pair == _ORDERED_DICT and not arguments:
        return {}
    if what.pair == _REBUILD_PARAMETER and isinstance(arguments[0], _View):
        return arguments[0]
    if what.pair == _REBUILD_TENSOR:
        storage, offset, shape, strides = arguments[:4]
        numbers = (offset, *shape, *strides)
        in_range = all(type(number) is int and 0 <= number < 2**48 for number in numbers)
        if not isinstance(storage, _Storage) or not in_range or len(shape) != len(strides):
            raise TypeError("a tensor that is not well formed")
        return _View(storage, offset, tuple(shape), tuple(strides))
    raise _Refusal(f"a call of {what.module}.{what.name}")
