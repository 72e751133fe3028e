"""Answers that were measured on this machine, once, and remembered in a file.

A choice between two ways to compute depends on the processor, the compiled kernels and the sizes of
the model. All of them are part of the key, so the answer to another question is measured anew. The
files may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from multiturn.core.app_dirs import app_dirs
from multiturn.core.errors import StorageError, storage_errors
from multiturn.core.files import write_atomically
from multiturn.models.native.processor import this_processor

__all__ = ["Seconds", "remembered_seconds"]

Seconds = dict[str, float]
"""How long each way took; all are finite and above 0."""

_SCHEMA = "multiturn.measurement/1"


def remembered_seconds(
    kind: str, question: Mapping[str, object], measure: Callable[[], Seconds]
) -> Seconds:
    """What `measure` found on this machine for a question, from a file or measured now.

    Args:
        kind: of the question, for the name of the file.
        question: what the answer depends on besides the processor and the number of CPUs.
        measure: called if there is no readable answer yet.
    """
    processor = this_processor()
    machine = {
        "model": processor.model,
        "features": hashlib.sha256(" ".join(sorted(processor.features)).encode()).hexdigest()[:16],
        "cpus": len(os.sched_getaffinity(0)),
    }
    key = {**machine, **{name: str(value) for name, value in question.items()}}
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:20]
    path = app_dirs().kernels / "measured" / f"{kind}-{name}.json"
    found = _read(path)
    if found is None:
        found = measure()
        document = {"schema": _SCHEMA, "question": key, "seconds": found}
        try:
            with storage_errors(path, "remembering a measurement"):
                path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, json.dumps(document, indent=1) + "\n")
        except StorageError:
            pass  # measured again the next time
    return found


def _read(path: Path) -> Seconds | None:
    try:
        document = json.loads(path.read_text("utf-8"))
        if document["schema"] != _SCHEMA:
            return None
        seconds = {str(name): float(value) for name, value in document["seconds"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    good = seconds and all(math.isfinite(value) and value > 0 for value in seconds.values())
    return seconds if good else None
