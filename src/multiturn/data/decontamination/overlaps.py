"""The longest verbatim overlap of texts with the documents of a corpus.

Tokens are words and signs; space between them counts as nothing. Runs of tokens are looked up by
hash, extended to both sides, and compared as text. A run needs several different names, because
rows of numbers and repeated words are everywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from multiturn.core.errors import InputError
from multiturn.data.dedup.shingles import Tokens, shingles_of, tokens_of
from multiturn.data.documents.record import Document

__all__ = ["Overlap", "OverlapSearch"]

Numbers = np.ndarray[Any, Any]

_FILTER_BITS = 20
_MAX_PLACES = 64
"""Places of one shingle that are tried in a document: a table of zeros has a million."""

_NAME_BEGINS = np.array([chr(code).isalpha() or chr(code) == "_" for code in range(256)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """A part of a text that a document has, too.

    Attributes:
        tokens: how many tokens in a row.
        text: the part, as the text has it.
        document: the id of the document.
        licence: of the document; empty if unknown.
        sha256: of the document.
    """

    tokens: int
    text: str
    document: str
    licence: str
    sha256: str


class OverlapSearch:
    """Searches documents for texts.

    Args:
        texts: to search for; the same text may be there several times.
        min_tokens: of an overlap.
        min_names: different words in it that begin with a letter or an underscore.

    Attributes:
        longest: of each text, the longest overlap so far; None without any.

    Raises:
        InputError: `min_tokens` is below 2.

    Example:
        >>> search = OverlapSearch(["total = sum(xs)  # all", "x"], 5)
        >>> search.add(Document(content=b"a = 1; total  = sum(xs)", source="s", path="p"))
        >>> [each and (each.tokens, each.text) for each in search.longest]
        [(6, 'total = sum(xs)'), None]
    """

    def __init__(self, texts: Sequence[str], min_tokens: int, *, min_names: int = 0) -> None:
        if min_tokens < 2:
            raise InputError("an overlap is too short", got=min_tokens, allowed="2 or more tokens")
        self.longest: list[Overlap | None] = [None] * len(texts)
        self._length, self._min_names = min_tokens, min_names
        owners: dict[str, list[int]] = {}
        for number, text in enumerate(texts):
            owners.setdefault(text, []).append(number)
        self._owners = list(owners.values())
        self._contents = [text.encode("utf-8", "replace") for text in owners]
        self._tokens = [tokens_of(content) for content in self._contents]
        self._are_names = [
            _NAME_BEGINS[np.frombuffer(content, np.uint8)[tokens.begins]]
            for content, tokens in zip(self._contents, self._tokens, strict=True)
        ]
        self._places: dict[int, list[tuple[int, int]]] = {}
        for number, tokens in enumerate(self._tokens):
            hashes, first = np.unique(shingles_of(tokens.hashes, min_tokens), return_index=True)
            # The first place of a shingle is enough, since finds are extended to both sides.
            for shingle, place in zip(hashes.tolist(), first.tolist(), strict=True):
                self._places.setdefault(shingle, []).append((number, place))
        self._known = np.array(sorted(self._places), np.uint64)
        # Most shingles of a document are in no text. A table of bits rules these out fast.
        self._filter = np.zeros(1 << _FILTER_BITS, bool)
        self._filter[self._known >> np.uint64(64 - _FILTER_BITS)] = True
        self._best = [0] * len(self._contents)

    def add(self, document: Document) -> None:
        """Search a document."""
        theirs = tokens_of(document.content)
        shingles = shingles_of(theirs.hashes, self._length)
        # By text and distance of the places: the end of the last find, which covers later ones.
        covered: dict[tuple[int, int], int] = {}
        tried: Counter[int] = Counter()
        for there in self._known_places(shingles):
            shingle = int(shingles[there])
            tried[shingle] += 1
            if tried[shingle] > _MAX_PLACES:
                continue
            for number, here in self._places[shingle]:
                diagonal = (number, there - here)
                if covered.get(diagonal, -1) > there:
                    continue
                begin, end = _extended(self._tokens[number].hashes, theirs.hashes, here, there)
                covered[diagonal] = end + there - here
                if end - begin > self._best[number]:
                    self._keep(number, begin, end, theirs, begin + there - here, document)

    def _known_places(self, shingles: Numbers) -> list[int]:
        """The places of shingles that a text has."""
        likely = np.flatnonzero(self._filter[shingles >> np.uint64(64 - _FILTER_BITS)])
        found = shingles[likely]
        if not len(found):
            return []
        places = np.minimum(np.searchsorted(self._known, found), len(self._known) - 1)
        known: list[int] = likely[self._known[places] == found].tolist()
        return known

    def _keep(
        self, number: int, begin: int, end: int, theirs: Tokens, there: int, document: Document
    ) -> None:
        mine, content = self._tokens[number], self._contents[number]
        names = mine.hashes[begin:end][self._are_names[number][begin:end]]
        if len(np.unique(names)) < self._min_names:
            return
        for place in range(end - begin):
            one = content[int(mine.begins[begin + place]) : int(mine.ends[begin + place])]
            other = document.content[
                int(theirs.begins[there + place]) : int(theirs.ends[there + place])
            ]
            if one != other:
                return  # different tokens with equal hashes
        self._best[number] = end - begin
        part = content[int(mine.begins[begin]) : int(mine.ends[end - 1])]
        found = Overlap(
            tokens=end - begin, text=part.decode("utf-8", "replace"), document=document.id,
            licence=document.licence, sha256=document.sha256,
        )  # fmt: skip
        for owner in self._owners[number]:
            self.longest[owner] = found


def _extended(mine: Numbers, theirs: Numbers, here: int, there: int) -> tuple[int, int]:
    """Begin and end, in `mine`, of the equal run around two places."""
    after = min(len(mine) - here, len(theirs) - there)
    unequal = np.flatnonzero(mine[here : here + after] != theirs[there : there + after])
    end = here + (int(unequal[0]) if len(unequal) else after)
    before = min(here, there)
    unequal = np.flatnonzero(mine[here - before : here] != theirs[there - before : there])
    begin = here - before + (int(unequal[-1]) + 1 if len(unequal) else 0)
    return begin, end
