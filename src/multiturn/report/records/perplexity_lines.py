"""The scores that `multiturn bench score` saved beside the samples of a run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multiturn.report.records.side_lines import read_side_lines

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

    Raises:
        StorageError: the file cannot be read.
    """
    found = read_side_lines(path / _FILE, _SCHEMA, _line)
    return None if found is None else list(found.values())


def _line(data: dict[str, Any]) -> PerplexityLine:
    return PerplexityLine(
        str(data["item"]), int(data["sample"]), _total(data["prompts"]), _total(data["references"])
    )


def _total(scores: list[dict[str, Any]]) -> tuple[float, float, float]:
    tokens, nats, size = (
        sum(float(each[name]) for each in scores) for name in ("tokens", "nats", "bytes")
    )
    if not all(map(math.isfinite, (tokens, nats, size))) or tokens < 0 or size < 0:
        raise ValueError("a score is out of range")
    return tokens, nats, size
