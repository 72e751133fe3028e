"""The scores that `multiturn bench score` saved beside the samples of a run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multiturn.core.errors import storage_errors

__all__ = ["PerplexityLine", "read_perplexities"]

_FILE = "perplexity.jsonl"
_SCHEMA = "multiturn.bench-perplexity/1"


@dataclass(frozen=True, slots=True)
class PerplexityLine:
    """The scores of a sample: tokens, nats and bytes of its prompts and of the references."""

    item: str
    sample: int
    prompts: tuple[float, float, float]
    references: tuple[float, float, float]


def read_perplexities(path: Path) -> list[PerplexityLine] | None:
    """The scores of a run; None if it has none, or they have another schema.

    A half-written last line and lines that are no scores do not count; of repeated ones the first
    does.

    Raises:
        StorageError: the file cannot be read.
    """
    file = path / _FILE
    if not file.exists():
        return None
    with storage_errors(file, "reading the scores"):
        first, *lines = file.read_bytes().split(b"\n")[:-1] or [b""]
    try:
        if json.loads(first)["schema"] != _SCHEMA:
            return None
    except (ValueError, KeyError, TypeError):
        return None
    found: dict[tuple[str, int], PerplexityLine] = {}
    for line in lines:
        try:
            data = json.loads(line)
            key = (str(data["item"]), int(data["sample"]))
            one = PerplexityLine(*key, _total(data["prompts"]), _total(data["references"]))
        except (ValueError, KeyError, TypeError):
            continue
        found.setdefault(key, one)
    return list(found.values())


def _total(scores: list[dict[str, Any]]) -> tuple[float, float, float]:
    tokens, nats, size = (
        sum(float(each[name]) for each in scores) for name in ("tokens", "nats", "bytes")
    )
    return tokens, nats, size
