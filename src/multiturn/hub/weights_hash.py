"""One hash that stands for all the weights that a model is made of.

It is part of a saved run, which is only gone on with where it is the same. So what it is
computed from must not change.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from multiturn.core.files import sha256_file

__all__ = ["weights_sha256", "weights_sha256_with_adapter"]

_ADAPTER_FILES = (".gguf", ".safetensors", ".json")


def weights_sha256(path: Path) -> str:
    """The sha256 of a file; that of a checkpoint's directory is of its files' hashes and names.

    Raises:
        OSError: a file cannot be read.
    """
    if not path.is_dir():
        return sha256_file(path)
    files = sorted(each for each in path.iterdir() if each.is_file())
    listed = "".join(f"{weights_sha256(file)}  {file.name}\n" for file in files)
    return hashlib.sha256(listed.encode()).hexdigest()


def weights_sha256_with_adapter(weights: str, adapter: Path) -> str:
    """The hash of weights together with an adapter, a PEFT directory or a file.

    Args:
        weights: their own hash.
        adapter: what is added to them; notes and the like in its directory do not count.

    Raises:
        OSError: a file cannot be read.
    """
    digest = hashlib.sha256(weights.encode())
    for file in sorted(adapter.iterdir()) if adapter.is_dir() else [adapter]:
        if file.suffix in _ADAPTER_FILES:
            digest.update(bytes.fromhex(weights_sha256(file)))
    return digest.hexdigest()
