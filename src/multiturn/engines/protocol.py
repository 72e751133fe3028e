"""The `Engine` protocol: generates text after a prompt.

A request asks for `n` continuations of one prompt. The answer is a stream of events with one
`Completion` for each of them at the end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from threading import Event as Flag
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Protocol, Self, runtime_checkable

from multiturn.core.errors import InputError
from multiturn.engines.sampling_parameters import check_logit_bias, check_sampling
from multiturn.text.truncation import KeepAll, StopRule

if TYPE_CHECKING:
    from multiturn.text.tokenizers import Tokenizer

__all__ = [
    "ENGINES",
    "Completion",
    "Delta",
    "Engine",
    "EngineInfo",
    "EngineName",
    "Event",
    "Feature",
    "FinishReason",
    "Request",
    "Score",
    "Scorer",
    "Timings",
    "TokenLogprob",
    "TokenizerOwner",
    "UNKNOWN_TOKEN",
    "generate",
]

EngineName = Literal["auto", "native", "llama.cpp", "jax"]
"""``native`` is this project's own engine for CPUs, ``jax`` its engine for accelerators.

``auto`` is jax where there is an accelerator. Otherwise it is native where its kernels run and read
the model's files; or else llama.cpp for GGUF files, where it is installed; or else jax."""

ENGINES: tuple[EngineName, ...] = ("auto", "native", "llama.cpp", "jax")
"""The values of `EngineName`."""

UNKNOWN_TOKEN = -1
"""Stands in `Completion.tokens` for a token whose id is not known; see `EngineInfo.token_ids`."""


Feature = Literal["prompt_tokens", "top_logprobs", "prompt_logprobs", "logit_bias"]
"""A field of `Request` that not every engine supports; see `EngineInfo.features`."""


class FinishReason(Enum):
    """Why a continuation ended."""

    END_OF_TEXT = "end_of_text"
    """The model ended it."""
    STOP = "stop"
    """The stop rule cut it."""
    LENGTH = "length"
    """It reached `max_tokens`."""
    CANCELLED = "cancelled"
    """The caller cancelled it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A prompt and its sampling parameters.

    Attributes:
        prompt: text. The engine tokenizes it and adds a start token only if the model's format
            has one.
        n: how many continuations.
        temperature: 0 is greedy.
        first_temperature: the temperature of continuation 0, so that one request gives a likely
            text and others that vary; None where it is that of the others.
        top_p: the nucleus; 1 is off.
        top_k: 0 is off.
        max_tokens: new tokens of each continuation, at most.
        stop: decides where the text ends; applied as text arrives, so decoding stops there.
        seed: continuation i is sampled with ``seed + i``; the same request to the same
            engine gives the same text.
        logprobs: whether completions carry the log-probability of each token.
        parse_special: whether special tokens in the prompt are parsed, as a rendered chat
            template needs.
        session: requests of the same session share their cached prefix.
        prompt_tokens: the prompt as token ids, in place of `prompt`, which is then empty. Nothing
            is added to them.
        top_logprobs: with `logprobs`, of how many of the most likely tokens at each place the
            log-probabilities are reported too.
        prompt_logprobs: whether the completion of continuation 0 has the log-probabilities of the
            prompt's tokens. The prompt is then prefilled without the prefix cache.
        logit_bias: (token, value) pairs; each value is added to the token's logit before
            sampling. Reported log-probabilities are those of the model without it.

    Raises:
        InputError: a sampling parameter is out of range, or there are two prompts.
    """

    prompt: str
    n: int = 1
    temperature: float = 0.2
    first_temperature: float | None = None
    top_p: float = 0.95
    top_k: int = 0
    max_tokens: int = 256
    stop: StopRule = field(default_factory=KeepAll)
    seed: int = 0
    logprobs: bool = False
    parse_special: bool = False
    session: str | None = None
    prompt_tokens: tuple[int, ...] | None = None
    top_logprobs: int = 0
    prompt_logprobs: bool = False
    logit_bias: tuple[tuple[int, float], ...] = ()

    def __post_init__(self) -> None:
        check_sampling(self)
        check_logit_bias(self.logit_bias)
        if self.prompt and self.prompt_tokens is not None:
            raise InputError("the prompt is given as text and as tokens", fix="give one of them")

    @property
    def features(self) -> frozenset[Feature]:
        """What it needs that not every engine supports."""
        used: dict[Feature, bool] = {
            "prompt_tokens": self.prompt_tokens is not None,
            "top_logprobs": self.logprobs and self.top_logprobs > 0,
            "prompt_logprobs": self.prompt_logprobs,
            "logit_bias": bool(self.logit_bias),
        }
        return frozenset(name for name, needed in used.items() if needed)

    def temperature_of(self, index: int) -> float:
        """The temperature of continuation `index`, from 0."""
        if index == 0 and self.first_temperature is not None:
            return self.first_temperature
        return self.temperature


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds, from the engine's own clock."""

    to_first_token: float
    """From submitting the request, prefill included."""
    total: float
    """From submitting the request to its last token."""


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """The log-probability of one token."""

    token: int
    """Its id."""
    logprob: float
    """Natural, before temperature and top-p; NaN where it is unknown, as for a first token."""
    top: tuple[tuple[int, float], ...] = ()
    """The most likely tokens at its place with theirs, best first."""


