"""Documents' tokens cut into rows of one length, in the way of the paper.

Each document is cut into rows; what is left of it at the end, its tail, is joined to the tails
of others and the whole cut into rows again, unless it is shorter than 64 tokens. Then it is
dropped. The last row of the tails is filled up with the end of text.
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
"""A piece of a document in a row: where in the row it begins, how many tokens it has, which
document of the shard it is from, and where in that document's tokens it begins."""


@dataclass(frozen=True, slots=True)
class Packed:
    """Rows and where they come from.

    Attributes:
        rows: [n, length], of the dtype of the tokens.
        spans: of `SPAN`, in the order of row and place; what no span covers is filling.
        dropped: tokens in tails that were too short.
        dropped_tails: how many those were.
    """

    rows: Numbers
    spans: Numbers
    dropped: int
    dropped_tails: int


def pack_rows(
    tokens: Numbers, lengths: Numbers, *, length: int, least_tail: int, filling: int
) -> Packed:
    """Cut documents into rows.

    Args:
        tokens: of all documents, one after the other.
        lengths: of each document, in tokens.
        length: of a row.
        least_tail: the shortest tail that is kept.
        filling: the id that fills the last row up.
    """
    lengths = np.asarray(lengths, np.int64)
    begins = np.cumsum(lengths) - lengths
    whole, tails = np.divmod(lengths, length)
    whole_rows = int(whole.sum())
    kept = tails >= least_tail
    joined = int(tails[kept].sum())
    count = whole_rows + -(-joined // length)
    rows = np.full(count * length, filling, tokens.dtype)

    documents = np.repeat(np.arange(len(lengths)), whole)
    first_rows = np.cumsum(whole) - whole
    offsets = (np.arange(whole_rows) - first_rows[documents]) * length
    spans = np.zeros(whole_rows, SPAN)
    spans["row"] = np.arange(whole_rows)
    spans["length"] = length
    spans["document"] = documents
    spans["offset"] = offsets
    place = 0
    for document in np.flatnonzero(whole):
        size, begin = int(whole[document]) * length, int(begins[document])
        rows[place : place + size] = tokens[begin : begin + size]
        place += size
    for document in np.flatnonzero(kept):
        size = int(tails[document])
        end = int(begins[document] + lengths[document])
        rows[place : place + size] = tokens[end - size : end]
        place += size
    return Packed(
        rows.reshape(count, length),
        np.concatenate([spans, _tail_spans(tails, kept, whole, length, whole_rows)]),
        dropped=int(tails[~kept].sum()),
        dropped_tails=int(np.count_nonzero(tails[~kept])),
    )


def _tail_spans(
    tails: Numbers, kept: Numbers, whole: Numbers, length: int, first_row: int
) -> Numbers:
    """Tails laid end to end, cut where a tail or a row begins."""
    documents = np.flatnonzero(kept)
    ends = np.cumsum(tails[documents])
    starts = ends - tails[documents]
    total = int(ends[-1]) if len(ends) else 0
    cuts = np.union1d(starts, np.arange(0, total, length))
    which = np.searchsorted(starts, cuts, side="right") - 1
    spans = np.zeros(len(cuts), SPAN)
    spans["row"] = first_row + cuts // length
    spans["begin"] = cuts % length
    spans["length"] = np.diff(cuts, append=total)
    spans["document"] = documents[which]
    spans["offset"] = whole[documents[which]] * length + cuts - starts[which]
    return spans
