"""Opens a checkpoint and loads its config and parameters.

A checkpoint is a GGUF file, or a directory in the hub's layout with `config.json` and weights in
safetensors or `pytorch_model*.bin`, in one file or in shards. All names and shapes are checked
before the first value is read, so a checkpoint is never loaded partially.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from multiturn.core.errors import InputError, ModelFileError, truncate_repr
from multiturn.hub.checkpoints.configs import DescribedModel, describe_gguf, describe_hub
from multiturn.hub.checkpoints.layouts import Layout, Rule
from multiturn.hub.formats.gguf_tensors import read_gguf_tensors
from multiturn.hub.formats.pickles import read_torch_pickle
from multiturn.hub.formats.safetensors_files import read_safetensors
from multiturn.hub.formats.tensors import FLOAT_DTYPES, StoredTensor, Tensors, numpy_dtype
from multiturn.models.config import DecoderConfig

if TYPE_CHECKING:
    from multiturn.models.parameters import Parameters

__all__ = ["Checkpoint", "load_parameters", "open_checkpoint", "read_hub_tensors", "read_rule"]

_ROWS_AT_ONCE = 32

_INDEXED = (
    ("model.safetensors", "model.safetensors.index.json", read_safetensors),
    ("pytorch_model.bin", "pytorch_model.bin.index.json", read_torch_pickle),
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checked checkpoint: every tensor exists and has the right shape.

    Attributes:
        path: the file or directory.
        config: of the model.
        layout: of its tensors.
        tensors: by name; not read yet.
        dtype: of all weights, or float32 if their dtypes differ or they are quantized.
    """

    path: Path
    config: DecoderConfig
    layout: Layout
    tensors: Tensors
    dtype: str


def open_checkpoint(path: Path, *, groups: int | None = None) -> Checkpoint:
    """Open and check a checkpoint.

    Args:
        path: a GGUF file or a directory.
        groups: the number of groups of queries, keys and values of a CodeGen checkpoint whose
            files do not say: 4 for CodeGen 1, 8 for CodeGen2-1B and -3.7B.

    Raises:
        ModelFileError: a file is missing or broken, or a tensor is missing, unexpected, or of
            the wrong shape or dtype; the message names it.
        InputError: `groups` does not apply to this checkpoint.
    """
    if not path.exists():
        raise ModelFileError(
            "no such model", got=str(path), fix="give a GGUF file or a checkpoint's directory"
        )
    if groups is not None and groups < 1:
        raise InputError("groups is out of range", got=groups, allowed="1 or more")
    tensors: Tensors
    if path.is_dir():
        described = describe_hub(_read_json(path / "config.json"), path, groups)
        tensors = read_hub_tensors(path)
    else:
        header, tensors = read_gguf_tensors(path)
        described = describe_gguf(header, tensors)
    tensors = _with_tied_head(tensors, described)
    _check_tensors(path, tensors, described)
    kinds = {tensor.dtype for tensor in tensors.values() if tensor.dtype in FLOAT_DTYPES}
    dtype = kinds.pop() if len(kinds) == 1 else "float32"
    dtype = "float32" if dtype == "float64" else dtype
    return Checkpoint(path, described.config, described.layout, tensors, dtype)


def load_parameters(checkpoint: Checkpoint, dtype: str | None = None) -> Parameters:
    """The parameters of a checkpoint.

    Args:
        checkpoint: from `open_checkpoint`.
        dtype: of the arrays: ``float32``, ``bfloat16`` or ``float16``; None uses the
            checkpoint's own.

    Raises:
        InputError: an unknown dtype.
        ModelFileError: a tensor that must be zero is not.
    """
    # The rest of this module serves engines that run without JAX.
    from multiturn.models.parameters import parameter_specs

    dtype = checkpoint.dtype if dtype is None else dtype
    if dtype not in ("float32", "bfloat16", "float16"):
        raise InputError("unknown dtype", got=dtype, allowed="float32, bfloat16, float16")
    specs = parameter_specs(checkpoint.config)
    outer = _empty_arrays(specs, dtype)
    blocks = _empty_arrays(specs.layers, dtype)

    def fill(rule: Rule) -> None:
        for field, part in read_rule(checkpoint, rule):
            _copy(part, outer[field] if rule.layer is None else blocks[field][rule.layer])

    # Rules write to disjoint memory, and numpy releases the GIL.
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as workers:
        for _ in workers.map(fill, checkpoint.layout.rules):
            pass
    return _parameters(outer, blocks)


def read_rule(checkpoint: Checkpoint, rule: Rule) -> list[tuple[str, np.ndarray[Any, Any]]]:
    """The arrays in the tensor of a rule, by name.

    Raises:
        ModelFileError: a tensor that must be zero is not.
    """
    values = checkpoint.tensors[rule.name].read()
    if rule.fields:
        return list(zip(rule.fields, rule.from_file(values), strict=True))
    if np.any(np.asarray(values)):
        raise ModelFileError(
            f"{checkpoint.path.name}: the tensor {rule.name!r} is not zero",
            fix="only checkpoints exported from CodeGen models are read in this layout",
        )
    return []


def _copy(source: np.ndarray[Any, Any], target: np.ndarray[Any, Any]) -> None:
    """Copy a few rows at a time: most sources are transposed in memory, so each row touches many
    cache lines.
    """
    if source.ndim < 2:
        target[...] = source.astype(target.dtype)
        return
    for at in range(0, len(target), _ROWS_AT_ONCE):
        rows = slice(at, at + _ROWS_AT_ONCE)
        np.copyto(target[rows], source[rows], casting="unsafe")


