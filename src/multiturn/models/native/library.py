"""Loading the compiled kernels and registering them with XLA."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax.ffi

from multiturn.core.errors import EngineError
from multiturn.models.native.build import built_library

__all__ = [
    "FORWARD_WITH_CACHE",
    "Library",
    "PREFILL_EACH",
    "TOP_CANDIDATES",
    "UNEMBED",
    "UNEMBED_INTO",
    "load_library",
]

FORWARD_WITH_CACHE = "multiturn_native_forward_with_cache"
"""The name under which XLA knows `decoder.forward_with_cache`; likewise those below."""
PREFILL_EACH = "multiturn_native_prefill_each"
UNEMBED = "multiturn_native_unembed"
UNEMBED_INTO = "multiturn_native_unembed_into"
TOP_CANDIDATES = "multiturn_native_top_candidates"

_ERROR_SIZE = 400
"""Bytes for an error message."""


@dataclass(frozen=True)
class Library:
    """The functions of a loaded library. A decoder's handle is a positive number."""

    path: Path
    _functions: ctypes.CDLL = field(repr=False)

    def create(self, settings: Mapping[str, float]) -> int:
        """Allocate a decoder's weights.

        Args:
            settings: those of `kIntSettings` in `cpp/decoder_config.h`, and ``norm_eps``.

        Returns:
            The decoder's handle.

        Raises:
            EngineError: a setting is missing, unknown or out of range.
        """
        error = ctypes.create_string_buffer(_ERROR_SIZE)
        count = len(settings)
        names = (ctypes.c_char_p * count)(*(name.encode() for name in settings))
        values = (ctypes.c_double * count)(*settings.values())
        handle: int = self._functions.mt_create(names, values, count, error, _ERROR_SIZE)
        _raise_on(handle == 0, error)
        return handle

    def set(
        self, handle: int, name: str, layer: int, data: int, *, is_bfloat16: bool, elements: int
    ) -> None:
        """Pack one array.

        Args:
            handle: of the decoder.
            name: of the array.
            layer: that the array belongs to, or -1.
            data: the address of the array, which is contiguous.
            is_bfloat16: whether it is bfloat16; it is float32 otherwise.
            elements: in the array.

        Raises:
            EngineError: the name or the layer is unknown, or the number of elements is wrong.
        """
        error = ctypes.create_string_buffer(_ERROR_SIZE)
        done = self._functions.mt_set(
            handle,
            name.encode(),
            layer,
            ctypes.c_void_p(data),
            int(is_bfloat16),
            ctypes.c_int64(elements),
            error,
            _ERROR_SIZE,
        )
        _raise_on(done == 0, error)

    def bytes(self, handle: int) -> int:
        """The size of the packed weights; 0 for an unknown handle."""
        found: int = self._functions.mt_bytes(handle)
        return found

    def destroy(self, handle: int) -> None:
        """Free a decoder once no call uses it. Safe to call twice."""
        self._functions.mt_destroy(handle)


def _raise_on(failed: bool, error: Any) -> None:
    if failed:
        message = error.value.decode(errors="replace")
        raise EngineError("the native kernels refused a call", got=message)


_loaded: list[Library] = []
_loading = threading.Lock()


def load_library() -> Library:
    """The library of this process: compiled if necessary, loaded and registered once.

    Raises:
        EngineError: the library cannot be compiled or loaded here.
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
        FORWARD_WITH_CACHE: functions.mt_forward_with_cache,
        PREFILL_EACH: functions.mt_prefill_each,
        UNEMBED: functions.mt_unembed,
        UNEMBED_INTO: functions.mt_unembed_into,
        TOP_CANDIDATES: functions.mt_top_candidates,
    }
    for name, handler in handlers.items():
        jax.ffi.register_ffi_target(name, capsule(handler), platform="cpu")
    return Library(path, functions)
