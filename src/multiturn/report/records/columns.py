"""The samples of many runs as columns: about 50 bytes a sample, however long its program is.

One pass reads a line, adds a number to each column, and drops the line. Of each run it retains a
random selection of lines, for what needs the programs: kinds of errors, unsafe calls, pages. The
selection depends on the lines alone, so a report of the same records is the same.
"""

from __future__ import annotations

import heapq
import zlib
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from multiturn.core.errors import InputError
from multiturn.report.records.run_facts import RunFacts, find_run_directories, read_run_facts
from multiturn.report.records.sample_lines import (
    FullLine,
    ItemPart,
    LightLine,
    SampleLines,
    VerdictPart,
    full_line,
)

__all__ = ["ItemFacts", "Notice", "Records", "RetainedSample", "read_records"]

IntArray = np.ndarray[Any, np.dtype[np.int64]]
BoolArray = np.ndarray[Any, np.dtype[np.bool_]]

JUDGEMENTS = ("passed", "wrong_answer", "no_output", "prevented", "undecided")
_CODE = {name: code for code, name in enumerate(JUDGEMENTS)}
_ABSENT = -1


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
    line: FullLine

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
            return np.full(len(self.run), _ABSENT)
        return np.where(found < 0, _ABSENT, found == 0).astype(np.int64)


@dataclass(slots=True)
class _Reservoir:
    """The lines with the smallest checksums, which are a random selection."""

    size: int
    _heap: list[tuple[int, int, bytes]] = field(default_factory=list)
    _number: int = 0

    def offer(self, line: bytes, checksum: int) -> None:
        self._number += 1
        if len(self._heap) < self.size:
            heapq.heappush(self._heap, (-checksum, self._number, line))
        elif self._heap and -checksum > self._heap[0][0]:
            heapq.heapreplace(self._heap, (-checksum, self._number, line))

    def lines(self) -> list[bytes]:
        """In the order of the file."""
        return [line for _, _, line in sorted(self._heap, key=lambda each: each[1])]


class _Columns:
    """Columns that grow."""

    def __init__(self) -> None:
        self.numbers = {
            name: array("q" if name == "sample" else "i")
            for name in (
                "item",
                "problem",
                "sample",
                "prompt_tokens",
                "new_tokens",
                "steps",
                "flags",
            )
        }
        self.judged: dict[str, array[int]] = {}
        self.count = 0

    def add(self, line: LightLine, item: int, problem: int) -> None:
        columns = self.numbers
        prompt = new = flags = 0
        for step in line.steps:
            prompt += step.prompt_tokens
            new += step.new_tokens
            if step.cut_by is not None:
                flags |= 1
            if step.finish_reason == "length":
                flags |= 2
        columns["item"].append(item)
        columns["problem"].append(problem)
        columns["sample"].append(line.sample)
        columns["prompt_tokens"].append(prompt)
        columns["new_tokens"].append(new)
        columns["steps"].append(len(line.steps))
        columns["flags"].append(flags)
        for oracle, verdict in line.verdicts.items():
            column = self.judged.get(oracle)
            if column is None:
                column = self.judged[oracle] = array("b", bytes([255]) * self.count)
            column.append(_CODE.get(verdict.judgement, _ABSENT))
        self.count += 1
        for column in self.judged.values():
            if len(column) < self.count:
                column.append(_ABSENT)


class _Index:
    """Numbers problem sets, problems and items as they appear."""

    def __init__(self) -> None:
        self.sets: dict[tuple[str, str], int] = {}
        self.problems: dict[tuple[int, str], int] = {}
        self.problem_keys: list[ProblemKey] = []
        self.items: dict[tuple[int, str], int] = {}
        self.item_facts: list[ItemFacts] = []

    def of(self, problem_set: int, item: ItemPart) -> tuple[int, int]:
        key = (problem_set, item.id)
        number = self.items.get(key)
        if number is not None:
            return number, self.item_facts[number].problem
        name = (problem_set, item.problem)
        problem = self.problems.setdefault(name, len(self.problems))
        if problem == len(self.problem_keys):
            self.problem_keys.append(
                ProblemKey(problem_set, item.problem, item.category, item.turns, item.difficulty)
            )
        number = self.items[key] = len(self.item_facts)
        self.item_facts.append(ItemFacts(problem_set, item.id, problem, item.case, item.turn))
        return number, problem


