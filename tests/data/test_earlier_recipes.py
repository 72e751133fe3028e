"""Recipes and corpora of an earlier version: the former names of settings, the same fingerprints.

A changed fingerprint would build corpora anew that an earlier version has begun or finished.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from multiturn.data.build.fingerprint import describe, fingerprint
from multiturn.data.build.source import Part
from multiturn.data.dedup.minhash import MinHash
from multiturn.data.dedup.stage import Deduplicate
from multiturn.data.filters.generated import Generated
from multiturn.data.filters.harmful import Harmful
from multiturn.data.filters.lines import LineStatistics
from multiturn.data.filters.redact import Redact
from multiturn.data.filters.text import ValidText
from multiturn.data.packing.fim import FillInTheMiddle
from multiturn.data.packing.stage import Pack
from multiturn.data.packing.vocabulary import NewTokenizer
from multiturn.data.sources.directory import Directory
from multiturn.data.sources.file_filter import FileFilter
from multiturn.data.sources.json_lines import JsonLines, Pile

# The settings under their former names, those now, and the fingerprint that 0.1.0 gave.
CASES = [
    (
        ValidText,
        {"least_bytes": 40, "most_bytes": 1 << 20},
        {"min_bytes": 40, "max_bytes": 1 << 20},
        "c2a7ab10027f01147da7658eed78a9c19b0588cc1262eb5d2057538fde133066",
    ),
    (
        LineStatistics,
        {"most_average": 90, "most_longest": 900, "most_digits": 0.8},
        {"max_average": 90, "max_longest": 900, "max_digits": 0.8},
        "aecbef583db6915be3712f00371feee699f321fc37c52ecc79faeb9f462efe46",
    ),
    (
        Generated,
        {"least_white": 0.05},
        {"min_whitespace": 0.05},
        "66b26a87fa281eaca42f5d899378e244b15cba1fd7dd0e88ad0046b18f5d22ad",
    ),
    (
        Harmful,
        {"most": 2, "most_of": {"slurs": 0}},
        {"max_count": 2, "max_by_category": {"slurs": 0}},
        "adb81fdb5743ef30a6407f198a89040a73cf2105fd021969295eef6293d6b0ce",
    ),
    (
        Redact,
        {"least_disorder": 2.9, "most": 50},
        {"min_entropy": 2.9, "max_redactions": 50},
        "4286d1af2cc4426ed18b73fde433b1f4f9f3e01d83eea29c051cd1fdc5c0b27d",
    ),
    (
        MinHash,
        {"run": 4, "least_tokens": 12},
        {"shingle": 4, "min_tokens": 12},
        "fbf9c897f64fa2196f730f5bb71881cb54e062b64f7940a346f8936036f2a292",
    ),
    (
        Pack,
        {"least_tail": 8, "fill": FillInTheMiddle(), "tokenizer": NewTokenizer()},
        {"min_remainder": 8, "fill": FillInTheMiddle(), "tokenizer": NewTokenizer()},
        "0d916ac6ded08609373ec34bcfe231de55c267cbc83f7790e63f896644b39238",
    ),
    (
        JsonLines,
        {"paths": ("a",), "most_line_bytes": 7},
        {"paths": ("a",), "max_line_bytes": 7},
        "08d0fb9976274d70698b2be8097581e3b3bf98c610fc6811c91f82efe95875cf",
    ),
    (
        Pile,
        {"paths": ("a",), "most_line_bytes": 7},
        {"paths": ("a",), "max_line_bytes": 7},
        "115e42a28d70860618d01e5dc9c270d944f4a68b0957b68822ad00021ce17f57",
    ),
]


@pytest.mark.parametrize(
    ("kind", "former", "now", "expected"), CASES, ids=[case[0].__name__ for case in CASES]
)
def test_former_names_of_settings(kind, former, now, expected) -> None:  # type: ignore[no-untyped-def]
    assert kind(**former) == kind(**now)
    assert fingerprint(kind(**now)) == expected
    assert set(describe(kind(**now))) >= {"kind", *former}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Part("x", {"a": 1}), "8afc9916b054929dfb6114b52a3bd10cf3bea27cf56b54f9dd1b0a71dbd510a0"),
        (Deduplicate(), "76a3f5666d16bb85d895226a8f1aef616e1cf6771e492bc866a9fc57a895c02f"),
        (
            Directory(path=Path("a"), wanted=FileFilter(max_bytes=5)),
            "721c414add09acefac06ff40db11907ac720a19e7b2293f7b9e9c961b6f8527b",
        ),
    ],
)
def test_classes_that_moved_keep_their_fingerprints(value: object, expected: str) -> None:
    assert fingerprint(value) == expected


def test_a_setting_cannot_have_both_names() -> None:
    with pytest.raises(TypeError, match="least_bytes"):
        ValidText(min_bytes=1, least_bytes=2)  # type: ignore[call-arg]
