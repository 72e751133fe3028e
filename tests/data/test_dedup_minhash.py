"""Tokens by array operations, MinHash against its formula, and the join of pairs."""

import random
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiturn.core.errors import InputError
from multiturn.data.dedup.clusters import join_pairs
from multiturn.data.dedup.minhash import MinHash
from multiturn.data.dedup.shingles import shingles_of, tokens_of

TOKEN = re.compile(rb"[A-Za-z0-9_\x80-\xff]+|[^A-Za-z0-9_\x80-\xff \t\n\r\f\v\0]")

texts = st.text(alphabet=st.sampled_from("ab_9 \n\t().é汉\0\"'"), max_size=200).map(
    lambda text: text.encode()
)


@given(texts)
def test_tokens_are_those_of_a_regular_expression(content):
    found = tokens_of(content)
    expected = [match.span() for match in TOKEN.finditer(content)]
    assert list(zip(found.begins.tolist(), found.ends.tolist(), strict=True)) == expected


@given(st.lists(texts, min_size=2, max_size=4))
def test_equal_tokens_have_equal_hashes_wherever_they_stand(pieces):
    content = b"\n".join(pieces)
    found = tokens_of(content)
    by_text = {}
    for begin, end, hashed in zip(
        found.begins.tolist(), found.ends.tolist(), found.hashes.tolist(), strict=True
    ):
        assert by_text.setdefault(content[begin:end], hashed) == hashed
    assert len(set(by_text.values())) == len(by_text)


def test_hashes_far_into_a_long_text_are_those_at_its_beginning():
    word = b"needle"
    far = b"x " * 100_000 + word
    assert tokens_of(far).hashes[-1] == tokens_of(word).hashes[0]


def test_folding_takes_capitals_for_small_letters_and_nothing_else():
    folded = tokens_of(b"Word wORD w0rd", fold=True).hashes
    assert folded[0] == folded[1] != folded[2]
    plain = tokens_of(b"Word wORD").hashes
    assert plain[0] != plain[1]


def test_the_order_of_tokens_counts():
    hashes = tokens_of(b"a b c a c b").hashes
    assert shingles_of(hashes[:3], 3)[0] != shingles_of(hashes[3:], 3)[0]
    assert len(shingles_of(hashes, 7)) == 0


@pytest.mark.parametrize("similarity", [0.3, 0.6, 0.7, 0.8, 0.95])
def test_pairs_of_a_similarity_are_found_at_the_stated_rate(similarity):
    """400 pairs of texts whose sets of runs have exactly this Jaccard similarity."""
    settings = MinHash(shingle=1, min_tokens=1)
    rng = random.Random(7)
    trials, size = 400, 300
    found = 0
    for _ in range(trials):
        common = round(2 * size * similarity / (1 + similarity))
        words = [b"w%x" % rng.getrandbits(60) for _ in range(2 * size - common)]
        left = b" ".join(words[:size])
        right = b" ".join(words[:common] + words[size:])
        found += bool((settings.bands_of(left) == settings.bands_of(right)).any())
    real = common / (2 * size - common)
    expected = settings.probability(real)
    spread = (expected * (1 - expected) / trials) ** 0.5
    assert abs(found / trials - expected) <= 4 * spread + 0.01


def test_short_texts_are_near_to_none():
    assert len(MinHash().bands_of(b"import os\n")) == 0
    assert len(MinHash().bands_of(b"")) == 0


def test_settings_out_of_range_are_refused():
    with pytest.raises(InputError, match="bands"):
        MinHash(bands=0)


@given(
    st.integers(2, 60).flatmap(
        lambda count: st.tuples(
            st.just(count),
            st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=80),
        )
    )
)
def test_clusters_are_those_of_plain_union_find(case):
    count, pairs = case
    plain = list(range(count))

    def root(place):
        while plain[place] != place:
            place = plain[place]
        return place

    for left, right in pairs:
        low, high = sorted((root(left), root(right)))
        plain[high] = low
    parents = np.arange(count)
    if pairs:
        half = len(pairs) // 2
        for block in (pairs[:half], pairs[half:]):
            join_pairs(parents, np.array(block, np.int64).reshape(-1, 2))
    found = []
    for place in range(count):
        while parents[place] != place:
            place = parents[place]
        found.append(int(place))
    assert found == [root(place) for place in range(count)]
