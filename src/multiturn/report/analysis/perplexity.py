"""Perplexities of prompts and references, and what they have to do with passing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from multiturn.report.records.columns import Records
from multiturn.report.records.perplexity_lines import read_perplexities
from multiturn.report.statistics.clusters import CONFIDENCE, Interval

__all__ = ["PerplexityRatio", "RunPerplexity", "perplexity_ratios", "run_perplexities"]

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
BoolArray = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPerplexity:
    """The perplexities of one run.

    Attributes:
        run: index of the run.
        part: ``prompts`` or ``references``.
        samples: how many have scores.
        perplexity: of a token, clustered by problem.
        bits_per_byte: of the text.
        passed: perplexity over the problems with a sample that passes.
        failed: over the other problems.
        ratio: `failed` divided by `passed`; above 1 the failed ones surprise the model more.
        tokens: by problem.
        nats: by problem.
    """

    run: int
    part: str
    samples: int
    perplexity: Interval
    bits_per_byte: float | None
    passed: Interval
    failed: Interval
    ratio: Interval
    tokens: FloatArray
    nats: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class PerplexityRatio:
    """Single prompts against turns: the perplexity of an arm divided by that of `turns`."""

    task: str
    model: str
    truncation: str
    arm: str
    part: str
    ratio: Interval


def run_perplexities(records: Records) -> list[RunPerplexity]:
    """The perplexities of every run that has scores."""
    found = []
    sets = {key: number for number, key in enumerate(records.problem_sets)}
    items = {(item.problem_set, item.id): item.problem for item in records.items}
    number = len(records.problems)
    for index, run in enumerate(records.runs):
        lines = read_perplexities(run.path)
        place = sets.get((run.task, run.problems_sha256))
        if lines is None or place is None:
            continue
        mine = records.run == index
        passed = records.passed(run.oracles[0])
        solved = np.bincount(records.problem[mine & (passed == 1)], minlength=number) > 0
        known = [line for line in lines if (place, line.item) in items]
        for part in ("prompts", "references"):
            # References do not depend on the sample: one of each item counts.
            chosen = known if part == "prompts" else list({one.item: one for one in known}.values())
            values = np.array([getattr(one, part) for one in chosen]).reshape(-1, 3)
            problems = np.array([items[place, one.item] for one in chosen], dtype=np.int64)
            tokens, nats, size = (
                np.bincount(problems, weights=values[:, column], minlength=number).astype(
                    np.float64
                )
                for column in range(3)
            )
            if not tokens.sum():
                continue
            every = tokens > 0
            bits = float(nats.sum() / size.sum() / math.log(2)) if size.sum() else None
            found.append(
                RunPerplexity(
                    run=index, part=part, samples=len(chosen),
                    perplexity=_perplexity(tokens, nats, every),
                    bits_per_byte=bits,
                    passed=_perplexity(tokens, nats, every & solved),
                    failed=_perplexity(tokens, nats, every & ~solved),
                    ratio=_ratio_of_groups(tokens, nats, every & ~solved, every & solved),
                    tokens=tokens, nats=nats,
                )
            )  # fmt: skip
    return found


def perplexity_ratios(records: Records, found: Sequence[RunPerplexity]) -> list[PerplexityRatio]:
    """Every arm against `turns` under the same conditions, over the problems of both."""
    ratios = []
    for one in found:
        run = records.runs[one.run]
        for other in found:
            turns = records.runs[other.run]
            same = (
                other.part == one.part and turns.arm == "turns" and run.arm != "turns"
                and (turns.problems_sha256, turns.model, turns.truncation, turns.temperature,
                turns.seed)
                == (run.problems_sha256, run.model, run.truncation, run.temperature, run.seed)
            )  # fmt: skip
            if same:
                ratio = _paired_ratio(one, other)
                ratios.append(
                    PerplexityRatio(
                        task=run.task, model=run.model, truncation=run.truncation, arm=run.arm,
                        part=one.part, ratio=ratio,
                    )
                )  # fmt: skip
    return ratios


def _log_mean(tokens: FloatArray, nats: FloatArray, among: BoolArray) -> tuple[float, FloatArray]:
    """Mean nats of a token, and by how much each problem moves it."""
    tokens, nats = np.where(among, tokens, 0), np.where(among, nats, 0)
    mean = float(nats.sum() / tokens.sum())
    return mean, (nats - mean * tokens) / tokens.sum()


def _perplexity(tokens: FloatArray, nats: FloatArray, among: BoolArray) -> Interval:
    if not among.any():
        return Interval(None, method="no problems")
    mean, moved = _log_mean(tokens, nats, among)
    return _exponential(mean, moved, int(among.sum()))


def _ratio_of_groups(
    tokens: FloatArray, nats: FloatArray, over: BoolArray, under: BoolArray
) -> Interval:
    if not over.any() or not under.any():
        return Interval(None, method="a group has no problems")
    first, moved = _log_mean(tokens, nats, over)
    second, also = _log_mean(tokens, nats, under)
    # Different problems, so one of the two is 0 for each.
    return _exponential(first - second, moved - also, min(int(over.sum()), int(under.sum())))


def _paired_ratio(one: RunPerplexity, other: RunPerplexity) -> Interval:
    shared = (one.tokens > 0) & (other.tokens > 0)
    if not shared.any():
        return Interval(None, method="no problem in common")
    first, moved = _log_mean(one.tokens, one.nats, shared)
    second, also = _log_mean(other.tokens, other.nats, shared)
    return _exponential(first - second, moved - also, int(shared.sum()))


def _exponential(mean: float, moved: FloatArray, problems: int) -> Interval:
    """The exponential of a mean, with a t interval on the logarithm, clustered by problem."""
    if problems < 2:
        return Interval(math.exp(mean), method="no interval: one problem says nothing about others")
    error = math.sqrt(problems / (problems - 1) * float(np.square(moved).sum()))
    reach = float(special.stdtrit(problems - 1, (1 + CONFIDENCE) / 2)) * error
    return Interval(
        math.exp(mean), math.exp(mean - reach), math.exp(mean + reach),
        "t on the logarithm, clustered by problem",
    )  # fmt: skip
