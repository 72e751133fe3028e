"""A continuation as it grows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from multiturn.engines.continuation import Continuation
from multiturn.engines.protocol import FinishReason, Timings
from multiturn.text.truncation import PublishedRule, StopStrings

TEXT = st.lists(
    st.sampled_from(
        ["print(1)\n", "def f():\n", "x", "\n", "#", " ", "é", "漢", "😀", "END", "EN"]
    ),
    max_size=20,
).map("".join)


def finish(writing: Continuation, reason: FinishReason = FinishReason.LENGTH):
    return writing.completion(
        reason, prompt_tokens=1, cached_tokens=0, timings=Timings(0, 0), logprobs=True
    )


@given(TEXT, st.lists(st.integers(1, 7), min_size=1), st.sampled_from(["published", "strings"]))
def test_any_tokens_give_the_same_text(text: str, sizes: list[int], name: str) -> None:
    rule = PublishedRule() if name == "published" else StopStrings(("END",))
    data, pieces = text.encode(), []
    while data:
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(data[:size])
        data = data[size:]
    writing = Continuation(0, rule)
    deltas = [writing.add(number, piece, -1.0) for number, piece in enumerate(pieces)]
    deltas.append(writing.finish())
    done = finish(writing)
    cut = rule.find(text)
    assert done.text == (text if cut is None else text[: cut.position])
    assert "".join(deltas) == done.text
    assert done.raw_text == text
    assert done.finish_reason is (FinishReason.STOP if cut else FinishReason.LENGTH)
    size = len(done.text.encode())
    assert len(b"".join(pieces[: done.text_tokens])) >= size
    assert done.text_tokens == 0 or len(b"".join(pieces[: done.text_tokens - 1])) < size


def test_a_character_that_never_ends_becomes_one_replacement() -> None:
    writing = Continuation(0, StopStrings(("END",)))
    assert writing.add(0, "😀".encode()[:3]) == ""
    assert writing.finish() == "\N{REPLACEMENT CHARACTER}"


def test_tokens_without_text_are_not_needed_for_the_text() -> None:
    writing = Continuation(0, StopStrings(("END",)))
    writing.add(5, b"abc", -1.0)
    writing.add(2, b"", -3.0)
    writing.finish()
    done = finish(writing, FinishReason.END_OF_TEXT)
    assert (done.tokens, done.text_tokens, done.mean_logprob) == ((5, 2), 1, -1.0)