def _empty_arrays(specs: Any, dtype: str) -> dict[str, Any]:
    arrays = {}
    for field in fields(specs):
        info = getattr(specs, field.name)
        if info is not None and field.name != "layers":
            arrays[field.name] = np.empty(info.shape, numpy_dtype(dtype))
    return arrays


def _parameters(outer: dict[str, Any], blocks: dict[str, Any]) -> Parameters:
    """Move the arrays to JAX one by one, freeing each numpy copy."""
    import jax.numpy as jnp

    from multiturn.models.parameters import Layers, Parameters

    def taken(arrays: dict[str, Any], kind: type) -> dict[str, Any]:
        names = [field.name for field in fields(kind) if field.name != "layers"]
        return {name: jnp.asarray(arrays.pop(name)) if name in arrays else None for name in names}

    return Parameters(layers=Layers(**taken(blocks, Layers)), **taken(outer, Parameters))


def read_hub_tensors(directory: Path) -> dict[str, StoredTensor]:
    """All tensors of a directory in the hub's layout; safetensors take precedence over pickles.

    Raises:
        ModelFileError: there are no weights, a shard is missing, or index and files differ.
    """
    for single, index, read in _INDEXED:
        if (directory / index).exists():
            return _read_shards(directory, index, read)
        if (directory / single).exists():
            return read(directory / single)
    raise ModelFileError(
        "no weights in the directory",
        got=str(directory),
        allowed=", ".join(name for pair in _INDEXED for name in pair[:2]),
        fix="fetch the checkpoint again",
    )


def _read_shards(
    directory: Path, index: str, read: Callable[[Path], dict[str, StoredTensor]]
) -> dict[str, StoredTensor]:
    where = _read_json(directory / index).get("weight_map")
    if not isinstance(where, dict) or not all(
        isinstance(name, str) and Path(name).name == name for name in where.values()
    ):
        raise ModelFileError(f"{index}: 'weight_map' does not map tensors to files beside it")
    shards = {}
    for name in sorted(set(where.values())):
        if not (directory / name).exists():
            raise ModelFileError(
                f"a shard that {index} names is missing",
                got=name,
                fix="fetch the checkpoint again",
            )
        shards[name] = read(directory / name)
    found: dict[str, StoredTensor] = {}
    for shard, tensors in shards.items():
        for name, tensor in tensors.items():
            if where.get(name) != shard:
                raise ModelFileError(
                    f"{shard}: {index} has the tensor {name!r} in another file",
                    got=where.get(name, "no file"),
                )
            found[name] = tensor
    for name, shard in where.items():
        if name not in found:
            raise ModelFileError(f"{shard}: the tensor {name!r} of {index} is missing")
    return found


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ModelFileError(
            f"the directory has no {file.name}", got=str(file.parent), fix="fetch it again"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ModelFileError(f"{file.name} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ModelFileError(f"{file.name} is not a JSON object")
    return content


_EMBEDDINGS = ("model.embed_tokens.weight", "transformer.wte.weight")


def _with_tied_head(tensors: Tensors, described: DescribedModel) -> Tensors:
    """The tensors that the layout expects where the head is tied to the embedding.

    A second copy of the matrix is dropped, or a missing one added, if the values agree.
    """
    head = "lm_head.weight"
    embedding = next((name for name in _EMBEDDINGS if name in tensors), None)
    if described.tied and (head in tensors) != (embedding is not None):
        wanted = {rule.name for rule in described.layout.rules}
        missing = head if embedding else next(name for name in _EMBEDDINGS if name in wanted)
        return {**tensors, missing: tensors[embedding or head]}
    if embedding is None or head not in tensors:
        return tensors
    if not (described.tied or described.config.tie_embeddings):
        return tensors
    if not np.array_equal(tensors[head].read(), tensors[embedding].read()):
        raise ModelFileError(
            f"the tensor {head!r} differs from the embedding, though the config says tied",
            fix="set tie_word_embeddings to false in config.json",
        )
    if described.tied:
        return tensors
    return {name: tensor for name, tensor in tensors.items() if name != head}


def _check_tensors(path: Path, tensors: Tensors, described: DescribedModel) -> None:
    rules = {rule.name: rule for rule in described.layout.rules}
    missing = [name for name in rules if name not in tensors]
    if missing:
        raise ModelFileError(
            f"{path.name}: {_these(missing)} missing",
            fix="fetch or export the checkpoint again",
        )
    ignored = described.layout.ignored
    strange = [name for name in tensors if name not in rules and not ignored.fullmatch(name)]
    if strange:
        raise ModelFileError(
            f"{path.name}: {_these(strange)} not part of this model",
            allowed=f"the {len(rules)} tensors of the layout {described.layout.name}",
            fix="check that config.json belongs to these weights",
        )
    for name, rule in rules.items():
        tensor = tensors[name]
        if tensor.shape != rule.shape:
            raise ModelFileError(
                f"{tensor.file.name}: the tensor {name!r} has the wrong shape",
                got=list(tensor.shape),
                allowed=str(list(rule.shape)),
                fix="check that the config belongs to these weights",
            )
        if tensor.dtype not in FLOAT_DTYPES:
            raise ModelFileError(
                f"{tensor.file.name}: the tensor {name!r} does not hold floating-point numbers",
                got=tensor.dtype,
                allowed=", ".join(FLOAT_DTYPES),
            )


def _these(names: list[str]) -> str:
    if len(names) == 1:
        return f"the tensor {truncate_repr(names[0])} is"
    return f"{len(names)} tensors are, {truncate_repr(names[0])} the first,"
