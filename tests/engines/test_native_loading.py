"""Weights on their way into the native kernels: all of them, as stored, without JAX."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from multiturn.core.errors import ModelFileError
from multiturn.hub.checkpoints.reading import Checkpoint, load_parameters, open_checkpoint
from multiturn.hub.checkpoints.stored_arrays import StoredArray, stored_arrays
from multiturn.hub.formats.ggml_types import GGML_TYPES
from multiturn.hub.formats.gguf_tensors import dequantize
from multiturn.models.parameters import named_arrays

GOLDEN = Path(__file__).parent.parent / "golden"
ALL_TYPES = frozenset(GGML_TYPES)
FLOAT32 = frozenset({0})


@pytest.fixture(params=["codegen", "llama"])
def checkpoint(request: pytest.FixtureRequest) -> Checkpoint:
    return open_checkpoint(GOLDEN / request.param)


def values_of(array: StoredArray, shape: tuple[int, ...]) -> np.ndarray:
    """The decoder's own values of a stored array."""
    kind = GGML_TYPES[array.ggml_type]
    flat = dequantize(array.data.view(np.uint8).reshape(-1), kind.name, kind.block_bytes)
    assert flat.size == array.size
    if not array.outputs_first or array.name == "embedding":
        return flat.reshape(shape)
    inputs = {"attention_out": shape[0] * shape[1] if len(shape) == 3 else 0}.get(array.name)
    return flat.reshape(-1, inputs or shape[0]).T.reshape(shape)


def check_all(checkpoint: Checkpoint, packable: frozenset[int]) -> Counter[int]:
    loaded = dict(named_arrays(load_parameters(checkpoint, "float32")))
    seen: Counter[str] = Counter()
    kinds: Counter[int] = Counter()
    for array in stored_arrays(checkpoint, packable=packable):
        at = array.name if array.layer is None else f"layers.{array.name}"
        wanted = np.asarray(loaded[at] if array.layer is None else loaded[at][array.layer])
        np.testing.assert_array_equal(values_of(array, wanted.shape), wanted, err_msg=at)
        seen[at] += 1
        kinds[array.ggml_type] += 1
    layers = checkpoint.config.layers
    assert seen == {name: layers if name.startswith("layers.") else 1 for name in loaded}
    return kinds


@pytest.mark.parametrize("packable", [ALL_TYPES, FLOAT32], ids=["stored", "decoded"])
def test_every_array_comes_once_with_its_values(
    checkpoint: Checkpoint, packable: frozenset[int]
) -> None:
    check_all(checkpoint, packable)


@pytest.mark.real
def test_quantized_weights_are_not_decoded(smollm2: Path) -> None:
    """Queries and keys of this file have their rows in another order than the decoder."""
    kinds = check_all(open_checkpoint(smollm2), ALL_TYPES)
    matrices = sum(count for number, count in kinds.items() if GGML_TYPES[number].block_size > 1)
    assert matrices == 7 * 30 + 1


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
    arrays = stored_arrays(counting(checkpoint, read), packable=ALL_TYPES)
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
        list(stored_arrays(replace(checkpoint, tensors=tensors), packable=ALL_TYPES))


WITHOUT_JAX = """
import sys

# With None in its place a module cannot be imported.
sys.modules.update(dict.fromkeys(("jax", "jaxlib", "gguf", "safetensors", "xllamacpp")))
from pathlib import Path

from multiturn.engines.open import open_engine
from multiturn.engines.protocol import Request, generate

for model in sys.argv[1:]:
    for name in ("native", "auto"):
        with open_engine(model, engine=name, context=64) as engine:
            assert engine.info.engine.startswith("native "), engine.info.engine
            (done,) = generate(engine, Request(prompt="def", max_tokens=3, temperature=0.5))
            assert done.tokens
print("written")
"""


@pytest.mark.real
def test_it_runs_without_jax(smollm2: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_JAX, str(smollm2)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.stdout == "written\n", done.stderr[-2000:]
