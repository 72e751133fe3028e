"""Libraries that a wheel ships compiled, one for each variant, so that no compiler is needed.

``tools/prebuild_kernels.py`` writes them into the directory `PREBUILT`, with a manifest. A library
counts only while the manifest's hashes are those of the sources beside it, of the flags, and of its
own file: one that is stale or damaged is never loaded.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from multiturn.core.files import sha256_file, write_atomically
from multiturn.models.native.variants import Variant

__all__ = ["PREBUILT", "PrebuiltLibrary", "library_key", "prebuilt_library", "write_manifest"]

PREBUILT = Path(__file__).parent / "prebuilt"
"""The directory of the libraries; a checkout has none."""
_SCHEMA = "multiturn.prebuilt-kernels/1"


@dataclass(frozen=True, slots=True)
class PrebuiltLibrary:
    """A compiled library for the manifest.

    Attributes:
        variant: that it was compiled for.
        file: its name in the directory.
        key: of `library_key`.
        compiler: the first line of what the compiler prints as its version.
    """

    variant: Variant
    file: str
    key: str
    compiler: str


def library_key(digest: str, flags: Sequence[str], variant: Variant) -> str:
    """A hash of what decides the code of a library: the sources' digest and the flags."""
    parts = (digest, *flags, *variant.flags())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def prebuilt_library(key: str, variant: Variant, directory: Path = PREBUILT) -> Path | None:
    """The prebuilt library of a variant, if there is one that fits and that loads.

    Args:
        key: of `library_key`, for the sources as they are now.
        variant: wanted.
        directory: with the manifest.
    """
    try:
        manifest = json.loads((directory / "manifest.json").read_text("utf-8"))
        entry = manifest["libraries"][f"{variant.architecture}/{variant.name}"]
        name, checksum, built_from = str(entry["file"]), entry["sha256"], entry["key"]
        path: Path = directory / name
        if manifest["schema"] != _SCHEMA or Path(name).name != name or built_from != key:
            return None
        if sha256_file(path) != checksum:
            return None
        ctypes.CDLL(str(path))  # needs a C library as new as that of the machine that compiled it
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return path


def write_manifest(
    libraries: Sequence[PrebuiltLibrary], platform: str, directory: Path = PREBUILT
) -> None:
    """Write the manifest of the libraries in a directory.

    Args:
        libraries: all of them.
        platform: tag of the wheel, such as ``manylinux_2_28_x86_64``.
        directory: where their files are.

    Raises:
        StorageError: it cannot be written.
    """
    document = {
        "schema": _SCHEMA,
        "platform": platform,
        "libraries": {
            f"{each.variant.architecture}/{each.variant.name}": {
                "file": each.file,
                "sha256": sha256_file(directory / each.file),
                "key": each.key,
                "compiler": each.compiler,
            }
            for each in libraries
        },
    }
    write_atomically(directory / "manifest.json", json.dumps(document, indent=1) + "\n")
