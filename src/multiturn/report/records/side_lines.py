"""The lines of a file beside the samples of a run, such as scores: see `runner.side_file`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from multiturn.core.errors import storage_errors

__all__ = ["read_side_lines"]

T = TypeVar("T")


def read_side_lines(
    file: Path, schema: str, read: Callable[[dict[str, Any]], T]
) -> dict[tuple[str, int], T] | None:
    """What a file says of each sample, by item and number; None without such a file.

    A half-written last line and lines that cannot be read do not count; of repeated ones the first
    does. A file with another schema is none.

    Args:
        file: in the directory of a run.
        schema: that its first line must name.
        read: makes a value from a line; its errors are those of a line that cannot be read.

    Raises:
        StorageError: the file cannot be read.
    """
    if not file.exists():
        return None
    with storage_errors(file, "reading what belongs to the samples"):
        first, *lines = file.read_bytes().split(b"\n")[:-1] or [b""]
    try:
        if json.loads(first)["schema"] != schema:
            return None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    found: dict[tuple[str, int], T] = {}
    for line in lines:
        try:
            data = json.loads(line, parse_constant=_refuse)
            key = (str(data["item"]), int(data["sample"]))
            if key not in found:
                found[key] = read(data)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
            continue
    return found


def _refuse(name: str) -> None:
    """NaN and infinity are no JSON, and no figures."""
    raise ValueError(f"{name} is no number")
