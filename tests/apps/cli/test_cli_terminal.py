"""Nothing that a model or a program wrote may steer the terminal."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from multiturn.apps.cli.terminal import neutralize, one_line


def test_escape_sequences_become_visible_signs() -> None:
    shown = neutralize("\x1b]0;owned\x07\x1b[2J\x9b31m\r\b\x7f")
    assert shown == "␛]0;owned␇␛[2J\\u009b31m␍␈␡"


def test_characters_that_reorder_or_hide_code_become_visible() -> None:
    assert neutralize("if a\u202e\u2066: x\u200b") == "if a\\u202e\\u2066: x\\u200b"


def test_what_people_write_stays() -> None:
    text = "print('häßlich 日本語 👩\u200d👩\u200d👧')\n\tx = 1\n"
    assert neutralize(text) == text


def test_half_of_a_surrogate_pair_can_be_written_afterwards() -> None:
    assert neutralize("a\ud800b").encode("utf-8")


@given(st.text())
def test_no_control_character_is_left(text: str) -> None:
    for character in neutralize(text):
        assert character in "\n\t\u200c\u200d" or unicodedata.category(character) not in (
            "Cc",
            "Cf",
            "Cs",
            "Zl",
            "Zp",
        )


@given(st.text(), st.integers(0, 50))
def test_a_stream_gives_the_same_text_as_its_parts(text: str, place: int) -> None:
    assert neutralize(text[:place]) + neutralize(text[place:]) == neutralize(text)


@given(st.text(), st.integers(2, 40))
def test_one_line_is_one_line_and_short(text: str, most: int) -> None:
    # An escape such as \u202e counts as the characters it is shown with.
    line = one_line(text, max_length=most)
    assert "\n" not in line
    assert len(line) <= most
