"""Ranges of parameters, and that every door checks sampling against the one table."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from multiturn.apps.cli.settings import Settings
from multiturn.benchmarks.runner.config import SampleSettings
from multiturn.core.errors import InputError
from multiturn.core.ranges import Range, check_ranges
from multiturn.engines.protocol import Request
from multiturn.engines.sampling_parameters import SAMPLING_RANGES
from multiturn.synthesis.records import Sampling


@pytest.mark.parametrize(
    ("allowed", "inside", "outside"),
    [
        (Range(1, 64), (1, 64), (0, 65, math.nan)),
        (Range(0, 1, above=True), (1e-9, 1), (0, 1.5, math.nan)),
        (Range(64), (64, 2**40), (63, math.nan)),
    ],
)
def test_both_bounds_are_included(
    allowed: Range, inside: tuple[float, ...], outside: tuple[float, ...]
) -> None:
    assert all(value in allowed for value in inside)
    assert not any(value in allowed for value in outside)


def test_a_value_that_is_not_set_passes_and_the_message_names_the_other() -> None:
    @dataclass
    class Record:
        one: int | None
        two: int

    with pytest.raises(InputError, match="the setting two is out of range: got 0; allowed: 1 to 3"):
        check_ranges(Record(None, 0), {"one": Range(1), "two": Range(1, 3)}, what="the setting ")


@pytest.mark.parametrize("made", [lambda **k: Request(prompt="x", **k), Sampling, SampleSettings,
                                  Settings])  # fmt: skip
@pytest.mark.parametrize(
    ("name", "value"),
    [("n", 0), ("temperature", 10.5), ("temperature", math.nan), ("top_p", 0.0), ("top_p", 1.1),
     ("seed", -1), ("seed", 2**31)],
)  # fmt: skip
def test_every_door_refuses_what_no_engine_takes(
    made: Callable[..., object], name: str, value: float
) -> None:
    assert value not in SAMPLING_RANGES[name]
    with pytest.raises(InputError, match=rf"{name} is out of range"):
        made(**{name: value})