def read_records(
    places: Sequence[Path],
    *,
    max_failures: int = 8_000,
    max_programs: int = 2_000,
    listen: Callable[[int], None] | None = None,
) -> Records:
    """Read all runs in and below some places.

    A run that cannot be read is left out with a notice. Lines that are no samples, half-written
    lines and repeated samples do not count, with a notice.

    Args:
        places: runs, or directories of runs.
        max_failures: how many failed samples retain their texts, over all runs.
        max_programs: likewise for samples of any kind.
        listen: receives the number of samples so far, now and then.

    Raises:
        InputError: there is no run that can be read.
        StorageError: a file cannot be read.
    """
    notices: list[Notice] = []
    facts = []
    for path in find_run_directories(list(places)):
        try:
            facts.append(read_run_facts(path))
        except InputError as error:
            notices.append(Notice(str(path), f"left out: {error}"))
    if not facts:
        raise InputError("no run can be read", got=notices[0].text if notices else None)
    facts.sort(key=lambda each: (each.task, each.model, each.arm, each.truncation, each.label))
    index, columns, parts, counts = _Index(), _Columns(), [], []
    failures: list[RetainedSample] = []
    programs: list[RetainedSample] = []
    readable: list[RunFacts] = []
    failed: list[int] = []
    complete: list[bool] = []
    for run in facts:
        before = columns.count
        try:
            read = _read_run(
                run, index, columns, listen,
                _Reservoir(max(20, max_failures // len(facts))),
                _Reservoir(max(5, max_programs // len(facts))),
            )  # fmt: skip
        except InputError as error:
            _truncate(columns, before)
            notices.append(Notice(run.label, f"left out: {error}"))
            continue
        number = len(readable)
        readable.append(run)
        counts.append(columns.count - before)
        failures += [RetainedSample(number, full_line(line)) for line in read.failures.lines()]
        programs += [RetainedSample(number, full_line(line)) for line in read.programs.lines()]
        notices += read.notices
        failed.append(read.failed)
        complete.append(read.complete)
        parts.append(read)
    if not readable:
        raise InputError("no run can be read", got=notices[0].text)
    arrays = {name: np.array(column, dtype=np.int64) for name, column in columns.numbers.items()}
    run_numbers = np.repeat(np.arange(len(readable)), counts)
    valid, repeated = _first_of_each(run_numbers, arrays["item"], arrays["sample"])
    judged = {name: np.array(column, dtype=np.int64) for name, column in columns.judged.items()}
    for number, run in enumerate(readable):
        notices += _repetitions(run, number, run_numbers, valid, repeated, judged)
        there = int(np.count_nonzero(valid & (run_numbers == number)))
        complete[number] = complete[number] and there == run.expected
        if there != run.expected:
            share = f"{there:,} of {run.expected:,} samples"
            notices.append(
                Notice(run.label, f"incomplete: {share} are there; its figures are of these alone")
                if there
                else Notice(run.label, "no samples: it has no figures")
            )
        undecided = int(
            np.count_nonzero(
                valid & (run_numbers == number)
                & (judged.get(run.oracles[0], np.full(len(valid), 0)) == _CODE["undecided"])
            )
        )  # fmt: skip
        if undecided:
            notices.append(
                Notice(run.label, f"{undecided:,} samples are undecided, and count as not passed")
            )
    notices += _different_conditions(readable)
    return Records(
        runs=tuple(readable),
        problem_sets=tuple(index.sets),
        problems=tuple(index.problem_keys),
        items=tuple(index.item_facts),
        run=run_numbers[valid],
        item=arrays["item"][valid],
        problem=arrays["problem"][valid],
        sample=arrays["sample"][valid],
        judgements={name: column[valid] for name, column in judged.items()},
        prompt_tokens=arrays["prompt_tokens"][valid],
        new_tokens=arrays["new_tokens"][valid],
        steps=arrays["steps"][valid],
        cut=(arrays["flags"][valid] & 1) > 0,
        exhausted=(arrays["flags"][valid] & 2) > 0,
        failures=tuple(failures),
        programs=tuple(programs),
        failed=tuple(failed),
        complete=tuple(complete),
        notices=tuple(notices),
    )


@dataclass(slots=True)
class _ReadRun:
    failures: _Reservoir
    programs: _Reservoir
    failed: int
    complete: bool
    notices: list[Notice]


def _read_run(
    run: RunFacts,
    index: _Index,
    columns: _Columns,
    listen: Callable[[int], None] | None,
    failures: _Reservoir,
    programs: _Reservoir,
) -> _ReadRun:
    lines = SampleLines(run.path)
    problem_set = index.sets.setdefault((run.task, run.problems_sha256), len(index.sets))
    first = run.oracles[0]
    failed = strange = 0
    for line, raw in lines:
        verdict = line.verdicts.get(first)
        if verdict is None or verdict.judgement not in _CODE:
            strange += 1
            continue
        item, problem = index.of(problem_set, line.item)
        columns.add(line, item, problem)
        checksum = zlib.crc32(raw)
        programs.offer(raw, checksum)
        if verdict.judgement != "passed":
            failed += 1
            failures.offer(raw, checksum)
        if listen is not None and not columns.count % 20_000:
            listen(columns.count)
    notices = []
    if lines.torn:
        notices.append(Notice(run.label, "the last line is half-written, and does not count"))
    if lines.unreadable:
        notices.append(
            Notice(
                run.label,
                f"{lines.unreadable:,} lines are no samples and do not count; the first is line "
                f"{lines.first_unreadable}",
            )
        )
    if strange:
        notices.append(
            Notice(
                run.label, f"{strange:,} samples have no known verdict of {first}, and do not count"
            )
        )
    return _ReadRun(failures, programs, failed, lines.complete, notices)


def _truncate(columns: _Columns, count: int) -> None:
    for column in (*columns.numbers.values(), *columns.judged.values()):
        del column[count:]
    columns.count = count


def _first_of_each(run: IntArray, item: IntArray, sample: IntArray) -> tuple[BoolArray, IntArray]:
    """Which samples are the first of their run, item and number; and the first one of each."""
    if not len(run):
        return np.zeros(0, bool), np.zeros(0, np.int64)
    order = np.lexsort((sample, item, run))
    same = np.zeros(len(order), bool)
    a, b = order[1:], order[:-1]
    same[1:] = (run[a] == run[b]) & (item[a] == item[b]) & (sample[a] == sample[b])
    starts = np.maximum.accumulate(np.where(same, 0, np.arange(len(order))))
    first = np.empty(len(order), np.int64)
    # lexsort is stable, so the first in the order is the first in the file.
    first[order] = order[starts]
    return first == np.arange(len(order)), first


def _repetitions(
    run: RunFacts,
    number: int,
    runs: IntArray,
    valid: BoolArray,
    first: IntArray,
    judged: dict[str, IntArray],
) -> list[Notice]:
    again = np.flatnonzero((runs == number) & ~valid)
    if not len(again):
        return []
    differ = np.zeros(len(again), bool)
    for column in judged.values():
        differ |= column[again] != column[first[again]]
    text = f"{len(again):,} samples are there more than once; the first of each counts"
    if differ.any():
        text += f". {int(differ.sum()):,} of them have another verdict than the first"
    return [Notice(run.label, text)]


def _different_conditions(runs: Sequence[RunFacts]) -> list[Notice]:
    """Conditions that differ between runs of the same problem set."""
    found = []
    for task in dict.fromkeys(run.task for run in runs):
        same = [run for run in runs if run.task == task]
        if len({run.problems_sha256 for run in same}) > 1:
            found.append(
                Notice("", f"runs of {task} have different files of problems, and are not compared")
            )
        for oracle in dict.fromkeys(name for run in same for name in run.oracles):
            versions = {run.oracle_version(oracle) for run in same if oracle in run.oracles}
            if len(versions) > 1:
                found.append(
                    Notice(
                        "",
                        f"runs of {task} were judged by versions {', '.join(sorted(versions))} of "
                        f"the oracle {oracle}: `multiturn bench rejudge` judges them alike",
                    )
                )
    return found