@dataclass(frozen=True, slots=True)
class Delta:
    """New text of continuation `index`, in complete characters.

    Text that the stop rule may still cut is held back, so the deltas of a continuation always
    join to the `text` of its `Completion`.
    """

    index: int
    """Of the continuation, from 0."""
    text: str
    """The new text."""
    tokens: tuple[TokenLogprob, ...] = ()
    """The tokens that begin in it, if the request asks for log-probabilities and the engine knows
    them as it generates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One finished continuation."""

    index: int
    """Which continuation of the request, from 0."""
    text: str
    """The text up to the cut of the stop rule."""
    raw_text: str
    """All decoded text."""
    cut_by: str | None
    """What the stop rule cut at; None where it cut nothing."""
    finish_reason: FinishReason
    """Why it ended."""
    tokens: tuple[int, ...]
    """Ids of all decoded tokens, those after the cut included."""
    logprobs: tuple[float, ...] | None
    """Natural log-probability of each of `tokens`, before temperature and top-p. NaN where a server
    reported none for a token; None where they were not requested, or none was reported."""
    text_tokens: int
    """How many of `tokens` cover `text`."""
    prompt_tokens: int
    """Tokens of the prompt."""
    cached_tokens: int
    """How many prompt tokens needed no prefill."""
    timings: Timings
    """Seconds to the first token and in total."""
    top_logprobs: tuple[tuple[tuple[int, float], ...], ...] | None = None
    """The most likely tokens at the place of each of `tokens`; None where not requested."""
    prompt_logprobs: tuple[TokenLogprob, ...] | None = None
    """Of the prompt's tokens, in continuation 0, where they were requested."""

    @property
    def mean_logprob(self) -> float | None:
        """Mean over the tokens of `text` whose log-probability is known; None where none is."""
        reported = self.logprobs[: self.text_tokens] if self.logprobs is not None else ()
        known = [value for value in reported if math.isfinite(value)]
        return sum(known) / len(known) if known else None


Event = Delta | Completion


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """What results record about the engine."""

    engine: str
    """Kind and version, e.g. ``llama_cpp xllamacpp 2026.10.11549``."""
    model: str
    """The model's name."""
    weights_sha256: str | None
    """The hash of the weights; None if it is not known."""
    context_window: int
    """Tokens of prompt and continuation together, at most."""
    chat_template: str | None
    """The model's own Jinja template, where it has one."""
    bos_token: str = ""
    """Text of the token that begins a text, for the chat template."""
    eos_token: str = ""
    """Text of the token that ends a text, for the chat template."""
    slots: int = 1
    """How many continuations it generates at once; further requests wait."""
    exact_counts: bool = True
    """Whether `count_tokens` is exact; otherwise it is an upper bound."""
    token_ids: bool = True
    """Whether completions have the ids of their tokens. If not, each is `UNKNOWN_TOKEN`, and their
    number is the server's count, or after a cut the number of pieces that arrived, which is at
    most the number of decoded tokens."""
    kernels: str = ""
    """What computes, where that changes no text: ``int4 avx2``. Records do not compare it."""
    features: frozenset[Feature] = frozenset()
    """What it supports beyond the usual; it refuses a request that needs others."""


@runtime_checkable
class Engine(Protocol):
    """Generates continuations. Implementations are thread-safe."""

    @property
    def info(self) -> EngineInfo:
        """What is loaded."""
        ...

    def count_tokens(self, text: str, *, parse_special: bool = False) -> int:
        """The number of tokens of `text` as a prompt."""
        ...

    def stream(self, request: Request, *, cancel: Flag | None = None) -> Iterator[Event]:
        """Generate the continuations of a request, event by event.

        Continuation i is sampled at ``request.temperature_of(i)``, with the seed ``seed + i``.
        An engine that cannot generate all of them at once generates those of lower index first.
        Deltas of different continuations come in any order; each continuation ends with exactly
        one `Completion`. Setting `cancel`, or closing the iterator, stops decoding soon. After
        `cancel` the completions still come, with `FinishReason.CANCELLED`.

        Raises:
            ContextOverflowError: prompt and `max_tokens` do not fit `info.context_window`.
                Raised before decoding starts; a prompt is never truncated silently.
            InputError: the request needs a feature that the engine lacks.
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


@runtime_checkable
class TokenizerOwner(Protocol):
    """An engine that tokenizes in this process."""

    @property
    def tokenizer(self) -> Tokenizer:
        """Of the model; any thread may use it."""
        ...


@dataclass(frozen=True, slots=True)
class Score:
    """The log-probabilities of a text."""

    tokens: tuple[int, ...]
    """Of the text."""
    logprobs: tuple[float, ...]
    """Natural log-probability of each of `tokens` given those before it; NaN for a first token
    without context."""


@runtime_checkable
class Scorer(Protocol):
    """Scores a given text; some engines can."""

    def score(self, text: str, *, given: str = "") -> Score:
        """The log-probabilities of `text` after `given`, which are tokenized separately.

        Raises:
            ContextOverflowError: both together do not fit the window.
            EngineError: the engine failed.
        """
        ...


def generate(engine: Engine, request: Request) -> tuple[Completion, ...]:
    """Generate the completions of a request without streaming.

    Args:
        engine: generates them.
        request: the prompt and its sampling parameters.

    Returns:
        one completion for each of the `n` continuations, by index.

    Raises:
        ContextOverflowError: prompt and `max_tokens` do not fit the context window.
        EngineError: the engine failed.
    """
    found = [event for event in engine.stream(request) if isinstance(event, Completion)]
    return tuple(sorted(found, key=lambda completion: completion.index))
