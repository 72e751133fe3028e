"""Which documents belong together, from pairs that do: union-find on arrays.

The array of parents lies on the disk and is mapped into memory, eight bytes a document; the
pairs come in blocks. Every document ends at the first of its cluster, whatever the order of
the pairs.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from multiturn.core.errors import storage_errors
from multiturn.data.build.resumable import load_array, save_array

__all__ = ["join_pairs", "roots_of"]

Numbers = np.ndarray[Any, Any]

_BLOCK = 1 << 20
"""Pairs, or documents, at a time."""


def roots_of(files: Iterable[Path], count: int, output: Path, begin: Path | None = None) -> Numbers:
    """The first document of each document's cluster, int64 [count], mapped from `output`.

    Args:
        files: of pairs, as `matches.find_matches` writes them.
        count: of documents.
        output: where the array is kept.
        begin: roots found before, to go on from.
    """
    if not count:
        save_array(output, np.empty(0, np.int64))  # an empty file cannot be mapped
        return load_array(output)
    with storage_errors(output, "writing clusters"):
        parents: Numbers = np.lib.format.open_memmap(
            output, mode="w+", dtype=np.int64, shape=(count,)
        )
        earlier = None if begin is None else load_array(begin)
        for first in range(0, count, _BLOCK):
            last = min(first + _BLOCK, count)
            parents[first:last] = np.arange(first, last) if earlier is None else earlier[first:last]
        for path in files:
            pairs = load_array(path)
            for first in range(0, len(pairs), _BLOCK):
                join_pairs(parents, pairs[first : first + _BLOCK].astype(np.int64))
        for first in range(0, count, _BLOCK):
            parents[first : first + _BLOCK] = _ends(parents, parents[first : first + _BLOCK])
    return parents


def join_pairs(parents: Numbers, pairs: Numbers) -> None:
    """Put the two documents of each pair into one cluster.

    Args:
        parents: int64 [n], each at most its own place; changed in place.
        pairs: int64 [k, 2].
    """
    left, right = pairs[:, 0], pairs[:, 1]
    while len(left):
        left, right = _ends(parents, left), _ends(parents, right)
        apart = left != right
        left, right = left[apart], right[apart]
        # The later root is hung below the earlier one, so that no circle can arise. Where
        # several pairs hang the same root, the earliest wins and the others go round again.
        np.minimum.at(parents, np.maximum(left, right), np.minimum(left, right))


def _ends(parents: Numbers, places: Numbers) -> Numbers:
    """The roots of documents; their ways there are made short."""
    roots = np.asarray(parents[places])
    while True:
        further = np.asarray(parents[roots])
        if np.array_equal(further, roots):
            break
        roots = np.asarray(parents[further])
    parents[places] = roots
    return roots
