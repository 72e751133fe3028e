"""The `Engine` protocol: what writes text after a prompt.

A request asks for `n` continuations of one prompt; the answer is a stream of events that
ends with one `Completion` for each of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from threading import Event as Flag
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from multiturn.engines.sampling_parameters import check_sampling
from multiturn.text.truncation import KeepAll, StopRule

__all__ = [
    "Completion",
    "Delta",
    "Engine",
    "EngineInfo",
    "Event",
    "FinishReason",
    "Request",
    "Score",
    "Scorer",
    "Timings",
    "UNKNOWN_TOKEN",
    "generate",
]

UNKNOWN_TOKEN = -1
"""Stands in `Completion.tokens` for a token whose id is not known; see `EngineInfo.token_ids`."""


class FinishReason(Enum):
    """Why a continuation ended."""

    END_OF_TEXT = "end_of_text"
    STOP = "stop"
    """The stop rule cut it."""
    LENGTH = "length"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to write, and how to sample it.

    Attributes:
        prompt: text, tokenized by the engine with no start token added beyond what the
            model's own format wants; special tokens in it are parsed as such only when
            `parse_special` is set (a rendered chat template needs it).
        n: how many continuations.
        temperature: 0 is greedy.
        top_p: nucleus; 1 is off.
        top_k: 0 is off.
        max_tokens: most new tokens for each continuation.
        stop: the rule that says where the text ends; checked as text arrives, so that
            nothing is decoded past it.
        seed: continuation i is sampled with ``seed + i``; the same request to the same
            engine gives the same text.
        logprobs: whether completions carry the log-probability of each token.
        session: requests that name the same session share their cached prefix.
    """

    prompt: str
    n: int = 1
    temperature: float = 0.2
    top_p: float = 0.95
    top_k: int = 0
    max_tokens: int = 256
    stop: StopRule = field(default_factory=KeepAll)
    seed: int = 0
    logprobs: bool = False
    parse_special: bool = False
    session: str | None = None

    def __post_init__(self) -> None:
        check_sampling(self)


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds, from the engine's own clock."""

    to_first_token: float
    """From handing in the request; reading the prompt included."""
    total: float


@dataclass(frozen=True, slots=True)
class Delta:
    """Text that was just written to continuation `index`. Always whole characters.

    Text that might still turn out to lie beyond a stop is held back, so the deltas of a
    continuation always join to the `text` of its `Completion`.
    """

    index: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One finished continuation."""

    index: int
    text: str
    """After the stop rule."""
    raw_text: str
    """All that was decoded before decoding stopped."""
    cut_by: str | None
    """What the stop rule says it cut at; None where nothing was cut."""
    finish_reason: FinishReason
    tokens: tuple[int, ...]
    """Ids of all tokens decoded, those past the cut included."""
    logprobs: tuple[float, ...] | None
    """Natural log-probability (of the model, before temperature and top-p) of each of `tokens`;
    NaN for one that a server did not tell, None where they were not asked for or it told none."""
    text_tokens: int
    """How many of `tokens` it takes to cover `text`."""
    prompt_tokens: int
    cached_tokens: int
    """How many of the prompt's tokens were not read again."""
    timings: Timings

    @property
    def mean_logprob(self) -> float | None:
        """Mean log-probability of those tokens of `text` whose own is known; None where none is."""
        told = self.logprobs[: self.text_tokens] if self.logprobs is not None else ()
        known = [value for value in told if math.isfinite(value)]
        return sum(known) / len(known) if known else None


Event = Delta | Completion


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """What a result must record about the engine that wrote it."""

    engine: str
    """Kind and version, e.g. ``llama_cpp xllamacpp 2026.10.11549``."""
    model: str
    weights_sha256: str | None
    context_window: int
    """Most tokens of prompt and continuation together."""
    chat_template: str | None
    """The model's own Jinja template, where it has one."""
    bos_token: str = ""
    eos_token: str = ""
    slots: int = 1
    """How many continuations it writes side by side; more requests at once wait their turn."""
    exact_counts: bool = True
    """Whether `count_tokens` is exact; where not, it is never too small."""
    token_ids: bool = True
    """Whether completions tell the ids of their tokens. Where not, each is `UNKNOWN_TOKEN`, and
    their number is what the server counted, or if it was cut short of that, the number of pieces
    that arrived: at most the tokens decoded."""


@runtime_checkable
class Engine(Protocol):
    """Writes continuations. Implementations may be used from several threads at once."""

    @property
    def info(self) -> EngineInfo:
        """What is loaded."""
        ...

    def count_tokens(self, text: str, *, parse_special: bool = False) -> int:
        """How many tokens `text` takes as a prompt."""
        ...

    def stream(self, request: Request, *, cancel: Flag | None = None) -> Iterator[Event]:
        """Write the continuations of a request, event by event.

        Deltas of different continuations may come in any order; each continuation ends with
        exactly one `Completion`. Setting `cancel`, or closing the iterator, stops decoding
        soon; with `cancel` the completions still come, with `FinishReason.CANCELLED`.

        Raises:
            ContextOverflowError: prompt and `max_tokens` do not fit `info.context_window`.
                Raised before anything is decoded; nothing is ever cut silently.
            EngineError: the engine failed.
        """
        ...

    def close(self) -> None:
        """Free the model. Safe to call twice."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Score:
    """How likely a model finds a text."""

    tokens: tuple[int, ...]
    """Of the text."""
    logprobs: tuple[float, ...]
    """Natural log-probability of each of `tokens` after what stands before it; NaN for the
    first where nothing does."""


@runtime_checkable
class Scorer(Protocol):
    """Tells how likely a model finds a given text; some engines do."""

    def score(self, text: str, *, given: str = "") -> Score:
        """How likely `text` is after `given`. The two are tokenized apart.

        Raises:
            ContextOverflowError: both together do not fit the window.
            EngineError: the engine failed.
        """
        ...


def generate(engine: Engine, request: Request) -> tuple[Completion, ...]:
    """The completions of a request, by index, without the events on the way."""
    found = [event for event in engine.stream(request) if isinstance(event, Completion)]
    return tuple(sorted(found, key=lambda completion: completion.index))
