"""Stop rules: monotone, and the published one as its source states it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiturn.core.errors import InputError
from multiturn.text.truncation import (
    AnyOf,
    FenceEnd,
    KeepAll,
    PublishedRule,
    StopRule,
    StopStrings,
)

PIECES = [
    "print", "def", "pri", "#", "'''", '"""', "''", "\n", "\n\n", " ", "x", "(1)", "é", "😀",
    "<|endoftext|>", "<|endof", "text|>", "```", "``", "`", "ab", "abc", "b",
]  # fmt: skip

texts = st.lists(st.sampled_from(PIECES), max_size=24).map("".join)
simple_rules = st.one_of(
    st.just(KeepAll()),
    st.just(PublishedRule()),
    st.just(PublishedRule(end_of_text="b")),
    st.just(FenceEnd()),
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=3).map(lambda s: StopStrings(tuple(s))),
)
rules = st.one_of(
    simple_rules, st.lists(simple_rules, min_size=1, max_size=3).map(lambda r: AnyOf(tuple(r)))
)


@given(rules, texts, texts)
def test_a_cut_never_moves_as_text_grows(rule: StopRule, text: str, more: str) -> None:
    cut = rule.find(text)
    if cut is not None:
        assert rule.find(text + more) == cut


@given(rules, texts)
def test_what_is_not_held_back_is_never_cut(rule: StopRule, text: str) -> None:
    """While no cut is found, characters before the lookahead are safe to show."""
    cut = rule.find(text)
    if cut is None:
        return
    uncut = max(size for size in range(len(text)) if rule.find(text[:size]) is None)
    assert cut.position >= uncut - rule.lookahead


def published(completion: str) -> str:
    """The published sampler's three steps, one after another, each on what the last one left."""
    prints = list(re.finditer("^print", completion, re.MULTILINE))
    if len(prints) > 1:
        completion = completion[: prints[1].start()]
    defs = list(re.finditer("^def", completion, re.MULTILINE))
    if len(defs) > 1:
        completion = completion[: defs[1].start()]
    terminals = [
        re.compile(pattern, re.MULTILINE)
        for pattern in ("^#", re.escape("<|endoftext|>"), "^'''", '^"""', "\n\n\n")
    ]
    found = [match.start() for terminal in terminals if (match := terminal.search(completion, 0))]
    return completion[: min(found)] if found else completion


@given(texts)
def test_the_published_rule_is_the_three_steps(text: str) -> None:
    cut = PublishedRule().find(text)
    assert (text if cut is None else text[: cut.position]) == published(text)


def test_a_rule_that_would_cut_everything_is_refused() -> None:
    with pytest.raises(InputError):
        StopStrings(("END", ""))
    with pytest.raises(InputError):
        PublishedRule(end_of_text="")
