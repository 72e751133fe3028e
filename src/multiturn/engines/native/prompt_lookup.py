"""Prompt lookup: drafts of the next tokens from earlier text of the same sequence.

Where the last tokens occurred before, what followed then may follow again: when a program is
repaired or edited, or written again by a chat model, most of it is a copy of what the prompt has.

Source: Saxena, "Prompt Lookup Decoding", https://github.com/apoorvumang/prompt-lookup-decoding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

__all__ = ["PromptLookup"]

_NGRAM = 3


class PromptLookup:
    """Predicts the next tokens of a growing text.

    Args:
        tokens: the text so far, oldest first.
        watch: called for each token that was predicted, with the number of tokens predicted
            correctly in a row before it, and whether the prediction was correct. This happens
            whether or not a draft was made, so that the acceptance is known without drafting.
    """

    def __init__(self, tokens: Iterable[int], watch: Callable[[int, bool], None]) -> None:
        self._tokens: list[int] = []
        self._following: dict[tuple[int, ...], int] = {}
        self._watch = watch
        self._source: int | None = None
        self.run = 0
        """How many tokens in a row were predicted correctly."""
        for token in tokens:
            self._add(token)
        self._find()

    def append(self, token: int) -> None:
        """Add the token that followed."""
        if self._source is not None:
            correct = self._tokens[self._source] == token
            self._watch(self.run, correct)
            self._source, self.run = (self._source + 1, self.run + 1) if correct else (None, 0)
        self._add(token)
        if self._source is None:
            self._find()

    def draft(self, count: int) -> list[int]:
        """Up to `count` tokens that may follow; none where nothing similar occurred before."""
        if self._source is None:
            return []
        return self._tokens[self._source : self._source + count]

    @property
    def has_draft(self) -> bool:
        """Whether `draft` returns a token."""
        return self._source is not None

    def _add(self, token: int) -> None:
        """Append a token, and remember where the n-gram before it ended."""
        if len(self._tokens) >= _NGRAM:
            self._following[tuple(self._tokens[-_NGRAM:])] = len(self._tokens)
        self._tokens.append(token)

    def _find(self) -> None:
        self._source = self._following.get(tuple(self._tokens[-_NGRAM:]))
        self.run = 0
