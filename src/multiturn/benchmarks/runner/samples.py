"""One sample of a run, as one line of JSON.

A line contains nothing that depends on the clock or on other work: the file has the same bytes
if the run was interrupted or scheduled differently. Timings go to another file; see
`multiturn.benchmarks.runner.directory`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from multiturn.benchmarks.solver import Generation, Solution
from multiturn.benchmarks.task import Item
from multiturn.core.errors import InputError
from multiturn.core.records import read_record, to_plain
from multiturn.sandbox.oracles.verdicts import Verdict

__all__ = ["SampleKey", "Sample", "read_sample", "sample_of", "to_line", "without_addresses"]

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")


@dataclass(frozen=True, slots=True, order=True)
class SampleKey:
    """Identifies a sample within a run."""

    item: str
    sample: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One program that a model wrote for one item, with the verdicts of the oracles."""

    item: Item
    """What it is a sample of."""
    sample: int
    """Which of the item's samples, from 0."""
    verdicts: Mapping[str, Verdict]
    """By the name of the oracle."""
    steps: tuple[Generation, ...]
    """The generations, in order."""
    program: str
    """The judged program."""

    @property
    def key(self) -> SampleKey:
        """Its identity within the run."""
        return SampleKey(self.item.id, self.sample)


def sample_of(
    item: Item, sample: int, solution: Solution, verdicts: Mapping[str, Verdict]
) -> Sample:
    """The record of a sample.

    Addresses of objects in messages (``<A object at 0x7f...>``) become ``0x...``, because they
    differ each time the same program runs.
    """
    return Sample(
        item=item,
        sample=sample,
        verdicts={name: _without_addresses(verdict) for name, verdict in verdicts.items()},
        steps=solution.steps,
        program=solution.program,
    )


def without_addresses(text: str) -> str:
    """A message without the addresses of objects, which differ each time the same program runs."""
    return _ADDRESS.sub("0x...", text)


def _without_addresses(verdict: Verdict) -> Verdict:
    outcome = verdict.outcome
    if outcome is not None and outcome.error is not None:
        outcome = replace(outcome, error=without_addresses(outcome.error))
    difference = verdict.difference
    if difference is not None:
        difference = without_addresses(difference)
    return replace(verdict, difference=difference, outcome=outcome)


def to_line(sample: Sample) -> str:
    """The sample as one line with its line break; the same bytes every time."""
    # ASCII can represent a lone surrogate that a model wrote or a program printed.
    return json.dumps(to_plain(sample), ensure_ascii=True, allow_nan=False) + "\n"


def read_sample(line: str | bytes, *, where: str) -> Sample:
    """Read what `to_line` wrote.

    Raises:
        InputError: the line is not a sample; the message begins with `where`.
    """
    try:
        data = json.loads(line)
    except ValueError as error:
        raise InputError(f"{where} is no JSON: {error}") from error
    return read_record(data, Sample, where=where)
