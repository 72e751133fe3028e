"""Packing loses and invents no token."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from multiturn.data.packing.rows import pack_rows

END = 60_000


@given(
    st.lists(st.integers(1, 200), min_size=1, max_size=40),
    st.integers(2, 33),
    st.integers(1, 33),
)
def test_every_token_is_in_a_row_once_or_in_a_short_remainder(lengths, length, min_remainder):
    min_remainder = min(min_remainder, length)
    tokens = np.arange(sum(lengths), dtype=np.uint16)  # each token is unlike all others
    packed = pack_rows(
        tokens, np.array(lengths), length=length, min_remainder=min_remainder, padding=END
    )
    assert packed.rows.shape[1:] == (length,)
    # What is not padding is there once, and only short remainders are missing.
    there = packed.rows[packed.rows != END]
    assert len(np.unique(there)) == len(there)
    starts = np.cumsum(lengths) - lengths
    dropped = [
        token
        for start, size in zip(starts.tolist(), lengths, strict=True)
        if size % length < min_remainder
        for token in range(start + size - size % length, start + size)
    ]
    assert sorted([*there.tolist(), *dropped]) == tokens.tolist()
    assert packed.dropped == len(dropped)
    # Filling stands at the end of the last row alone.
    flat = packed.rows.reshape(-1)
    assert (flat[: len(there)] != END).all()
    assert len(flat) - len(there) < length
    # Every span says where its tokens came from, and spans cover all that is not padding.
    assert int(packed.spans["length"].sum()) == len(there)
    for span in packed.spans:
        row = packed.rows[span["row"]]
        found = row[span["begin"] : span["begin"] + span["length"]]
        first = starts[span["document"]] + int(span["offset"])
        assert found.tolist() == list(range(first, first + int(span["length"])))


def test_a_long_document_fills_rows_of_its_own_and_tails_follow_each_other():
    packed = pack_rows(
        np.arange(21, dtype=np.uint16), np.array([10, 2, 9]), length=4, min_remainder=2, padding=END
    )
    assert packed.rows.tolist() == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [12, 13, 14, 15],
        [16, 17, 18, 19],
        [8, 9, 10, 11],
    ]
    assert (packed.dropped, packed.dropped_remainders) == (1, 1)
