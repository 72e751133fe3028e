"""How often each kind of error occurs, by run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from multiturn.report.analysis.error_rules import ClassifiedError, classify
from multiturn.report.problem_texts import CaseTexts, ProblemTexts
from multiturn.report.records.columns import Records, RetainedSample

__all__ = ["ErrorCounts", "case_of", "classified_failures", "error_counts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorCounts:
    """The errors of a run."""

    run: int
    """Index of the run."""
    failed: int
    """All its failures."""
    classified: int
    """How many of them were classified: all, or a random selection."""
    kinds: dict[str, int]
    """How many of the classified ones are of each kind."""


def case_of(records: Records, sample: RetainedSample, texts: ProblemTexts) -> CaseTexts | None:
    """The texts of a sample's problem and case; None where they are not known."""
    item = sample.line.item
    return texts.get((records.runs[sample.run].problems_sha256, item.problem, item.case))


def classified_failures(
    records: Records, texts: ProblemTexts
) -> list[tuple[RetainedSample, ClassifiedError]]:
    """The retained failures with their kinds."""
    found = []
    for sample in records.failures:
        verdict = sample.verdict(records.runs[sample.run].oracles[0])
        if verdict is not None:
            found.append((sample, classify(sample.line, verdict, case_of(records, sample, texts))))
    return found


def error_counts(
    records: Records, found: list[tuple[RetainedSample, ClassifiedError]]
) -> list[ErrorCounts]:
    """The kinds of errors of every run that has failures."""
    counts: dict[int, Counter[str]] = {}
    for sample, error in found:
        counts.setdefault(sample.run, Counter())[error.kind] += 1
    return [
        ErrorCounts(
            run=run, failed=records.failed[run], classified=sum(kinds.values()), kinds=dict(kinds)
        )
        for run, kinds in sorted(counts.items())
    ]
