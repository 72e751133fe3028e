"""One tensor of a checkpoint file in any format, read on demand."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from multiturn.core.errors import ModelFileError

__all__ = ["FLOAT_DTYPES", "StoredTensor", "Tensors", "broken", "map_file", "numpy_dtype"]

FLOAT_DTYPES = ("float32", "float16", "bfloat16", "float64")
"""The dtypes of weights; files use other dtypes only for masks and counters."""

_NUMPY: dict[str, Any] = {"bfloat16": ml_dtypes.bfloat16}


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor in a file.

    Attributes:
        name: in the file.
        shape: its sizes, outermost first.
        dtype: of the values that `read` returns: ``float32``, ``bfloat16``, ``int64`` ...;
            ``float32`` for quantized tensors.
        file: that it is in.
        stored_as: the name of the format on disk, such as ``Q4_K`` or ``F16``.
        read: returns its values, perhaps as a view of the file; do not modify them.
        raw: of a GGUF file: reads its bytes as the file has them, into new memory.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    file: Path
    stored_as: str
    read: Callable[[], np.ndarray[Any, Any]]
    raw: Callable[[], np.ndarray[Any, Any]] | None = None

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


Tensors = Mapping[str, StoredTensor]
"""The tensors of a checkpoint by name."""


def numpy_dtype(name: str) -> np.dtype[Any]:
    """The numpy dtype for a name, including bfloat16."""
    dtype: np.dtype[Any] = np.dtype(_NUMPY.get(name, name))
    return dtype


def broken(
    file: Path, what: str, *, got: object = None, allowed: str | None = None
) -> ModelFileError:
    """The error for a file that cannot be read."""
    return ModelFileError(
        f"{file.name}: {what}",
        got=got,
        allowed=allowed,
        fix="fetch or export the file again",
    )


def map_file(file: Path) -> np.ndarray[Any, Any]:
    """The memory-mapped bytes of a file.

    Raises:
        ModelFileError: the file does not exist, is empty, or cannot be read.
    """
    try:
        return np.memmap(file, dtype=np.uint8, mode="r")
    except FileNotFoundError as error:
        raise ModelFileError(
            "no such model file", got=str(file), fix="check the path, or fetch the file again"
        ) from error
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{file.name}: cannot be read: {error}") from error
