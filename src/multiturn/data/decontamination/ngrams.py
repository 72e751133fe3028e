"""N-grams of words that a document shares with a problem.

A word is a sequence of letters, digits and underscores. Capital letters count as small ones and
signs between words as nothing, so another layout hides nothing. N-grams are looked up by hash, and
every find is compared as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from multiturn.data.decontamination.problems import BenchmarkProblem
from multiturn.data.dedup.shingles import Tokens, shingles_of, tokens_of

__all__ = ["Find", "NgramIndex"]

Numbers = np.ndarray[Any, Any]

_FILTER_BITS = 20


@dataclass(frozen=True, slots=True)
class Find:
    """An n-gram of a problem in a document.

    Attributes:
        file: of the problem.
        problem: its name.
        ngram: the words in lower case, with a space between.
    """

    file: str
    problem: str
    ngram: str


class NgramIndex:
    """All n-grams of `words` words in some problems.

    Args:
        problems: to search for.
        words: in an n-gram.
    """

    def __init__(self, problems: Iterable[BenchmarkProblem], words: int) -> None:
        self._words = words
        self._owners: dict[int, dict[str, set[tuple[str, str]]]] = {}
        for problem in problems:
            for text in problem.texts:
                content = text.encode("utf-8", "surrogatepass")
                tokens = tokens_of(content, words_only=True, fold=True)
                for place, hashed in enumerate(shingles_of(tokens.hashes, words).tolist()):
                    ngram = _ngram(content, tokens, place, words)
                    owners = self._owners.setdefault(hashed, {}).setdefault(ngram, set())
                    owners.add((problem.file, problem.name))
        self._hashes = np.array(sorted(self._owners), np.uint64)
        # Most n-grams of a document are in no problem. A table of bits rules these out fast.
        self._filter = np.zeros(1 << _FILTER_BITS, bool)
        self._filter[self._hashes >> np.uint64(64 - _FILTER_BITS)] = True

    def __len__(self) -> int:
        """The number of different n-grams."""
        return sum(len(ngrams) for ngrams in self._owners.values())

    def find(self, content: bytes) -> Iterator[Find]:
        """Each n-gram that the document shares, once for each problem that has it."""
        tokens = tokens_of(content, words_only=True, fold=True)
        hashes = shingles_of(tokens.hashes, self._words)
        likely = np.flatnonzero(self._filter[hashes >> np.uint64(64 - _FILTER_BITS)])
        seen = set()
        for place in likely.tolist():
            if int(hashes[place]) not in self._owners:
                continue
            ngram = _ngram(content, tokens, place, self._words)
            if ngram in seen:
                continue
            seen.add(ngram)
            for file, problem in sorted(self._owners[int(hashes[place])].get(ngram, ())):
                yield Find(file, problem, ngram)


def _ngram(content: bytes, tokens: Tokens, place: int, words: int) -> str:
    places = range(place, place + words)
    found = (content[int(tokens.begins[each]) : int(tokens.ends[each])] for each in places)
    # Bytes have lower-case forms for ASCII alone, like the hashes.
    return b" ".join(found).lower().decode("utf-8", "backslashreplace")
