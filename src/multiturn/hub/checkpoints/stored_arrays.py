"""The arrays of a checkpoint as its files store them, for engines that pack them themselves."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from multiturn.hub.adapters.matching import match_adapter
from multiturn.hub.adapters.pairs import Pair
from multiturn.hub.checkpoints.layouts import Rule
from multiturn.hub.checkpoints.reading import Checkpoint, read_rule
from multiturn.hub.formats.ggml_types import GGML_TYPES
from multiturn.hub.formats.tensors import StoredTensor

__all__ = ["StoredArray", "stored_arrays"]

Values = np.ndarray[Any, Any]

_NUMBERS = {kind.name: kind.number for kind in GGML_TYPES.values()}
_DTYPES = {"float32": _NUMBERS["F32"], "float16": _NUMBERS["F16"], "bfloat16": _NUMBERS["BF16"]}
_READ_AHEAD_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class StoredArray:
    """One array of a decoder.

    Attributes:
        name: such as ``query`` of `Layers` or ``embedding`` of `Parameters`.
        layer: index of the block; None outside the blocks.
        data: contiguous: numbers, or the bytes of a quantized format.
        ggml_type: the number of the data's format in `GGML_TYPES`.
        outputs_first: whether a matrix is [outputs, inputs], as files have it, and not [inputs,
            outputs], as `Parameters` has all but the embedding.
        size: number of weights.
    """

    name: str
    layer: int | None
    data: Values
    ggml_type: int
    outputs_first: bool
    size: int


def stored_arrays(
    checkpoint: Checkpoint, adapter: Path | None = None, *, packable: Collection[int]
) -> Iterator[StoredArray]:
    """Every array once, in any order. Weights are not decoded where the caller can pack them.

    Only the few tensors that are read ahead are in memory at once.

    Args:
        checkpoint: from `open_checkpoint`.
        adapter: a LoRA adapter to merge; the matrices that it changes come in float32.
        packable: numbers of formats that the caller reads; others come in float32.

    Raises:
        ModelFileError: a tensor cannot be read, or one that must be zero is not; or the adapter is
            missing, broken, or made for another model.
    """
    changes = {} if adapter is None else _changes(checkpoint, adapter)
    read = partial(_read, checkpoint, changes=changes, packable=packable)
    workers = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(workers) as pool:
        rules = deque(checkpoint.layout.rules)
        ahead: deque[tuple[int, Future[list[StoredArray]]]] = deque()
        while rules or ahead:
            while rules and len(ahead) < workers:
                size = _nbytes(checkpoint.tensors[rules[0].name])
                # Large tensors are read one at a time.
                if ahead and sum(each for each, _ in ahead) + size > _READ_AHEAD_BYTES:
                    break
                ahead.append((size, pool.submit(read, rules.popleft())))
            yield from ahead.popleft()[1].result()


Changes = dict[tuple[str, int | None], tuple[Rule, Pair]]
"""The adapter's rule and factors that change an array, by name and layer."""


def _changes(checkpoint: Checkpoint, adapter: Path) -> Changes:
    matched = match_adapter(checkpoint.config, adapter, layout=checkpoint.layout)
    return {(field, rule.layer): (rule, pair) for rule, pair in matched for field in rule.fields}


def _nbytes(tensor: StoredTensor) -> int:
    kind = GGML_TYPES.get(_NUMBERS.get(tensor.stored_as, 0))
    return tensor.size * 4 if kind is None else tensor.size // kind.block_size * kind.block_bytes


def _read(
    checkpoint: Checkpoint, rule: Rule, *, changes: Changes, packable: Collection[int]
) -> list[StoredArray]:
    """The arrays in the tensor of a rule."""
    if rule.rows and not any((field, rule.layer) in changes for field in rule.fields):
        return _matrices(checkpoint.tensors[rule.name], rule, packable)
    found = []
    for field, values in read_rule(checkpoint, rule):
        change = changes.get((field, rule.layer))
        if change is not None:
            theirs, pair = change
            part = theirs.from_file(pair.product())[theirs.fields.index(field)]
            values = values.astype(np.float32) + part
        array = np.ascontiguousarray(values, np.float32)
        found.append(StoredArray(field, rule.layer, array, _NUMBERS["F32"], False, array.size))
    return found


def _matrices(tensor: StoredTensor, rule: Rule, packable: Collection[int]) -> list[StoredArray]:
    """The matrices in a tensor, whose rows are taken as they are stored."""
    outputs, inputs = tensor.shape
    kind = _NUMBERS.get(tensor.stored_as, _NUMBERS["F64"])
    if tensor.raw is not None and kind in packable:
        data = tensor.raw().reshape(outputs, -1)
    else:
        data = np.asarray(tensor.read())
        kind = _DTYPES.get(data.dtype.name, _NUMBERS["F64"])
        if kind not in packable:
            data, kind = data.astype(np.float32), _NUMBERS["F32"]
    found = []
    for field, rows in zip(rule.fields, rule.rows, strict=True):
        part = np.ascontiguousarray(data if rows is None else data[rows])
        found.append(StoredArray(field, rule.layer, part, kind, True, len(part) * inputs))
    return found
