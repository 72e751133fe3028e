"""NumPy arrays in files, written in one step and read through memory maps, and ranges of keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from multiturn.core.errors import StoreError, storage_errors
from multiturn.core.files import atomic_file

__all__ = ["key_range", "load_array", "save_array"]

Numbers = np.ndarray[Any, Any]


def save_array(path: Path, array: Numbers) -> None:
    """Write an array as ``.npy`` without a copy of it in memory.

    Raises:
        StorageError: the disk is full or the folder is not writable.
    """
    with storage_errors(path, "writing an array"):
        path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as partial, partial.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def load_array(path: Path) -> Numbers:
    """The array in a file, memory-mapped, so that only the parts in use are read.

    Raises:
        StoreError: the file is missing or broken.
    """
    try:
        try:
            array: Numbers = np.load(path, mmap_mode="r", allow_pickle=False)
        except ValueError:
            array = np.load(path, allow_pickle=False)  # an empty array cannot be mapped
    except (OSError, ValueError, EOFError) as error:
        raise StoreError(
            "a file of the corpus cannot be read",
            got=str(path),
            fix="delete the folder of its stage and build again",
        ) from error
    return array


def key_range(keys: Numbers, number: int, count: int) -> slice:
    """The sorted 64-bit keys in one of `count` equal ranges of all 64-bit numbers.

    Example:
        >>> keys = np.array([5, 1 << 62, 1 << 63, (1 << 64) - 1], np.uint64)
        >>> [keys[key_range(keys, number, 2)].size for number in range(2)]
        [2, 2]
    """
    first, last = (
        # The end of the last range, 2^64, is no 64-bit number.
        len(keys) if bound >= 1 << 64 else int(np.searchsorted(keys, np.uint64(bound)))
        for bound in ((number << 64) // count, ((number + 1) << 64) // count)
    )
    return slice(first, last)
