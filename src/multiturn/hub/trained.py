"""The files of models that are trained on the user's own machine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from multiturn.core.errors import InputError, storage_errors
from multiturn.core.files import write_atomically
from multiturn.hub.checksums import Checksum
from multiturn.hub.entries import ModelEntry
from multiturn.hub.manifest import DownloadManifest, ManifestFile, write_manifest
from multiturn.hub.store import ModelStore, mark_verified, require_disk_space

__all__ = ["keep_trained", "not_trained_yet"]


def not_trained_yet(entry: ModelEntry) -> InputError:
    """What is said to a person who wants a model that they have not trained."""
    return InputError(
        f"the model {entry.name} is trained on your own machine, and it has not been yet",
        fix=f"multiturn models build {entry.name}",
    )


def keep_trained(
    entry: ModelEntry, file: Path, store: ModelStore, *, on_wait: Callable[[], None]
) -> Path:
    """Put a file among the models, as that of a model with a name.

    The manifest beside it pins its hash, so that later damage is noticed.

    Args:
        entry: of the model.
        file: to copy.
        store: the models.
        on_wait: called once if another process holds the model, before waiting for it.

    Returns:
        The copy.

    Raises:
        StorageError: the disk is full, or the directory cannot be written.
    """
    if entry.trained is None or entry.file is None:
        raise ValueError(f"{entry.name} is not trained here")
    home = store.directory(entry.name)
    final = home / entry.file
    with store.locked(entry.name, on_wait):
        with storage_errors(file, "reading the model"):
            content = file.read_bytes()
        with storage_errors(home, "making the model's directory"):
            home.mkdir(parents=True, exist_ok=True)
        require_disk_space(home, len(content), entry.file)
        write_atomically(final, content)
        checksum = Checksum("sha256", hashlib.sha256(content).hexdigest())
        pinned = ManifestFile(entry.file, len(content), checksum)
        # In the place of a repository and its commit: what the model was made by.
        write_manifest(home, DownloadManifest(entry.trained.chain, entry.trained.stage, (pinned,)))
        mark_verified(final, len(content), checksum)
    return final
