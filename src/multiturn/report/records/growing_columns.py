"""Columns that grow by a number for each line, and a random selection of the lines."""

from __future__ import annotations

import heapq
from array import array
from dataclasses import dataclass, field

import numpy as np

from multiturn.report.records.columns import (
    ABSENT,
    JUDGEMENTS,
    IntArray,
    ItemFacts,
    ProblemKey,
)
from multiturn.report.records.sample_lines import ItemPart, LightLine

__all__ = ["CUT", "EXHAUSTED", "GrowingColumns", "Index", "LineSelection"]

CUT, EXHAUSTED = 1, 2
"""Bits of the column `flags`."""

_CODE = {name: code for code, name in enumerate(JUDGEMENTS)}
_NAMES = ("item", "problem", "sample", "prompt_tokens", "new_tokens", "steps", "flags")


class GrowingColumns:
    """The columns of `Records`, before repeated samples are left out.

    Attributes:
        count: how many lines there are.
    """

    def __init__(self) -> None:
        self.count = 0
        self._numbers = {name: array("q") for name in _NAMES}
        self._judged: dict[str, array[int]] = {}

    def add(self, line: LightLine, item: int, problem: int) -> None:
        """Add a line."""
        prompt = new = flags = 0
        for step in line.steps:
            prompt += step.prompt_tokens
            new += step.new_tokens
            if step.cut_by is not None:
                flags |= CUT
            if step.finish_reason == "length":
                flags |= EXHAUSTED
        values = (item, problem, line.sample, prompt, new, len(line.steps), flags)
        for column, value in zip(self._numbers.values(), values, strict=True):
            column.append(value)
        for oracle, verdict in line.verdicts.items():
            judged = self._judged.get(oracle)
            if judged is None:
                judged = self._judged[oracle] = array("b", [ABSENT]) * self.count
            judged.append(_CODE.get(verdict.judgement, ABSENT))
        self.count += 1
        for judged in self._judged.values():
            if len(judged) < self.count:
                judged.append(ABSENT)

    def truncate(self, count: int) -> None:
        """Drop the lines after the first so many."""
        for column in (*self._numbers.values(), *self._judged.values()):
            del column[count:]
        self.count = count

    def numbers(self) -> dict[str, IntArray]:
        """The columns by name."""
        return {name: np.array(column, np.int64) for name, column in self._numbers.items()}

    def judged(self) -> dict[str, IntArray]:
        """The judgements by oracle."""
        return {name: np.array(column, np.int64) for name, column in self._judged.items()}


class Index:
    """Numbers problem sets, problems and items as they appear."""

    def __init__(self) -> None:
        self.sets: dict[tuple[str, str], int] = {}
        self.problems: list[ProblemKey] = []
        self.items: list[ItemFacts] = []
        self._problems: dict[tuple[int, str], int] = {}
        self._items: dict[tuple[int, str], int] = {}

    def of(self, problem_set: int, item: ItemPart) -> tuple[int, int]:
        """The numbers of an item and its problem."""
        key = (problem_set, item.id)
        number = self._items.get(key)
        if number is not None:
            return number, self.items[number].problem
        problem = self._problems.setdefault((problem_set, item.problem), len(self._problems))
        if problem == len(self.problems):
            self.problems.append(
                ProblemKey(problem_set, item.problem, item.category, item.turns, item.difficulty)
            )
        number = self._items[key] = len(self.items)
        self.items.append(ItemFacts(problem_set, item.id, problem, item.case, item.turn))
        return number, problem


@dataclass(slots=True)
class LineSelection:
    """The lines with the smallest checksums: a random selection that depends on the lines alone."""

    size: int
    _heap: list[tuple[int, int, bytes]] = field(default_factory=list)

    def offer(self, line: bytes, checksum: int, place: int) -> None:
        """Consider a line, which is at a place of the columns."""
        if len(self._heap) < self.size:
            heapq.heappush(self._heap, (-checksum, place, line))
        elif self._heap and -checksum > self._heap[0][0]:
            heapq.heapreplace(self._heap, (-checksum, place, line))

    def lines(self) -> list[tuple[int, bytes]]:
        """The places and lines, in the order of the file."""
        return sorted((place, line) for _, place, line in self._heap)
