"""Adapters as GGUF files, as llama.cpp's ``--lora`` reads them.

Source: llama.cpp, ``convert_lora_to_gguf.py`` and ``llama-adapter.cpp``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from multiturn.core.errors import MissingDependencyError, ModelFileError, storage_errors
from multiturn.hub.adapters.pairs import Pair
from multiturn.hub.formats.gguf_tensors import read_gguf_tensors

__all__ = ["read_gguf_adapter", "write_gguf_adapter"]


def write_gguf_adapter(
    file: Path, pairs: Mapping[str, Pair], *, architecture: str, name: str
) -> None:
    """Write one GGUF adapter.

    Args:
        file: the output.
        pairs: by tensor name, such as ``blk.0.attn_q.weight``; all of one rank, since the format
            has one alpha.
        architecture: of the model, such as ``llama``.
        name: of the adapter, in its metadata.

    Raises:
        MissingDependencyError: the package `gguf` is not installed.
        StorageError: the disk is full, or the place cannot be written.
    """
    try:
        import gguf
    except ModuleNotFoundError as error:
        raise MissingDependencyError("gguf", extra="jax", purpose="writing GGUF files") from error
    alphas = {pair.scale * pair.rank for pair in pairs.values()}
    if len(alphas) != 1:
        raise ValueError(f"a GGUF adapter has one alpha, not {sorted(alphas)}")
    writer = gguf.GGUFWriter(file, architecture)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", alphas.pop())
    writer.add_name(name)
    for tensor, pair in pairs.items():
        writer.add_tensor(f"{tensor}.lora_a", np.ascontiguousarray(pair.lora_a, np.float32))
        writer.add_tensor(f"{tensor}.lora_b", np.ascontiguousarray(pair.lora_b, np.float32))
    with storage_errors(file, "writing the adapter"):
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def read_gguf_adapter(file: Path) -> tuple[str, dict[str, Pair]]:
    """The architecture, and the pairs by tensor name.

    Raises:
        ModelFileError: the file is broken or not a LoRA adapter.
    """
    header, tensors = read_gguf_tensors(file)
    alpha = header.metadata.get("adapter.lora.alpha")
    if header.metadata.get("general.type") != "adapter" or not isinstance(alpha, int | float):
        raise ModelFileError(
            f"{file.name} is a GGUF file, but not a LoRA adapter",
            fix="name the adapter's file, not the model's",
        )
    kind = header.metadata.get("adapter.type", "lora")
    if kind != "lora" or "adapter.alora.invocation_tokens" in header.metadata:
        raise ModelFileError(
            f"{file.name}: only plain LoRA adapters are read",
            got=kind if kind != "lora" else "an activated one (adapter.alora.invocation_tokens)",
        )
    names = {name.rpartition(".")[0] for name in tensors}
    pairs = {}
    for name in sorted(names):
        two = [tensors.get(f"{name}.lora_{letter}") for letter in "ab"]
        if two[0] is None or two[1] is None:
            raise ModelFileError(f"{file.name}: {name!r} lacks one of its two factors")
        lora_a, lora_b = (np.asarray(tensor.read(), np.float32) for tensor in two if tensor)
        if lora_a.ndim != 2 or lora_b.ndim != 2 or lora_a.shape[0] != lora_b.shape[1]:
            raise ModelFileError(f"{file.name}: the factors of {name!r} do not fit together")
        pairs[name] = Pair(lora_a, lora_b, float(alpha) / len(lora_a) if alpha else 1.0)
    return header.architecture, pairs
