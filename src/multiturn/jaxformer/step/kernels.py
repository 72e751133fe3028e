"""The choice between the native CPU kernels and XLA for a train step."""

from __future__ import annotations

import logging
from typing import Any

from jax.sharding import Mesh

from multiturn.core.errors import EngineError, InputError
from multiturn.jaxformer.config import PrecisionConfig
from multiturn.models.native.training.library import load_training_kernels

__all__ = ["use_native_kernels"]

log = logging.getLogger(__name__)


def use_native_kernels(precision: PrecisionConfig, mesh: Mesh) -> bool:
    """Whether to use the native kernels; loads them if so.

    XLA cannot partition a foreign call, so they run on one device only. For float32 they are
    about as fast as XLA, and are used only with ``kernels=native``.

    Raises:
        InputError: ``kernels=native`` on another mesh than one CPU device.
        EngineError: ``kernels=native``, and they cannot be compiled.
    """
    fits = _is_one_cpu(mesh)
    if precision.kernels == "native" and not fits:
        raise InputError(
            "native kernels do not fit the mesh",
            got=f"{mesh.size} {mesh.devices.flat[0].platform} devices",
            allowed="one CPU device",
            fix="set precision.kernels=auto",
        )
    if precision.kernels == "native":
        load_training_kernels()
        return True
    if precision.kernels == "xla" or not fits or precision.compute == "float32":
        return False
    try:
        load_training_kernels()
    except EngineError as error:
        log.warning("training runs on XLA, which is slower: %s", error.what)
        return False
    return True


def _is_one_cpu(mesh: Mesh) -> bool:
    device: Any = mesh.devices.flat[0]
    return bool(mesh.size == 1 and device.platform == "cpu")
