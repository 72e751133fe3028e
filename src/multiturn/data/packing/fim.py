"""Fill in the middle, and the language header: the segments of text and sentinels of a document.

**The language header.** With `header`, a document begins with one line, a comment of its
language that names the language's key, and a newline::

    # language: python
    // language: cpp

A document of a language without a line comment, such as English prose, has no header.

**Fill in the middle** (FIM; Bavarian et al., arXiv 2207.14255). A document is cut at two random
characters into prefix, middle and suffix, and written as

    PSM   <prefix> prefix <suffix> suffix <middle> middle <end of text>
    SPM   <prefix> <suffix> suffix <middle> prefix middle <end of text>

with special tokens, the sentinels, between the parts. The header stays at the beginning. Whether,
how and where a document is cut depends on the seed and the document's number alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from multiturn.core.errors import InputError
from multiturn.text.languages import LANGUAGES
from multiturn.text.tokenizers import Tokenizer

__all__ = ["FillInTheMiddle", "Segments", "Sentinels", "header_of", "segments_of", "sentinels_of"]

Segments = tuple[bytes | int, ...]
"""Texts and ids of sentinels, in order. Each text is tokenized by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FillInTheMiddle:
    """The share of documents that are written for filling in the middle.

    Attributes:
        rate: share of all documents.
        spm: of these, the share in the order suffix, prefix, middle.
        prefix: text of the sentinel before the prefix.
        suffix: text of the sentinel before the suffix.
        middle: text of the sentinel before the middle.
    """

    rate: float = 0.5
    spm: float = 0.5
    prefix: str = "<|fim_prefix|>"
    suffix: str = "<|fim_suffix|>"
    middle: str = "<|fim_middle|>"

    def __post_init__(self) -> None:
        for name in ("rate", "spm"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(
                    f"FillInTheMiddle.{name} is not a fraction",
                    got=getattr(self, name),
                    allowed="0 to 1",
                )


@dataclass(frozen=True, slots=True)
class Sentinels:
    """The ids of the sentinels."""

    prefix: int
    suffix: int
    middle: int


def sentinels_of(tokenizer: Tokenizer, settings: FillInTheMiddle) -> Sentinels:
    """The ids of the sentinels that the settings name.

    Raises:
        InputError: the tokenizer has no such special token.
    """
    ids = []
    for text in (settings.prefix, settings.suffix, settings.middle):
        token = tokenizer.token_id(text)
        if token is None:
            added = sorted(text for text, special in tokenizer.added.values() if special)
            raise InputError(
                "the tokenizer has no such special token",
                got=text,
                allowed=", ".join(added) or "none: it has no special tokens",
                fix="name its tokens in FillInTheMiddle, or use a tokenizer that has them",
            )
        ids.append(token)
    return Sentinels(*ids)


def header_of(language: str) -> bytes:
    """The header of a document of this language; empty where the language has none.

    Example:
        >>> header_of("java").decode().splitlines(), header_of("english")
        (['// language: java'], b'')
    """
    known = LANGUAGES.get(language)
    return f"{known.comment} language: {language}\n".encode() if known else b""


def segments_of(
    content: bytes,
    *,
    header: bytes,
    fill: FillInTheMiddle | None,
    sentinels: Sentinels | None,
    seed: Sequence[int],
) -> Segments:
    """The segments of a document.

    Args:
        content: the text of the document.
        header: the line before it.
        fill: the share of documents that are cut.
        sentinels: the ids for that.
        seed: the seed of the recipe, and the document's number.
    """
    if fill is None or sentinels is None:
        return (header + content,)
    drawn = np.random.PCG64(np.random.SeedSequence(seed)).random_raw(4)
    chance, order, first, second = (int(number) for number in drawn)
    text = content.decode("utf-8")
    if chance >= fill.rate * 2**64 or len(text) < 2:
        return (header + content,)
    low, high = sorted((first % (len(text) + 1), second % (len(text) + 1)))
    prefix, middle, suffix = (part.encode() for part in (text[:low], text[low:high], text[high:]))
    head = (header,) if header else ()
    if order < fill.spm * 2**64:
        return (
            *head,
            sentinels.prefix,
            sentinels.suffix,
            suffix,
            sentinels.middle,
            prefix + middle,
        )
    return (*head, sentinels.prefix, prefix, sentinels.suffix, suffix, sentinels.middle, middle)
