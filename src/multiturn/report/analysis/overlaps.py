"""Verbatim overlap of generated code with a training corpus.

Searched for are the texts that models wrote, without prompts and headers. The reference solutions
of the problems, which were written for this project, show what overlaps by chance.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from multiturn.report.problem_texts import ProblemTexts
from multiturn.report.records.columns import Records, RetainedSample
from multiturn.report.statistics.clusters import Interval, cluster_totals, clustered_interval

if TYPE_CHECKING:
    from multiturn.data.decontamination.overlaps import Overlap

__all__ = ["MIN_TOKENS", "FoundOverlap", "OverlapFindings", "OverlapRates", "find_overlaps"]

MIN_TOKENS = 16
"""Of an overlap that is shown; shorter ones are idioms of the language."""

MIN_NAMES = 5
"""Different names in it: rows of numbers are no copies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlapRates:
    """The overlaps of one model's programs."""

    model: str
    """The model; empty for the reference solutions."""
    programs: int
    """How many were searched for."""
    long: Interval
    """Share of programs with an overlap of at least the threshold, clustered by problem."""
    longest: int
    """Tokens of the longest overlap; 0 if none has `MIN_TOKENS`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundOverlap:
    """One overlap, with its source."""

    model: str
    item: str
    tokens: int
    text: str
    document: str
    licence: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlapFindings:
    """What a search has found.

    Attributes:
        threshold: tokens from which an overlap counts in the rates.
        documents: how many were searched.
        bytes: of the documents.
        rates: by model; that of the reference solutions is last, where they are known.
        longest: the longest overlaps, one of each text of a model.
    """

    threshold: int
    documents: int
    bytes: int
    rates: tuple[OverlapRates, ...]
    longest: tuple[FoundOverlap, ...]


def find_overlaps(
    records: Records,
    corpus: Path,
    texts: ProblemTexts,
    *,
    threshold: int,
    shown: int = 30,
    listen: Callable[[int], None] = lambda _documents: None,
) -> OverlapFindings:
    """Search a corpus for the programs that the records retained.

    Args:
        records: of the runs.
        corpus: the directory of a build; the documents of its last stage are searched.
        texts: of the problems, for the reference solutions.
        threshold: tokens from which an overlap counts, at least `MIN_TOKENS`.
        shown: at most how many overlaps are shown.
        listen: receives the number of documents so far, now and then.

    Raises:
        StoreError: the directory is no corpus, or a file of it is broken.
    """
    from multiturn.data.build.query import DocumentQuery, find_documents
    from multiturn.data.decontamination.overlaps import OverlapSearch

    written = [_written(sample) for sample in records.programs]
    references = {
        (problem, case): list(found.references)
        for (_, problem, case), found in texts.items()
        if found.references
    }
    groups = [*written, *references.values()]
    search = OverlapSearch(
        [text for group in groups for text in group], MIN_TOKENS, min_names=MIN_NAMES
    )
    documents = size = 0
    for document in find_documents(corpus, DocumentQuery()):
        search.add(document)
        documents, size = documents + 1, size + len(document.content)
        if not documents % 1000:
            listen(documents)
    left = iter(search.longest)
    best = [_longest(list(itertools.islice(left, len(group)))) for group in groups]
    lengths = np.array([0 if found is None else found.tokens for found in best])
    rates = _rates_by_model(records, lengths[: len(written)], threshold)
    if references:
        problems = {
            name: number for number, name in enumerate(dict.fromkeys(p for p, _ in references))
        }
        place = np.array([problems[problem] for problem, _ in references], dtype=np.int64)
        rates.append(_rates("", place, lengths[len(written) :], len(problems), threshold))
    longest: dict[tuple[str, str], FoundOverlap] = {}
    for sample, found in zip(records.programs, best, strict=False):
        if found is not None:
            model = records.runs[sample.run].model
            one = FoundOverlap(
                model=model, item=sample.line.item.id, tokens=found.tokens, text=found.text,
                document=found.document, licence=found.licence, sha256=found.sha256,
            )  # fmt: skip
            longest.setdefault((model, found.text), one)
    ordered = sorted(longest.values(), key=lambda one: (-one.tokens, one.model, one.item))
    return OverlapFindings(
        threshold=threshold, documents=documents, bytes=size, rates=tuple(rates),
        longest=tuple(ordered[:shown]),
    )  # fmt: skip


def _longest(found: list[Overlap | None]) -> Overlap | None:
    there = [each for each in found if each is not None]
    return max(there, key=lambda each: each.tokens, default=None)


def _written(sample: RetainedSample) -> list[str]:
    """The texts of a program that the model wrote."""
    return [step.text for step in sample.line.steps if step.chosen is not False]


def _rates_by_model(
    records: Records, lengths: np.ndarray[Any, Any], threshold: int
) -> list[OverlapRates]:
    models: dict[str, list[int]] = {}
    for number, sample in enumerate(records.programs):
        models.setdefault(records.runs[sample.run].model, []).append(number)
    rates = []
    for model, numbers in sorted(models.items()):
        problems = np.array([records.programs[number].problem for number in numbers], np.int64)
        rates.append(_rates(model, problems, lengths[numbers], len(records.problems), threshold))
    return rates


def _rates(
    model: str,
    problems: np.ndarray[Any, Any],
    lengths: np.ndarray[Any, Any],
    number: int,
    threshold: int,
) -> OverlapRates:
    long = (lengths >= threshold).astype(np.float64)
    return OverlapRates(
        model=model, programs=len(lengths),
        long=clustered_interval(cluster_totals(problems, long, number)),
        longest=int(lengths.max(initial=0)),
    )  # fmt: skip
