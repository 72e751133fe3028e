"""Which failed programs pass if they end earlier, as `multiturn bench endings` saved it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from multiturn.report.records.side_lines import read_side_lines

__all__ = ["NO_ENDINGS", "read_endings"]

_FILE = "endings.jsonl"
_SCHEMA = "multiturn.bench-endings/1"

NO_ENDINGS = ("gold_prefix", "loop", "chat", "completion")
"""Arms whose programs do not end with a generated text."""


def read_endings(path: Path) -> dict[tuple[str, int], bool] | None:
    """Whether each failed sample of a run passes with an earlier end, by item and number.

    Returns:
        None if none were recorded, or they have another schema.

    Raises:
        StorageError: the file cannot be read.
    """
    return read_side_lines(path / _FILE, _SCHEMA, _line)


def _line(data: dict[str, Any]) -> bool:
    line = data["passes_after"]
    if line is not None and not (type(line) is int and line > 0):
        raise ValueError("no line of a program")
    return line is not None
