"""Writes a decoder's parameters in the hub's layouts."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from multiturn.core.errors import InputError, storage_errors
from multiturn.core.files import fsync_directory
from multiturn.hub.checkpoints.layouts import Layout, Rule
from multiturn.hub.formats.safetensors_files import NewTensor, write_safetensors
from multiturn.hub.formats.tensors import numpy_dtype

if TYPE_CHECKING:
    from multiturn.models.parameters import Parameters

__all__ = ["new_tensors", "atomic_directory", "write_hub_checkpoint", "write_json"]

_SHARD_BYTES = 5_000_000_000  # the limit of the hub's own tools


@contextmanager
def atomic_directory(out: Path) -> Iterator[Path]:
    """A temporary directory that is renamed to `out` on success, and deleted on an error.

    Raises:
        InputError: `out` exists and is not an empty directory.
        StorageError: the disk is full, or `out` cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(
            "the output directory is not empty", got=str(out), fix="name another directory"
        )
    with storage_errors(out, "exporting"):
        out.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        yield work
        with storage_errors(out, "exporting"):
            work.chmod(0o755)
            work.replace(out)
            fsync_directory(out.parent)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise


def new_tensors(parameters: Parameters, layout: Layout, dtype: str) -> Iterator[NewTensor]:
    """The tensors of a layout, each computed when it is written."""
    for rule in layout.rules:
        yield NewTensor(
            rule.name, rule.shape, dtype, partial(_file_values, parameters, rule, dtype)
        )


def _file_values(parameters: Parameters, rule: Rule, dtype: str) -> np.ndarray[Any, Any]:
    if rule.layer is None:
        parts = [getattr(parameters, field) for field in rule.fields]
    else:
        parts = [getattr(parameters.layers, field)[rule.layer] for field in rule.fields]
    values = rule.to_file(*(np.asarray(part) for part in parts))
    return values.astype(numpy_dtype(dtype))


def write_hub_checkpoint(
    directory: Path,
    parameters: Parameters,
    layout: Layout,
    config: dict[str, Any],
    dtype: str,
    *,
    shard_bytes: int = _SHARD_BYTES,
) -> None:
    """Write ``config.json`` and the weights as safetensors, in shards if they are large.

    Args:
        directory: exists and is empty.
        parameters: of the model.
        layout: of the tensors.
        config: the content of ``config.json``.
        dtype: of the tensors.
        shard_bytes: the most bytes of one file.

    Raises:
        StorageError: the disk is full, or the directory cannot be written.
    """
    shards: list[list[NewTensor]] = [[]]
    for tensor in new_tensors(parameters, layout, dtype):
        if shards[-1] and sum(t.nbytes for t in shards[-1]) + tensor.nbytes > shard_bytes:
            shards.append([])
        shards[-1].append(tensor)
    if len(shards) == 1:
        write_safetensors(directory / "model.safetensors", shards[0])
    else:
        where: dict[str, str] = {}
        for number, shard in enumerate(shards, 1):
            name = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
            write_safetensors(directory / name, shard)
            where |= {tensor.name: name for tensor in shard}
        total = sum(tensor.nbytes for shard in shards for tensor in shard)
        index = {"metadata": {"total_size": total}, "weight_map": where}
        write_json(directory / "model.safetensors.index.json", index)
    write_json(directory / "config.json", config)


def write_json(file: Path, content: Any) -> None:
    """Write a record as indented JSON."""
    with storage_errors(file, "writing"):
        file.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
