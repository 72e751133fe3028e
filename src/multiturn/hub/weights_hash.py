"""One hash for all the weights of a model.

It is part of a saved run, which continues only with the same hash, so its definition must not
change.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from multiturn.core.files import sha256_file

__all__ = ["weights_sha256", "weights_sha256_with_adapter"]

_ADAPTER_FILES = (".gguf", ".safetensors", ".json")


def weights_sha256(path: Path) -> str:
    """The SHA-256 of a file; for a checkpoint's directory, of its files' hashes and names.

    Raises:
        OSError: a file cannot be read.
    """
    if not path.is_dir():
        return sha256_file(path)
    files = sorted(each for each in path.iterdir() if each.is_file())
    listed = "".join(f"{weights_sha256(file)}  {file.name}\n" for file in files)
    return hashlib.sha256(listed.encode()).hexdigest()


def weights_sha256_with_adapter(weights: str, adapter: Path) -> str:
    """The hash of weights with an adapter, which is a PEFT directory or a file.

    Args:
        weights: their own hash.
        adapter: of the weights; other files in its directory do not count.

    Raises:
        OSError: a file cannot be read.
    """
    digest = hashlib.sha256(weights.encode())
    for file in sorted(adapter.iterdir()) if adapter.is_dir() else [adapter]:
        if file.suffix in _ADAPTER_FILES:
            digest.update(bytes.fromhex(weights_sha256(file)))
    return digest.hexdigest()
