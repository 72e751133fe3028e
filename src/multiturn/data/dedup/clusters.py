"""Clusters of duplicates from pairs of duplicates: union-find on arrays.

The array of parents is a memory-mapped file, eight bytes a document. Pairs come in
blocks. The root of a cluster is its first document, whatever the order of the pairs.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from multiturn.core.errors import storage_errors
from multiturn.data.build.arrays import load_array, save_array

__all__ = ["join_pairs", "representatives_of", "roots_of"]

Numbers = np.ndarray[Any, Any]

_BLOCK = 1 << 20
"""Pairs, or documents, at a time."""


def roots_of(files: Iterable[Path], count: int, output: Path, begin: Path | None = None) -> Numbers:
    """The first document of each document's cluster, int64 [count], mapped from `output`.

    Args:
        files: of pairs, as `matches.MatchTask` writes them.
        count: of documents.
        output: the file of the array.
        begin: the file of an earlier array, to which the pairs are added.
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
            parents[first : first + _BLOCK] = _find(parents, parents[first : first + _BLOCK])
    return parents


def join_pairs(parents: Numbers, pairs: Numbers) -> None:
    """Put the two documents of each pair into one cluster.

    Args:
        parents: int64 [n], each at most its own index; changed in place.
        pairs: int64 [k, 2].
    """
    left, right = pairs[:, 0], pairs[:, 1]
    while len(left):
        left, right = _find(parents, left), _find(parents, right)
        apart = left != right
        left, right = left[apart], right[apart]
        # Linking the later root to the earlier one makes no cycle. Where several pairs link the
        # same root, the earliest parent wins, and the next round joins the other pairs.
        np.minimum.at(parents, np.maximum(left, right), np.minimum(left, right))


def representatives_of(roots: Numbers) -> Numbers:
    """The roots of clusters of several documents, in order, int64."""
    found = []
    for first in range(0, len(roots), _BLOCK):
        block = np.asarray(roots[first : first + _BLOCK])
        found.append(np.unique(block[block != np.arange(first, first + len(block))]))
    return np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)


def _find(parents: Numbers, documents: Numbers) -> Numbers:
    """The roots of documents; compresses their paths."""
    roots = np.asarray(parents[documents])
    while True:
        further = np.asarray(parents[roots])
        if np.array_equal(further, roots):
            break
        roots = np.asarray(parents[further])
    parents[documents] = roots
    return roots
