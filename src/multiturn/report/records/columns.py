"""The samples of many runs as columns: about 50 bytes a sample, however long its program is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from multiturn.report.records.run_facts import RunFacts
from multiturn.report.records.sample_lines import FullLine, VerdictPart

__all__ = [
    "ABSENT",
    "JUDGEMENTS",
    "BoolArray",
    "IntArray",
    "ItemFacts",
    "Notice",
    "ProblemKey",
    "Records",
    "RetainedSample",
]

IntArray = np.ndarray[Any, np.dtype[np.int64]]
BoolArray = np.ndarray[Any, np.dtype[np.bool_]]

JUDGEMENTS = ("passed", "wrong_answer", "no_output", "prevented", "undecided")
"""The judgements of an oracle; columns have the index."""
ABSENT = -1
"""In place of the judgement of an oracle that did not judge."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something about the records that a reader of the figures must know."""

    run: str
    """The label of the run; empty if it concerns several."""
    text: str
    """One sentence."""


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """What samples are drawn for."""

    problem_set: int
    """The index of the problem set in `Records.problem_sets`."""
    id: str
    """Unique in the problem set and arm."""
    problem: int
    """The index of the problem in `Records.problems`."""
    case: int
    """Number of its table of variables."""
    turn: int | None
    """The turn that is generated, if turns are sampled separately."""


@dataclass(frozen=True, slots=True)
class ProblemKey:
    """A problem, with what pass rates are grouped by; None where it has no such property."""

    problem_set: int
    id: str
    category: str | None
    turns: int | None
    difficulty: str | None


@dataclass(frozen=True, slots=True)
class RetainedSample:
    """A sample whose texts were retained."""

    run: int
    """Index of the run."""
    problem: int
    """Index of the problem in `Records.problems`."""
    line: FullLine
    """The sample with its texts."""

    def verdict(self, oracle: str) -> VerdictPart | None:
        """What an oracle found; None if it did not judge."""
        return self.line.verdicts.get(oracle)


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Runs and their samples; arrays have one element for each sample that counts."""

    runs: tuple[RunFacts, ...]
    """In the order of their labels."""
    problem_sets: tuple[tuple[str, str], ...]
    """Name and hash of each problem set."""
    problems: tuple[ProblemKey, ...]
    """All problems that have samples."""
    items: tuple[ItemFacts, ...]
    """All items that have samples."""
    run: IntArray
    """Index of the run."""
    item: IntArray
    """Index of the item."""
    problem: IntArray
    """Index of the problem."""
    sample: IntArray
    """Which of the item's samples."""
    judgements: dict[str, IntArray]
    """By oracle: the index in `JUDGEMENTS`; -1 where the oracle did not judge."""
    prompt_tokens: IntArray
    """Of all generations together."""
    new_tokens: IntArray
    """Likewise."""
    steps: IntArray
    """How many generations there were."""
    cut: BoolArray
    """Whether a rule cut a generation."""
    exhausted: BoolArray
    """Whether a generation ended at its maximum of tokens."""
    failures: tuple[RetainedSample, ...]
    """Some samples that failed by the first oracle."""
    programs: tuple[RetainedSample, ...]
    """Some samples of any kind, drawn at random from each run."""
    failed: tuple[int, ...]
    """By run: how many samples failed by the first oracle."""
    complete: tuple[bool, ...]
    """By run: whether every sample is there, once."""
    notices: tuple[Notice, ...]
    """What a reader of the figures must know."""

    def passed(self, oracle: str) -> IntArray:
        """1 where the oracle passed the sample, 0 where not, -1 where it did not judge."""
        found = self.judgements.get(oracle)
        if found is None:
            return np.full(len(self.run), ABSENT)
        return np.where(found < 0, ABSENT, found == 0).astype(np.int64)
