"""Tokens of documents packed into rows of one length, as in the paper.

Each document is cut into rows. The remainder at its end is dropped where it is shorter than 64
tokens; else it is concatenated with the remainders of other documents and cut into rows again. The
last of these rows is padded with the end of text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["SPAN", "Packed", "pack_rows"]

Numbers = np.ndarray[Any, Any]

SPAN = np.dtype(
    [
        ("row", "<u4"),
        ("begin", "<u4"),
        ("length", "<u4"),
        ("document", "<u4"),
        ("offset", "<u8"),
    ]
)
"""A span of a row that comes from one document: where it begins in the row, its length in tokens,
the number of the document in the shard, and its offset in the tokens of the document."""


@dataclass(frozen=True, slots=True)
class Packed:
    """Rows and their spans.

    Attributes:
        rows: [n, length], of the dtype of the tokens.
        spans: of `SPAN`, in the order of row and begin; tokens without a span are padding.
        dropped: tokens in remainders that were too short.
        dropped_remainders: number of these remainders.
    """

    rows: Numbers
    spans: Numbers
    dropped: int
    dropped_remainders: int


def pack_rows(
    tokens: Numbers, lengths: Numbers, *, length: int, min_remainder: int, padding: int
) -> Packed:
    """Cut documents into rows.

    Args:
        tokens: of all documents, concatenated.
        lengths: of each document, in tokens.
        length: of a row.
        min_remainder: a shorter remainder is dropped.
        padding: the id that pads the last row.
    """
    lengths = np.asarray(lengths, np.int64)
    begins = np.cumsum(lengths) - lengths
    full, remainders = np.divmod(lengths, length)
    full_rows = int(full.sum())
    packed = remainders >= min_remainder
    joined = int(remainders[packed].sum())
    count = full_rows + -(-joined // length)
    rows = np.full(count * length, padding, tokens.dtype)

    documents = np.repeat(np.arange(len(lengths)), full)
    first_rows = np.cumsum(full) - full
    offsets = (np.arange(full_rows) - first_rows[documents]) * length
    spans = np.zeros(full_rows, SPAN)
    spans["row"] = np.arange(full_rows)
    spans["length"] = length
    spans["document"] = documents
    spans["offset"] = offsets
    place = 0
    for document in np.flatnonzero(full):
        size, begin = int(full[document]) * length, int(begins[document])
        rows[place : place + size] = tokens[begin : begin + size]
        place += size
    for document in np.flatnonzero(packed):
        size = int(remainders[document])
        end = int(begins[document] + lengths[document])
        rows[place : place + size] = tokens[end - size : end]
        place += size
    return Packed(
        rows.reshape(count, length),
        np.concatenate([spans, _remainder_spans(remainders, packed, full, length, full_rows)]),
        dropped=int(remainders[~packed].sum()),
        dropped_remainders=int(np.count_nonzero(remainders[~packed])),
    )


def _remainder_spans(
    remainders: Numbers, packed: Numbers, full: Numbers, length: int, first_row: int
) -> Numbers:
    """Remainders laid end to end, cut where a remainder or a row begins."""
    documents = np.flatnonzero(packed)
    ends = np.cumsum(remainders[documents])
    starts = ends - remainders[documents]
    total = int(ends[-1]) if len(ends) else 0
    cuts = np.union1d(starts, np.arange(0, total, length))
    which = np.searchsorted(starts, cuts, side="right") - 1
    spans = np.zeros(len(cuts), SPAN)
    spans["row"] = first_row + cuts // length
    spans["begin"] = cuts % length
    spans["length"] = np.diff(cuts, append=total)
    spans["document"] = documents[which]
    spans["offset"] = full[documents[which]] * length + cuts - starts[which]
    return spans
