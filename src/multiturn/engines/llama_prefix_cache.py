"""Which tokens llama.cpp still holds, and how to take them over without changing a result.

llama.cpp keeps the keys and values of the last prompt and of what was written after it, and
reads of the next prompt only what is new. The numbers it gets for a token depend on how many
tokens are computed beside it: one alone, and two to seven together, go through other kernels
than eight and more (docs/decisions/0004-exact-cache.md has the measurements). So that a text
does not depend on what happened to be cached, a prompt is only ever read eight or more
tokens at a time, and text that the model wrote token by token is read again before it counts
as read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["Prefix"]

LEAST = 8
"""Tokens that are read together, at least."""

MOST = 512
"""Tokens that llama.cpp computes together, at most (its `n_ubatch`)."""

Post = Callable[[dict[str, Any]], object]


class Prefix:
    """The tokens that were read, eight or more at a time, and are still held.

    Not safe to use from several threads; whoever asks the server holds its lock.

    Args:
        post: asks the server to complete a prompt, and waits for the answer.
    """

    def __init__(self, post: Post) -> None:
        self._post = post
        self._read: list[int] = []
        self._more = False
        """Whether the server holds tokens behind those, which it wrote itself."""

    def prepare(self, prompt: Sequence[int], *, reuse: bool) -> bool:
        """Make the server hold of `prompt` only what may be taken over.

        Args:
            prompt: what is about to be completed. It counts as read from here on.
            reuse: whether anything may be taken over at all.

        Returns:
            Whether the request may use the cache.
        """
        prompt = list(prompt)
        same = _common(self._read, prompt) if reuse else 0
        keep = max(0, min(same, len(prompt) - LEAST))
        written_may_match = self._more and same == len(self._read)
        if keep and (same > keep or written_may_match):
            self._cut(prompt, keep)
        begun = self._read_beginning(prompt, keep)
        self._read, self._more = prompt, True
        return keep > 0 or begun

    def take_in(self, prompt: Sequence[int], written: Sequence[int]) -> None:
        """Read what was just written after `prompt` again, so that it may be taken over."""
        if len(written) < LEAST:
            return
        whole = [*prompt, *written]
        self._cut(whole, len(prompt))
        self._read_beginning(whole, len(prompt))
        self._hold(whole)
        self._read, self._more = whole, False

    def _cut(self, tokens: list[int], keep: int) -> None:
        """Make the server forget all but the first `keep` tokens: by a wrong one behind them."""
        self._hold([*tokens[:keep], 1 if tokens[keep] != 1 else 2])

    def _read_beginning(self, tokens: list[int], start: int) -> bool:
        """Where the rest would end in a piece that is too short, read all but the end first."""
        new = len(tokens) - start
        short_end = new > MOST and 0 < new % MOST < LEAST
        if short_end:
            self._hold(tokens[:-LEAST], cache=start > 0)
        return short_end

    def _hold(self, tokens: list[int], *, cache: bool = True) -> None:
        self._post({"prompt": tokens, "n_predict": 0, "cache_prompt": cache})


def _common(one: list[int], other: list[int]) -> int:
    """How many tokens both begin with."""
    for place, (ours, theirs) in enumerate(zip(one, other, strict=False)):
        if ours != theirs:
            return place
    return min(len(one), len(other))
