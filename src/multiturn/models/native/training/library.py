"""Loading the compiled training kernels and registering them with XLA."""

from __future__ import annotations

import ctypes
import threading
from pathlib import Path
from typing import Any

import jax.ffi

from multiturn.core.errors import EngineError
from multiturn.models.native.build import Announce, Sources, built_library, no_announcement

__all__ = [
    "ATTENTION",
    "ATTENTION_GRADIENT",
    "CROSS_ENTROPY",
    "GELU",
    "GELU_GRADIENT",
    "MATMUL",
    "NORM",
    "NORM_GRADIENT",
    "ROPE",
    "SILU_PRODUCT",
    "SILU_PRODUCT_GRADIENT",
    "load_training_kernels",
]

MATMUL = "multiturn_matmul"
"""The name under which XLA knows the product of two matrices."""
ATTENTION = "multiturn_attention"
ATTENTION_GRADIENT = "multiturn_attention_gradient"
GELU = "multiturn_gelu"
GELU_GRADIENT = "multiturn_gelu_gradient"
SILU_PRODUCT = "multiturn_silu_product"
SILU_PRODUCT_GRADIENT = "multiturn_silu_product_gradient"
NORM = "multiturn_norm"
NORM_GRADIENT = "multiturn_norm_gradient"
ROPE = "multiturn_rope"
CROSS_ENTROPY = "multiturn_cross_entropy"

_HERE = Path(__file__).parent / "cpp"
_SOURCES = Sources(
    name="training",
    units=(_HERE / "ffi.cc",),
    directories=(_HERE, _HERE.parents[1] / "cpp"),
    for_xla=True,
)
_NAMES = (
    MATMUL, ATTENTION, ATTENTION_GRADIENT, GELU, GELU_GRADIENT, SILU_PRODUCT,
    SILU_PRODUCT_GRADIENT, NORM, NORM_GRADIENT, ROPE, CROSS_ENTROPY,
)  # fmt: skip

_loaded: list[tuple[Path, ctypes.CDLL]] = []
_loading = threading.Lock()


def load_training_kernels(announce: Announce = no_announcement) -> Path:
    """Compile the kernels if necessary and register them with XLA, once in each process.

    Args:
        announce: called with a line for a person if they have to be compiled.

    Returns:
        The path of the library.

    Raises:
        EngineError: the kernels cannot be compiled or loaded here.
        StorageError: the library cannot be written.
    """
    with _loading:
        if not _loaded:
            path = built_library(_SOURCES, announce=announce)
            _loaded.append((path, _load(path)))
        return _loaded[0][0]


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
    for name in _NAMES:
        symbol = f"mt_{name.removeprefix('multiturn_')}"
        jax.ffi.register_ffi_target(name, capsule(getattr(functions, symbol)), platform="cpu")
    return functions
