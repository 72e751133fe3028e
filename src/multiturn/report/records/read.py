"""Reads the samples of many runs, in one pass.

A line is read, a number is added to each column, and the line is dropped. Of each run a random
selection of lines is retained, for what needs the programs: kinds of errors, unsafe calls, pages.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from multiturn.core.errors import InputError
from multiturn.report.records.columns import (
    ABSENT,
    JUDGEMENTS,
    BoolArray,
    IntArray,
    Notice,
    Records,
    RetainedSample,
)
from multiturn.report.records.condition_notices import condition_notices
from multiturn.report.records.growing_columns import (
    CUT,
    EXHAUSTED,
    GrowingColumns,
    Index,
    LineSelection,
)
from multiturn.report.records.run_facts import (
    RunFacts,
    directories_without_record,
    find_run_directories,
    read_run_facts,
)
from multiturn.report.records.sample_lines import SampleLines, full_line

__all__ = ["read_records"]


def read_records(
    places: Sequence[Path],
    *,
    max_failures: int = 8_000,
    max_programs: int = 2_000,
    listen: Callable[[int], None] | None = None,
) -> Records:
    """Read all runs in and below some places.

    A run that cannot be read, and a copy of another, is left out with a notice. Lines that are no
    samples, half-written lines and repeated samples do not count, with a notice.

    Args:
        places: runs, or directories of runs.
        max_failures: how many failed samples retain their texts, over all runs.
        max_programs: likewise for samples of any kind.
        listen: receives the number of samples so far, now and then.

    Raises:
        InputError: there is no run that can be read.
        StorageError: a file cannot be read.
    """
    notices = [
        Notice(str(path), "left out: it has samples, but no record of a run (run.json)")
        for path in directories_without_record(places)
    ]
    facts: list[RunFacts] = []
    for path in find_run_directories(places):
        try:
            facts.append(read_run_facts(path))
        except InputError as error:
            notices.append(Notice(str(path), f"left out: {error}"))
    facts.sort(
        key=lambda each: (each.task, each.model, each.arm, each.truncation, each.label, each.path)
    )
    index, columns = Index(), GrowingColumns()
    read: list[_ReadRun] = []
    for run in facts:
        before = columns.count
        try:
            one = _read_run(
                run, index, columns, listen,
                LineSelection(max(20, max_failures // len(facts))),
                LineSelection(max(5, max_programs // len(facts))),
            )  # fmt: skip
        except InputError as error:
            columns.truncate(before)
            notices.append(Notice(run.label, f"left out: {error}"))
            continue
        original = next((other for other in read if one.is_copy_of(other)), None)
        if original is not None:
            columns.truncate(before)
            notices.append(Notice(str(run.path), f"left out: a copy of {original.run.path}"))
            continue
        read.append(one)
    if not read:
        raise InputError("no run can be read", got=notices[0].text if notices else None)
    for one, run in zip(read, _with_unique_labels([each.run for each in read]), strict=True):
        one.run = run
    return _records(index, columns, read, notices)


@dataclass(slots=True, kw_only=True)
class _ReadRun:
    """A run whose lines are in the columns."""

    run: RunFacts
    lines: SampleLines
    count: int
    """Of its lines in the columns."""
    checksum: int
    """Of these lines, in any order."""
    strange: int
    """Lines without a known verdict."""
    failures: LineSelection
    programs: LineSelection

    def is_copy_of(self, other: _ReadRun) -> bool:
        """Whether both have the same samples under the same conditions."""
        return (
            self.count > 0
            and (self.count, self.checksum) == (other.count, other.checksum)
            and self.run.conditions == other.run.conditions
        )


def _read_run(
    run: RunFacts,
    index: Index,
    columns: GrowingColumns,
    listen: Callable[[int], None] | None,
    failures: LineSelection,
    programs: LineSelection,
) -> _ReadRun:
    lines = SampleLines(run.path)
    problem_set = index.sets.setdefault((run.task, run.problems_sha256), len(index.sets))
    first = run.oracles[0]
    count = total = strange = 0
    for line, raw in lines:
        verdict = line.verdicts.get(first)
        if verdict is None or verdict.judgement not in JUDGEMENTS:
            strange += 1
            continue
        checksum = zlib.crc32(raw)
        programs.offer(raw, checksum, columns.count)
        if verdict.judgement != "passed":
            failures.offer(raw, checksum, columns.count)
        item, problem = index.of(problem_set, line.item)
        columns.add(line, item, problem)
        count, total = count + 1, total + checksum
        if listen is not None and not columns.count % 20_000:
            listen(columns.count)
    return _ReadRun(
        run=run, lines=lines, count=count, checksum=total, strange=strange, failures=failures,
        programs=programs,
    )  # fmt: skip


def _records(
    index: Index, columns: GrowingColumns, read: Sequence[_ReadRun], notices: list[Notice]
) -> Records:
    numbers, judged = columns.numbers(), columns.judged()
    run_numbers = np.repeat(np.arange(len(read)), [each.count for each in read])
    first = _first_of_each(run_numbers, numbers["item"], numbers["sample"])
    valid = first == np.arange(len(first))

    def retained(selection: LineSelection, number: int) -> list[RetainedSample]:
        found = []
        for place, line in selection.lines():
            with contextlib.suppress(ValueError):  # it counts, but has no readable program
                if valid[place]:
                    problem = int(numbers["problem"][place])
                    found.append(RetainedSample(number, problem, full_line(line)))
        return found

    nothing = np.full(len(first), ABSENT)
    failures: list[RetainedSample] = []
    programs: list[RetainedSample] = []
    failed, complete = [], []
    for number, each in enumerate(read):
        mine = run_numbers == number
        verdicts = judged.get(each.run.oracles[0], nothing)[mine & valid]
        failures += retained(each.failures, number)
        programs += retained(each.programs, number)
        failed.append(int((verdicts != 0).sum()))
        complete.append(each.lines.complete and len(verdicts) == each.run.expected)
        notices += _line_notices(each)
        notices += _repetition_notices(each.run, np.flatnonzero(mine & ~valid), first, judged)
        notices += _count_notices(each.run, verdicts, each.lines)
    notices += condition_notices([each.run for each in read])
    return Records(
        runs=tuple(each.run for each in read),
        problem_sets=tuple(index.sets),
        problems=tuple(index.problems),
        items=tuple(index.items),
        run=run_numbers[valid],
        item=numbers["item"][valid],
        problem=numbers["problem"][valid],
        sample=numbers["sample"][valid],
        judgements={name: column[valid] for name, column in judged.items()},
        prompt_tokens=numbers["prompt_tokens"][valid],
        new_tokens=numbers["new_tokens"][valid],
        steps=numbers["steps"][valid],
        cut=(numbers["flags"][valid] & CUT) > 0,
        exhausted=(numbers["flags"][valid] & EXHAUSTED) > 0,
        failures=tuple(failures),
        programs=tuple(programs),
        failed=tuple(failed),
        complete=tuple(complete),
        notices=tuple(notices),
    )


def _with_unique_labels(runs: Sequence[RunFacts]) -> list[RunFacts]:
    """Runs whose labels would be the same get their directories into them."""
    by_label: dict[str, list[Path]] = {}
    for run in runs:
        by_label.setdefault(run.label, []).append(run.path)
    found = []
    for run in runs:
        paths = by_label[run.label]
        if len(paths) > 1:
            common = os.path.commonpath([path.parent for path in paths])
            run = replace(run, mark=run.path.relative_to(common).as_posix())
        found.append(run)
    return found


def _first_of_each(run: IntArray, item: IntArray, sample: IntArray) -> IntArray:
    """The place of the first sample with the same run, item and number, for each sample."""
    if not len(run):
        return np.zeros(0, np.int64)
    order = np.lexsort((sample, item, run))
    same: BoolArray = np.zeros(len(order), bool)
    a, b = order[1:], order[:-1]
    same[1:] = (run[a] == run[b]) & (item[a] == item[b]) & (sample[a] == sample[b])
    starts = np.maximum.accumulate(np.where(same, 0, np.arange(len(order))))
    first = np.empty(len(order), np.int64)
    # lexsort is stable, so the first in the order is the first in the file.
    first[order] = order[starts]
    return first


def _line_notices(each: _ReadRun) -> list[Notice]:
    lines, label = each.lines, each.run.label
    found = []
    if lines.torn:
        found.append(Notice(label, "the last line is half-written, and does not count"))
    if lines.unreadable:
        found.append(
            Notice(
                label,
                f"{lines.unreadable:,} lines are no samples and do not count; the first is line "
                f"{lines.first_unreadable}",
            )
        )
    if each.strange:
        oracle = each.run.oracles[0]
        found.append(
            Notice(
                label,
                f"{each.strange:,} samples have no known verdict of {oracle}, and do not count",
            )
        )
    return found


def _repetition_notices(
    run: RunFacts, again: IntArray, first: IntArray, judged: dict[str, IntArray]
) -> list[Notice]:
    if not len(again):
        return []
    differ = np.zeros(len(again), bool)
    for column in judged.values():
        differ |= column[again] != column[first[again]]
    text = f"{len(again):,} samples are there more than once; the first of each counts"
    if differ.any():
        text += f". {int(differ.sum()):,} of them have another verdict than the first"
    return [Notice(run.label, text)]


def _count_notices(run: RunFacts, verdicts: IntArray, lines: SampleLines) -> list[Notice]:
    found = []
    there = len(verdicts)
    share = f"{there:,} of {run.expected:,} samples"
    if not there:
        text = "no samples: it has no figures"
        if lines.file is None and lines.others:
            text += f"; {', '.join(lines.others)} cannot be read"
        found.append(Notice(run.label, text))
    elif there < run.expected:
        text = f"incomplete: {share} are there; its figures are of these alone"
        found.append(Notice(run.label, text))
    elif there > run.expected:
        text = f"{there:,} samples are there, but its record says {run.expected:,}; all count"
        found.append(Notice(run.label, text))
    undecided = int((verdicts == JUDGEMENTS.index("undecided")).sum())
    if undecided:
        found.append(
            Notice(run.label, f"{undecided:,} samples are undecided, and count as not passed")
        )
    return found
