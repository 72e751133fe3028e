"""In which turn failures start: the first whose variables differ from those of the reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from multiturn.report.records.columns import Records
from multiturn.report.records.variable_lines import NO_TURNS, VariableLine, read_variables

__all__ = [
    "FirstTurns",
    "VariableRecords",
    "first_turns",
    "read_variable_records",
    "runs_without_variables",
]

VariableRecords = Mapping[int, Mapping[tuple[str, int], VariableLine]]
"""By run: the first difference of each of its samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstTurns:
    """Where the failures of a run start.

    Attributes:
        run: index of the run.
        failed: all its failures.
        examined: failures with a record.
        turns: how many of these start in each turn, from 0.
        reasons: how many have each reason.
        passed: samples that passed, with a record.
        passed_differing: how many of these have a variable that differs: a check of the measure.
    """

    run: int
    failed: int
    examined: int
    turns: Mapping[int, int]
    reasons: Mapping[str, int]
    passed: int
    passed_differing: int


def read_variable_records(records: Records) -> VariableRecords:
    """The first differences of all runs that have them.

    Raises:
        StorageError: a file cannot be read.
    """
    found = {}
    for number, run in enumerate(records.runs):
        lines = read_variables(run.path)
        if lines is not None:
            found[number] = lines
    return found


def first_turns(records: Records, variables: VariableRecords) -> list[FirstTurns]:
    """The distribution of the first differing turn, for each run that has records."""
    found = []
    sets = {key: number for number, key in enumerate(records.problem_sets)}
    items = {(item.problem_set, item.id): number for number, item in enumerate(records.items)}
    for number, lines in variables.items():
        run = records.runs[number]
        # A run with records has samples, and so a problem set.
        place = sets.get((run.task, run.problems_sha256), -1)
        mine = records.run == number
        verdicts = dict(
            zip(
                zip(records.item[mine].tolist(), records.sample[mine].tolist(), strict=True),
                records.passed(run.oracles[0])[mine].tolist(),
                strict=True,
            )
        )
        turns, reasons = Counter[int](), Counter[str]()
        passed = differing = 0
        for (item, sample), line in lines.items():
            verdict = verdicts.get((items.get((place, item), -1), sample))
            if verdict == 1:
                passed += 1
                differing += line.turn is not None
            elif verdict == 0:
                reasons[line.reason] += 1
                if line.turn is not None:
                    turns[line.turn] += 1
        if reasons or passed:
            found.append(
                FirstTurns(
                    run=number, failed=records.failed[number], examined=sum(reasons.values()),
                    turns=dict(turns), reasons=dict(reasons), passed=passed,
                    passed_differing=differing,
                )
            )  # fmt: skip
    return found


def runs_without_variables(records: Records, variables: VariableRecords) -> tuple[int, list[str]]:
    """How many runs could have records of variables and have none; and the arms that cannot."""
    missing, without = 0, []
    for number, run in enumerate(records.runs):
        if run.arm in NO_TURNS:
            without.append(run.arm)
        elif number not in variables:
            missing += 1
    return missing, sorted(set(without))
