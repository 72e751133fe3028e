"""Loading the compiled kernels; their functions with numpy arrays."""

# ruff: noqa: F722 - shapes in annotations

from __future__ import annotations

import ctypes
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jaxtyping import Bool, Float32, Int32, UInt64
from numpy import ndarray

from multiturn.core.errors import EngineError
from multiturn.models.native.build import Announce, built_library, no_announcement

__all__ = ["Library", "load_library"]

_ERROR_SIZE = 400
"""Bytes for an error message."""


@dataclass(frozen=True)
class Library:
    """The functions of a loaded library. A decoder's handle is a positive number.

    The shapes of arrays are not checked here: `NativeDecoder` does. While a function runs, other
    Python threads run too.
    """

    path: Path
    _functions: ctypes.CDLL = field(repr=False)

    @property
    def variant(self) -> str:
        """The instruction sets that the library was compiled for."""
        name: bytes = self._functions.mt_variant()
        return name.decode()

    @property
    def block_positions(self) -> int:
        """The positions of a block of the KV cache."""
        positions: int = self._functions.mt_block_positions()
        return positions

    def create(self, settings: Mapping[str, float]) -> int:
        """Allocate a decoder's weights.

        Args:
            settings: those of `kIntSettings` in `cpp/decoder_config.h`, and ``norm_eps``.

        Returns:
            The decoder's handle.

        Raises:
            EngineError: a setting is missing, unknown or out of range.
        """
        count = len(settings)
        names = (ctypes.c_char_p * count)(*(name.encode() for name in settings))
        values = (ctypes.c_double * count)(*settings.values())
        return self._call("mt_create", names, values, count)

    def set(
        self,
        handle: int,
        name: str,
        layer: int,
        data: ndarray[Any, Any],
        *,
        ggml_type: int,
        outputs_first: bool,
        elements: int,
    ) -> None:
        """Pack one array.

        Args:
            handle: of the decoder.
            name: of the array.
            layer: that the array belongs to, or -1.
            data: contiguous.
            ggml_type: the number of its type in GGML.
            outputs_first: whether a matrix is [outputs][inputs].
            elements: in the array.

        Raises:
            EngineError: the name, the layer or the type is unknown, or the number of elements is
                wrong.
        """
        self._call(
            "mt_set",
            handle,
            name.encode(),
            layer,
            data.ctypes.data,
            ggml_type,
            int(outputs_first),
            elements,
        )

    def forward(
        self,
        handle: int,
        tokens: Int32[ndarray, " tokens"],
        counts: Int32[ndarray, " B"],
        lengths: Int32[ndarray, " B"],
        blocks: UInt64[ndarray, "B blocks"],
        wanted: Bool[ndarray, " tokens"],
        hidden: Float32[ndarray, "wanted D"],
    ) -> None:
        """Run new tokens of some sequences through the layers; see `NativeDecoder.forward`.

        Raises:
            EngineError: the decoder was closed, or a token, a count, a length or a block is out of
                range. The caches are unchanged then.
        """
        self._call(
            "mt_forward",
            handle,
            len(counts),
            tokens.ctypes.data,
            counts.ctypes.data,
            lengths.ctypes.data,
            blocks.ctypes.data,
            blocks.shape[1],
            wanted.ctypes.data,
            hidden.ctypes.data,
        )

    def unembed(
        self, handle: int, hidden: Float32[ndarray, "B D"], logits: Float32[ndarray, "B V"]
    ) -> None:
        """Write the logits of normalized hidden states.

        Raises:
            EngineError: the decoder was closed.
        """
        self._call("mt_unembed", handle, hidden.ctypes.data, len(hidden), logits.ctypes.data)

    def sample(
        self,
        handle: int,
        logits: Float32[ndarray, "B V"],
        temperature: Float32[ndarray, " B"],
        top_p: Float32[ndarray, " B"],
        top_k: Int32[ndarray, " B"],
        uniforms: Float32[ndarray, " B"],
        want_logprobs: Bool[ndarray, " B"],
        tokens: Int32[ndarray, " B"],
        logprobs: Float32[ndarray, " B"],
    ) -> None:
        """Draw the next token of each row; see `NativeDecoder.sample`.

        Raises:
            EngineError: the decoder was closed.
        """
        arrays = (logits, temperature, top_p, top_k, uniforms, want_logprobs, tokens, logprobs)
        self._call("mt_sample", handle, len(logits), *(array.ctypes.data for array in arrays))

    def bytes(self, handle: int) -> int:
        """The size of the packed weights; 0 for an unknown handle."""
        found: int = self._functions.mt_bytes(handle)
        return found

    def block_bytes(self, handle: int) -> int:
        """The size of a block of the KV cache; 0 for an unknown handle."""
        found: int = self._functions.mt_block_bytes(handle)
        return found

    def destroy(self, handle: int) -> None:
        """Free a decoder once no call uses it. Safe to call twice."""
        self._functions.mt_destroy(handle)

    def _call(self, name: str, *arguments: Any) -> int:
        error = ctypes.create_string_buffer(_ERROR_SIZE)
        result: int = getattr(self._functions, name)(*arguments, error, _ERROR_SIZE)
        if result == 0:
            message = error.value.decode(errors="replace")
            raise EngineError("the native kernels refused a call", got=message)
        return result


_POINTER, _INT, _LONG = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64
_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    # The result, and the arguments. Those that may fail take a message and its size besides.
    "mt_create": (_LONG, (_POINTER, _POINTER, _INT, _POINTER, _INT)),
    "mt_set": (
        _INT,
        (_LONG, ctypes.c_char_p, _INT, _POINTER, _INT, _INT, _LONG, _POINTER, _INT),
    ),
    "mt_forward": (_INT, (_LONG, _INT, *4 * [_POINTER], _INT, *2 * [_POINTER], _POINTER, _INT)),
    "mt_unembed": (_INT, (_LONG, _POINTER, _INT, _POINTER, _POINTER, _INT)),
    "mt_sample": (_INT, (_LONG, _INT, *8 * [_POINTER], _POINTER, _INT)),
    "mt_bytes": (_LONG, (_LONG,)),
    "mt_block_bytes": (_LONG, (_LONG,)),
    "mt_block_positions": (_INT, ()),
    "mt_destroy": (None, (_LONG,)),
    "mt_variant": (ctypes.c_char_p, ()),
}

_loaded: list[Library] = []
_loading = threading.Lock()


def load_library(announce: Announce = no_announcement) -> Library:
    """The library of this process: compiled if necessary, loaded once.

    Args:
        announce: called with a line for a person if it has to be compiled.

    Raises:
        EngineError: the library cannot be compiled or loaded here.
        InputError: `MULTITURN_CPU` names an unknown variant, or one that this machine cannot run.
        StorageError: the library cannot be written.
    """
    with _loading:
        if not _loaded:
            _loaded.append(_load(built_library(announce=announce)))
        return _loaded[0]


def _load(path: Path) -> Library:
    try:
        functions = ctypes.CDLL(str(path))
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(functions, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise EngineError(
            "the native CPU kernels do not load", got=str(error), fix=f"remove {path.parent}"
        ) from error
    return Library(path, functions)
