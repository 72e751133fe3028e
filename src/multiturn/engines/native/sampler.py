"""From final states to tokens: sampling, and the log-probabilities of given tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from multiturn.engines.native.model import Array, Model
from multiturn.engines.native.step_row import StepRow
from multiturn.engines.protocol import TokenLogprob

__all__ = ["Sampler"]

_LOGITS_AT_ONCE = 64
"""Rows of logits in memory: a row has a megabyte where the vocabulary is large."""

_Bias = tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class _Place:
    """A place at which a token is sampled."""

    temperature: float
    top_p: float
    top_k: int
    uniform: float
    logprobs: bool
    top: int
    bias: _Bias


class Sampler:
    """Samples and scores tokens with a model. Belongs to the scheduler's thread.

    Args:
        model: computes logits and samples from them.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._logits: Array | None = None

    def free(self) -> None:
        """Free the memory of the logits."""
        self._logits = None

    def sample(self, rows: Sequence[StepRow], hidden: Array) -> list[list[TokenLogprob]]:
        """The tokens sampled for each row, with their log-probabilities where requested.

        Args:
            rows: which sample.
            hidden: the states at which they sample, in their order.
        """
        places = [place for row in rows for place in _places(row)]
        sampled: list[TokenLogprob] = []
        for start in range(0, len(places), _LOGITS_AT_ONCE):
            part = slice(start, start + _LOGITS_AT_ONCE)
            sampled += self._sample(places[part], self._unembed(hidden[part]))
        found, end = [], 0
        for row in rows:
            end += row.samples
            found.append(sampled[end - row.samples : end])
        return found

    def score(self, hidden: Array, following: Sequence[int], *, top: int = 0) -> list[TokenLogprob]:
        """The log-probabilities of given tokens.

        Args:
            hidden: the states before the tokens.
            following: the tokens.
            top: how many of the most likely ones at each place are reported too.
        """
        found: list[TokenLogprob] = []
        for start in range(0, len(hidden), _LOGITS_AT_ONCE):
            part = slice(start, start + _LOGITS_AT_ONCE)
            logits = self._unembed(hidden[part])
            norms = self._normalizers(logits)
            for row, token, norm in zip(logits, following[part], norms, strict=True):
                found.append(_token_logprob(row, token, float(norm), top))
        return found

    def _sample(self, places: list[_Place], logits: Array) -> list[TokenLogprob]:
        """Sample at some places, whose logits are changed where there is a bias."""
        unbiased: dict[int, Array] = {}
        for number, place in enumerate(places):
            if place.bias:
                if place.logprobs:
                    unbiased[number] = logits[number].copy()
                # A token may be named twice; a sum with `+=` would count it once.
                biased, values = zip(*place.bias, strict=True)
                np.add.at(logits[number], np.array(biased), np.array(values, np.float32))
        tokens, logprobs = self._model.sample(
            logits,
            temperature=[place.temperature for place in places],
            top_p=[place.top_p for place in places],
            top_k=[place.top_k for place in places],
            uniforms=[place.uniform for place in places],
            want_logprobs=[place.logprobs for place in places],
        )
        found = []
        for number, (place, token, logprob) in enumerate(
            zip(places, tokens.tolist(), logprobs.tolist(), strict=True)
        ):
            if number in unbiased:
                row = unbiased[number]
                norm = float(self._normalizers(row[None])[0])
                found.append(_token_logprob(row, token, norm, place.top))
            elif place.logprobs and place.top:
                row = logits[number]
                found.append(_token_logprob(row, token, float(row[token]) - logprob, place.top))
            else:
                found.append(TokenLogprob(token, logprob))
        return found

    def _normalizers(self, logits: Array) -> Array:
        """The logarithm of the sum of the exponentials of each row, float64 [W]."""
        rows = len(logits)
        best, logprobs = self._model.sample(
            logits,
            temperature=[0.0] * rows,
            top_p=[1.0] * rows,
            top_k=[0] * rows,
            uniforms=[0.0] * rows,
            want_logprobs=[True] * rows,
        )
        highest: Array = logits[np.arange(rows), best].astype(np.float64)
        return highest - logprobs.astype(np.float64)

    def _unembed(self, hidden: Array) -> Array:
        """Logits, in memory that the next call reuses: fresh memory would cost page faults."""
        if self._logits is None or len(self._logits) < len(hidden):
            self._logits = self._model.unembed(hidden)
            return self._logits
        return self._model.unembed(hidden, self._logits[: len(hidden)])


def _places(row: StepRow) -> list[_Place]:
    sequence, request, count = row.sequence, row.sequence.pending.request, row.samples
    # The position of the next token is the number of tokens before it.
    position = sequence.cache.length - count + 1
    temperature = sequence.temperature
    uniforms = sequence.uniforms(position, count) if temperature > 0 else [0.0] * count
    return [
        _Place(
            temperature=temperature,
            top_p=request.top_p,
            top_k=request.top_k,
            uniform=uniform,
            logprobs=request.logprobs,
            top=request.top_logprobs,
            bias=request.logit_bias,
        )
        for uniform in uniforms
    ]


def _token_logprob(logits: Array, token: int, norm: float, top: int) -> TokenLogprob:
    """The log-probability of a token, and those of the most likely ones, by the same rule.

    Readers compare them for equality to see whether the token is the most likely one.
    """
    logprob = float(logits[token]) - norm
    if top == 0:
        return TokenLogprob(token, logprob)
    top = min(top, len(logits))
    best = np.argpartition(logits, len(logits) - top)[len(logits) - top :]
    # The smaller id comes first among equals, as in greedy sampling.
    ordered = best[np.lexsort((best, -logits[best]))]
    return TokenLogprob(
        token, logprob, tuple((int(each), float(logits[each]) - norm) for each in ordered)
    )
