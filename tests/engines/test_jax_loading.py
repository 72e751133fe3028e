"""Weights on their way into the native kernels: all of them, one after another."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from multiturn.core.errors import ModelFileError
from multiturn.hub.checkpoints.reading import (
    Checkpoint,
    each_array,
    load_parameters,
    open_checkpoint,
)
from multiturn.models.parameters import named_arrays

GOLDEN = Path(__file__).parent.parent / "golden"


@pytest.fixture(params=["codegen", "llama"])
def checkpoint(request: pytest.FixtureRequest) -> Checkpoint:
    return open_checkpoint(GOLDEN / request.param)


def test_every_array_comes_once_with_the_values_of_the_whole(checkpoint: Checkpoint) -> None:
    loaded = dict(named_arrays(load_parameters(checkpoint)))
    seen: Counter[str] = Counter()
    for name, layer, values in each_array(checkpoint):
        at = name if layer is None else f"layers.{name}"
        wanted = loaded[at] if layer is None else loaded[at][layer]
        np.testing.assert_array_equal(values, wanted)
        seen[at] += 1
    layers = checkpoint.config.layers
    assert seen == {name: layers if name.startswith("layers.") else 1 for name in loaded}


def counting(checkpoint: Checkpoint, read: list[str]) -> Checkpoint:
    """The same, writing down what is read."""

    def watched(tensor: Any) -> Any:
        def reading() -> Any:
            read.append(tensor.name)
            return tensor.read()

        return replace(tensor, read=reading)

    tensors = {name: watched(tensor) for name, tensor in checkpoint.tensors.items()}
    return replace(checkpoint, tensors=tensors)


def test_only_a_few_tensors_are_read_ahead(checkpoint: Checkpoint) -> None:
    read: list[str] = []
    arrays = each_array(counting(checkpoint, read))
    next(arrays)
    arrays.close()
    assert 1 <= len(read) <= 1 + len(os.sched_getaffinity(0))
    assert len(read) < len(checkpoint.tensors)


def test_a_tensor_that_cannot_be_read_is_named(checkpoint: Checkpoint) -> None:
    def fails() -> Any:
        raise ModelFileError("the tensor 'x' cannot be read")

    name = checkpoint.layout.rules[-1].name
    tensors = dict(checkpoint.tensors)
    tensors[name] = replace(tensors[name], read=fails)
    with pytest.raises(ModelFileError, match="'x'"):
        list(each_array(replace(checkpoint, tensors=tensors)))
