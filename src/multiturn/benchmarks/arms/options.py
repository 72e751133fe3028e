"""What can be varied in the arms that write programs with the loop of `synth`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args, get_type_hints

from multiturn.core.errors import InputError, UnknownNameError
from multiturn.core.records import read_record, to_plain
from multiturn.synthesis.defaults import CANDIDATES, RETRIES
from multiturn.synthesis.strategy import Strategy

__all__ = ["LoopOptions", "label_of", "read_options", "with_options"]

Examples = Literal["none", "answer", "turns"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopOptions:
    """The settings of a session that a benchmark varies. Part of the record of a run.

    The temperature of the first candidate and the nucleus are those of the run.
    """

    style: Literal["auto", "comment", "chat"] = "auto"
    """How the model is prompted."""
    n: int = CANDIDATES
    """Candidates per turn."""
    other_temperature: float | None = None
    """Of all candidates but the first; None for the default of a session."""
    max_tokens: int | None = None
    """New tokens of a candidate at most; None for the maximum of the problem."""
    retries: int = RETRIES
    """How often a turn is written again when all its candidates fail."""
    examples: Examples = "none"
    """What the loop is given to choose and repair by, as an upper bound: nothing, the expected
    answer of the last turn, or that and the values that the reference leaves after each turn."""
    strategy: Strategy = field(default_factory=Strategy)
    """How candidates are written and chosen."""

    def __post_init__(self) -> None:
        if not 1 <= self.n <= 1000:
            raise InputError("n is out of range", got=self.n, allowed="1 to 1000")
        if self.max_tokens is not None and not 1 <= self.max_tokens <= 100_000:
            raise InputError(
                "max_tokens is out of range", got=self.max_tokens, allowed="1 to 100,000"
            )
        if not 0 <= self.retries <= 10:
            raise InputError("retries is out of range", got=self.retries, allowed="0 to 10")
        if self.other_temperature is not None and not 0 <= self.other_temperature <= 10:
            raise InputError(
                "other_temperature is out of range", got=self.other_temperature, allowed="0 to 10"
            )


def read_options(text: str) -> Mapping[str, object]:
    """The options in ``NAME=VALUE,NAME=VALUE``, which stand for those of `LoopOptions` and of its
    strategy.

    Raises:
        UnknownNameError: there is no such option.
        InputError: a value is not allowed.

    Example:
        >>> read_options("n=4,choose=output")
        {'n': 4, 'choose': 'output'}
    """
    found: dict[str, object] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals:
            raise InputError("an option of an arm has no value", got=part, fix=f"{name}=VALUE")
        if name not in _TYPES:
            raise UnknownNameError("option of an arm", name, _TYPES)
        found[name] = _value(name, value.strip())
    with_options(LoopOptions(), found)
    return found


def with_options(options: LoopOptions, changes: Mapping[str, object]) -> LoopOptions:
    """The options with some changed.

    Raises:
        InputError: a value is not allowed.
    """
    plain = to_plain(options)
    for name, value in changes.items():
        (plain["strategy"] if name in _STRATEGY else plain)[name] = value
    return read_record(plain, LoopOptions, where="--with")


def label_of(options: LoopOptions, base: LoopOptions) -> str:
    """The options that differ from `base`, for the name of a directory; empty if none does.

    Example:
        >>> label_of(LoopOptions(n=4, retries=2), LoopOptions())
        'n=4,retries=2'
    """
    plain, other = _flat(options), _flat(base)
    return ",".join(
        f"{name}={_text(value)}" for name, value in plain.items() if other[name] != value
    )


def _flat(options: LoopOptions) -> dict[str, object]:
    plain = to_plain(options)
    return {**{k: v for k, v in plain.items() if k != "strategy"}, **plain["strategy"]}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value}"


_STRATEGY = {each.name for each in dataclasses.fields(Strategy)}
_TYPES = {
    **{k: v for k, v in get_type_hints(LoopOptions).items() if k != "strategy"},
    **get_type_hints(Strategy),
}


def _value(name: str, text: str) -> object:
    kinds = get_args(_TYPES[name]) or (_TYPES[name],)
    if bool in kinds:
        if text not in ("true", "false"):
            raise InputError(f"the option {name} is true or false", got=text)
        return text == "true"
    if int in kinds:
        if not text.isdecimal():
            raise InputError(f"the option {name} is a whole number", got=text)
        return int(text)
    if float in kinds:
        try:
            return float(text)
        except ValueError as error:
            raise InputError(f"the option {name} is a number", got=text) from error
    return text
