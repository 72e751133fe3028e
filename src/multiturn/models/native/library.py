"""The compiled kernels, loaded into this process, and the shape of each call."""

from __future__ import annotations

import ctypes
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax.ffi

from multiturn.core.errors import EngineError
from multiturn.models.native.build import built_library

__all__ = [
    "EXTEND",
    "EXTEND_EACH",
    "LOGITS",
    "LOGITS_INTO",
    "RANK",
    "Library",
    "Spec",
    "load_library",
]

EXTEND = "multiturn_native_extend"
"""The name that XLA knows `decoder.extend` by."""
EXTEND_EACH = "multiturn_native_extend_each"
LOGITS = "multiturn_native_logits"
LOGITS_INTO = "multiturn_native_logits_into"
RANK = "multiturn_native_rank"

_ROOM = 400
"""Bytes for the words of a fault."""


class Spec(ctypes.Structure):
    """`mt::Spec` of `cpp/decoder.h`, field by field."""

    _fields_ = (
        *(
            (name, ctypes.c_int32)
            for name in (
                "vocab_size",
                "layers",
                "width",
                "heads",
                "kv_heads",
                "head_size",
                "feed_forward_width",
                "rotary_size",
                "rotary_adjacent",
                "layer_norm",
                "gelu",
                "parallel",
                "positions",
                "precision",
                "threads",
            )
        ),
        ("norm_eps", ctypes.c_float),
    )


@dataclass(frozen=True)
class Library:
    """The functions of a loaded library. A decoder is a number above 0."""

    path: Path
    _functions: ctypes.CDLL = field(repr=False)

    def create(self, spec: Spec) -> int:
        """Room for a decoder's weights."""
        fault = ctypes.create_string_buffer(_ROOM)
        number: int = self._functions.mt_create(ctypes.byref(spec), fault, _ROOM)
        _raise_on(number == 0, fault)
        return number

    def set(self, number: int, name: str, layer: int, data: int, *, is_bfloat16: bool) -> None:
        """Pack one array from the address `data`: contiguous, of the shape that is declared."""
        fault = ctypes.create_string_buffer(_ROOM)
        done = self._functions.mt_set(
            number, name.encode(), layer, ctypes.c_void_p(data), int(is_bfloat16), fault, _ROOM
        )
        _raise_on(done == 0, fault)

    def bytes(self, number: int) -> int:
        """Of the packed weights; 0 where there is no such decoder."""
        found: int = self._functions.mt_bytes(number)
        return found

    def destroy(self, number: int) -> None:
        """Free a decoder, once nothing runs on it any more. Safe to call twice."""
        self._functions.mt_destroy(number)


def _raise_on(failed: bool, fault: Any) -> None:
    if failed:
        raise EngineError("the native kernels refused", got=fault.value.decode(errors="replace"))


_loaded: list[Library] = []
_loading = threading.Lock()


def load_library() -> Library:
    """The library of this process: compiled if need be, loaded and known to XLA, once.

    Raises:
        EngineError: it cannot be compiled or loaded here.
    """
    with _loading:
        if not _loaded:
            _loaded.append(_load(built_library()))
        return _loaded[0]


def _load(path: Path) -> Library:
    try:
        functions = ctypes.CDLL(str(path))
    except OSError as error:
        raise EngineError(
            "the native CPU kernels do not load", got=str(error), fix=f"remove {path.parent}"
        ) from error
    functions.mt_create.restype = ctypes.c_int32
    functions.mt_set.restype = ctypes.c_int32
    functions.mt_bytes.restype = ctypes.c_int64
    functions.mt_destroy.restype = None
    capsule: Any = jax.ffi.pycapsule
    handlers = {
        EXTEND: functions.mt_extend,
        EXTEND_EACH: functions.mt_extend_each,
        LOGITS: functions.mt_logits,
        LOGITS_INTO: functions.mt_logits_into,
        RANK: functions.mt_rank,
    }
    for name, handler in handlers.items():
        jax.ffi.register_ffi_target(name, capsule(handler), platform="cpu")
    return Library(path, functions)
