"""Loading the compiled training kernels and registering them with XLA."""

from __future__ import annotations

import ctypes
import threading
from pathlib import Path
from typing import Any

import jax.ffi

from multiturn.core.errors import EngineError
from multiturn.models.native.build import Sources, built_library

__all__ = ["ATTENTION", "ATTENTION_GRADIENT", "MATMUL", "load_training_kernels"]

MATMUL = "multiturn_matmul"
"""The name under which XLA knows the product of two matrices."""
ATTENTION = "multiturn_attention"
ATTENTION_GRADIENT = "multiturn_attention_gradient"

_HERE = Path(__file__).parent / "cpp"
_SOURCES = Sources(
    name="training",
    units=(_HERE / "ffi.cc",),
    directories=(_HERE, _HERE.parents[1] / "cpp"),
    for_xla=True,
)
_HANDLERS = {
    MATMUL: "mt_matmul",
    ATTENTION: "mt_attention",
    ATTENTION_GRADIENT: "mt_attention_gradient",
}

_loaded: list[ctypes.CDLL] = []
_loading = threading.Lock()


def load_training_kernels() -> None:
    """Compile the kernels if necessary and register them with XLA, once in each process.

    Raises:
        EngineError: the kernels cannot be compiled or loaded here.
    """
    with _loading:
        if not _loaded:
            _loaded.append(_load(built_library(_SOURCES)))


def _load(path: Path) -> ctypes.CDLL:
    try:
        functions = ctypes.CDLL(str(path))
    except OSError as error:
        raise EngineError(
            "the native kernels for training do not load",
            got=str(error),
            fix=f"remove {path.parent}",
        ) from error
    capsule: Any = jax.ffi.pycapsule
    for name, symbol in _HANDLERS.items():
        jax.ffi.register_ffi_target(name, capsule(getattr(functions, symbol)), platform="cpu")
    return functions
