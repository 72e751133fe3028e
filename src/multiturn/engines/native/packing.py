"""Packs the arrays of a checkpoint into a decoder."""

from __future__ import annotations

from collections.abc import Iterable

from multiturn.hub.checkpoints.stored_arrays import StoredArray
from multiturn.models.native.decoder import NativeDecoder

__all__ = ["pack"]


def pack(decoder: NativeDecoder, arrays: Iterable[StoredArray]) -> None:
    """Pack arrays, each as its file stores it.

    Args:
        decoder: that they belong to.
        arrays: read one at a time, so that they need not fit the memory together.

    Raises:
        ModelFileError: an array cannot be read.
    """
    for array in arrays:
        decoder.set(
            array.name,
            array.layer,
            array.data,
            ggml_type=array.ggml_type,
            outputs_first=array.outputs_first,
        )
