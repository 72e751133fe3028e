"""Verbatim overlaps of texts with documents."""

from __future__ import annotations

from difflib import SequenceMatcher

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiturn.core.errors import InputError
from multiturn.data.decontamination.overlaps import OverlapSearch
from multiturn.data.documents.record import Document


def document(text: str, path: str = "a.py") -> Document:
    return Document(content=text.encode(), source="src", path=path, licence="MIT")


def longest(texts: list[str], documents: list[str], min_tokens: int = 4) -> list[int]:
    search = OverlapSearch(texts, min_tokens)
    for number, text in enumerate(documents):
        search.add(document(text, f"{number}.py"))
    return [0 if found is None else found.tokens for found in search.longest]


def test_the_longest_overlap_and_its_source() -> None:
    search = OverlapSearch(["x = 1\nfor i in range(9):\n    total += i\nprint(x)"], 4)
    search.add(document("for i in range(9): pass", "short.py"))
    search.add(document("y = 2\nfor i in range(9):\n\ttotal  += i\nreturn", "long.py"))
    (found,) = search.longest
    assert found is not None
    assert found.text == "for i in range(9):\n    total += i"
    assert (found.tokens, found.document, found.licence) == (12, "src:long.py", "MIT")
    assert len(found.sha256) == 64


def test_case_and_signs_count_and_space_does_not() -> None:
    assert longest(["a + b * c"], ["a+b*c"]) == [5]
    assert longest(["a + b * c"], ["A + b * c"]) == [4]
    assert longest(["a + b * c"], ["a - b * c"]) == [0]


def test_equal_texts_share_their_find() -> None:
    assert longest(["a b c d", "a b c d", "e"], ["a b c d"]) == [4, 4, 0]


def test_repeated_tokens_take_no_quadratic_time() -> None:
    numbers = "[" + "0, " * 5000 + "1]"
    assert longest([numbers], [numbers, "0, " * 3000]) == [10_003]


@pytest.mark.parametrize("text", ["", " ", "a", "\ud800 a b c", "é è ê ë"])
def test_odd_texts(text: str) -> None:
    found = longest([text, text], [text.encode("utf-8", "replace").decode(), ""], 2)
    assert found[0] == found[1]


def test_a_length_without_meaning_is_refused() -> None:
    with pytest.raises(InputError):
        OverlapSearch(["a"], 1)


WORDS = st.lists(st.sampled_from("abc"), max_size=30)


@given(st.lists(WORDS, min_size=1, max_size=3), st.lists(WORDS, max_size=3))
def test_it_is_the_longest_common_run(texts: list[list[str]], documents: list[list[str]]) -> None:
    def expected(text: list[str]) -> int:
        sizes = [
            SequenceMatcher(None, text, other, autojunk=False).find_longest_match().size
            for other in documents
        ]
        return size if (size := max(sizes, default=0)) >= 3 else 0

    found = longest([" ".join(each) for each in texts], [" ".join(each) for each in documents], 3)
    assert found == [expected(text) for text in texts]
