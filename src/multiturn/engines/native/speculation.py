"""Decides how many drafted tokens a step verifies: as many as pay, and none where none does.

A step with k more tokens takes longer, and yields as many tokens more as the drafts agree with what
is sampled. Both are measured while the engine runs: the seconds of steps by their number of tokens,
and how often predictions come true, by how many came true in a row before.
"""

from __future__ import annotations

from collections.abc import Sequence

from multiturn.engines.native.prompt_lookup import PromptLookup

__all__ = ["MAX_DRAFT", "MAX_ROWS", "Acceptance", "StepCost", "draft_sizes"]

MAX_DRAFT = 16
"""Drafted tokens of one sequence in a step, at most."""

MAX_ROWS = 4
"""With more sequences than these a step has enough tokens to be bound by computation."""

_MIN_GAIN = 1.05
"""How much faster a step must promise to be: estimates have errors."""

_RUN_BOUNDS = (1, 2, 4, 8, 16, 32)
_PRIOR_RATES = (0.35, 0.6, 0.75, 0.85, 0.9, 0.95, 0.97)
_PRIOR_WEIGHT = 4.0
_MEMORY = 0.98

_PRIOR_SLOPE = 0.08
"""What a further token costs, as a part of a step with one, before it was measured."""
_FRESH_STEPS = 2000
"""Steps after which a measurement is forgotten."""
_CHECKED_EVERY = 256
_SMOOTHING = 0.25


class Acceptance:
    """How often the next token is as predicted, given how many were in a row before it.

    Older observations weigh less, so that the rates follow the kind of text.
    """

    def __init__(self) -> None:
        self._right = [rate * _PRIOR_WEIGHT for rate in _PRIOR_RATES]
        self._seen = [_PRIOR_WEIGHT] * len(_PRIOR_RATES)

    def observe(self, run: int, correct: bool) -> None:
        """Count one prediction after `run` correct ones in a row."""
        group = _group(run)
        self._right[group] = self._right[group] * _MEMORY + correct
        self._seen[group] = self._seen[group] * _MEMORY + 1

    def rate(self, run: int) -> float:
        """The probability that a prediction after `run` correct ones is correct."""
        group = _group(run)
        return self._right[group] / self._seen[group]

    def expected(self, run: int, count: int) -> list[float]:
        """How many of the first 1, 2 ... `count` drafted tokens agree, on average."""
        agreed, total, found = 1.0, 0.0, []
        for place in range(count):
            agreed *= self.rate(run + place)
            total += agreed
            found.append(total)
        return found


def _group(run: int) -> int:
    for group, bound in enumerate(_RUN_BOUNDS):
        if run < bound:
            return group
    return len(_RUN_BOUNDS)


class StepCost:
    """Seconds of a step by its number of tokens."""

    def __init__(self) -> None:
        self._seconds: dict[int, tuple[float, int]] = {}
        self._steps = 0

    def observe(self, tokens: int, seconds: float) -> None:
        """Count one step."""
        self._steps += 1
        known = self._seconds.get(tokens)
        if known is not None:
            # Bounded, because another process may have interrupted this step.
            mean = known[0]
            seconds = mean + _SMOOTHING * (min(seconds, 2 * mean) - mean)
        self._seconds[tokens] = (seconds, self._steps)
        if self._steps % _CHECKED_EVERY == 0:
            oldest = self._steps - _FRESH_STEPS
            self._seconds = {
                count: (mean, step)
                for count, (mean, step) in self._seconds.items()
                if step > oldest
            }

    def seconds(self, tokens: int) -> float | None:
        """The estimate for a number of tokens; None where no step with fewer was measured."""
        known = self._seconds
        if tokens in known:
            return known[tokens][0]
        below = max((count for count in known if count < tokens), default=None)
        above = min((count for count in known if count > tokens), default=None)
        if below is None:
            return None
        low = known[below][0]
        if above is None:
            first = min(known)
            return low + (tokens - below) * _PRIOR_SLOPE * known[first][0] / first
        return low + (tokens - below) / (above - below) * (known[above][0] - low)


def draft_sizes(
    lookups: Sequence[PromptLookup | None],
    limits: Sequence[int],
    acceptance: Acceptance,
    cost: StepCost,
) -> list[int]:
    """How many drafted tokens each sequence of a step should verify; often 0.

    Args:
        lookups: of the sequences, each of which computes one token anyway.
        limits: for each sequence.
        acceptance: of predictions.
        cost: of steps.
    """
    sizes = [0] * len(lookups)
    rows = len(lookups)
    usual = cost.seconds(rows) if rows <= MAX_ROWS else None
    if usual is None:
        return sizes
    tokens, agreed, best = rows, 0.0, rows / usual * _MIN_GAIN
    for row, lookup in enumerate(lookups):
        if lookup is None or not lookup.has_draft:
            continue
        expected = acceptance.expected(lookup.run, min(limits[row], MAX_DRAFT))
        chosen = 0.0
        for size, more in enumerate(expected, start=1):
            seconds = cost.seconds(tokens + size)
            if seconds is not None and (rows + agreed + more) / seconds > best:
                best, sizes[row], chosen = (rows + agreed + more) / seconds, size, more
        tokens, agreed = tokens + sizes[row], agreed + chosen
    return sizes
