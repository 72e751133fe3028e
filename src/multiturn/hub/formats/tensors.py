"""One tensor of a checkpoint file, whatever the file's format; read when asked for."""

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
"""What weights may be; other kinds stand in files for masks and counters only."""

_NUMPY: dict[str, Any] = {"bfloat16": ml_dtypes.bfloat16}


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor in a file.

    Attributes:
        name: as the file names it.
        shape: its sizes, outermost first.
        dtype: what `read` gives: ``float32``, ``bfloat16``, ``int64`` ... For quantized
            tensors that is ``float32``.
        file: which file it is in.
        stored_as: the name of the format on disk, for people: ``Q4_K``, ``F16``.
        read: its values; may be a view of the file, so do not write to it.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    file: Path
    stored_as: str
    read: Callable[[], np.ndarray[Any, Any]]

    @property
    def size(self) -> int:
        """How many elements."""
        return math.prod(self.shape)


Tensors = Mapping[str, StoredTensor]
"""The tensors of a checkpoint by name."""


def numpy_dtype(name: str) -> np.dtype[Any]:
    """The numpy type of a dtype's name, bfloat16 included."""
    dtype: np.dtype[Any] = np.dtype(_NUMPY.get(name, name))
    return dtype


def broken(
    file: Path, what: str, *, got: object = None, allowed: str | None = None
) -> ModelFileError:
    """The error of a file that cannot be read, naming it."""
    return ModelFileError(
        f"{file.name}: {what}",
        got=got,
        allowed=allowed,
        fix="fetch or export the file again",
    )


def map_file(file: Path) -> np.ndarray[Any, Any]:
    """The bytes of a file, mapped: nothing is read until it is looked at.

    Raises:
        ModelFileError: no such file, an empty one, or one that may not be read.
    """
    try:
        return np.memmap(file, dtype=np.uint8, mode="r")
    except FileNotFoundError as error:
        raise ModelFileError(
            "no such model file", got=str(file), fix="check the path, or fetch the file again"
        ) from error
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{file.name}: cannot be read: {error}") from error
