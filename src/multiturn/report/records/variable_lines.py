"""The first differences that `multiturn bench variables` saved beside the samples of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multiturn.report.records.side_lines import read_side_lines

__all__ = ["NO_TURNS", "REASONS", "VariableLine", "read_variables"]

_FILE = "variables.jsonl"
_SCHEMA = "multiturn.bench-variables/1"

REASONS = {
    "value": "a variable has another value",
    "missing": "a variable does not exist",
    "raised": "the turn ended with an exception",
    "syntax": "the turn does not parse",
    "not_written": "the turn was not written",
    "none": "all variables agree: only the printed value differs",
    "unknown": "unknown",
}
"""Reasons of a first difference, each in words."""

NO_TURNS = ("concat", "listed", "prose", "shuffled", "completion")
"""Arms whose programs do not have the turns of the problem in its order."""


@dataclass(frozen=True, slots=True)
class VariableLine:
    """Where a program first differs from the reference.

    Attributes:
        turn: from 0; None if there is no difference, or it is unknown.
        reason: a key of `REASONS`.
        name: of the variable; empty if it is not about one.
        detail: one line; may be empty.
    """

    turn: int | None
    reason: str
    name: str
    detail: str


def read_variables(path: Path) -> dict[tuple[str, int], VariableLine] | None:
    """The first difference of each sample of a run, by item and number of the sample.

    Returns:
        None if none were recorded, or they have another schema.

    Raises:
        StorageError: the file cannot be read.
    """
    return read_side_lines(path / _FILE, _SCHEMA, _line)


def _line(data: dict[str, Any]) -> VariableLine:
    turn, reason = data["turn"], data["reason"]
    if reason not in REASONS or (turn is not None and not 0 <= int(turn) < 1000):
        raise ValueError("no known difference")
    return VariableLine(
        None if turn is None else int(turn), reason, str(data.get("name") or ""),
        str(data.get("detail") or ""),
    )  # fmt: skip
