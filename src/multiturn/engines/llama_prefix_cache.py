"""Reuses llama.cpp's prefix cache without changing a result.

llama.cpp caches the keys and values of the last prompt and its continuation, and prefills only the
new part of the next prompt. The numbers of a token depend on how many tokens are computed with it:
one to seven go through other kernels than eight or more (docs/decisions/0004-exact-cache.md has
the measurements). So that no text depends on what was cached, prompts are always prefilled in
batches of eight or more tokens, and generated tokens are prefilled again before they are reused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from multiturn.engines.common_prefix import common_prefix_length

__all__ = ["LlamaPrefixCache"]

MIN_BATCH = 8
"""Tokens of the smallest prefill batch."""

MAX_BATCH = 512
"""Tokens of the largest prefill batch (llama.cpp's `n_ubatch`)."""

Post = Callable[[dict[str, Any]], object]


class LlamaPrefixCache:
    """The cached tokens that were prefilled in large enough batches.

    Not thread-safe: the caller holds the server's lock.

    Args:
        post: sends a completion request to the server, and waits for the answer.
    """

    def __init__(self, post: Post) -> None:
        self._post = post
        self._tokens: list[int] = []
        self._has_generated = False
        """Whether the server's cache continues with tokens that it generated."""

    def prepare(self, prompt: Sequence[int], *, reuse: bool) -> bool:
        """Cut the server's cache to the part of `prompt` that may be reused.

        Args:
            prompt: the prompt of the next request, which is cached from now on.
            reuse: whether anything may be reused.

        Returns:
            Whether the request may use the cache.
        """
        prompt = list(prompt)
        same = common_prefix_length(self._tokens, prompt) if reuse else 0
        keep = max(0, min(same, len(prompt) - MIN_BATCH))
        generated_may_match = self._has_generated and same == len(self._tokens)
        if keep and (same > keep or generated_may_match):
            self._cut(prompt, keep)
        prefilled = self._prefill_all_but_end(prompt, keep)
        self._tokens, self._has_generated = prompt, True
        return keep > 0 or prefilled

    def add_generated(self, prompt: Sequence[int], generated: Sequence[int]) -> None:
        """Prefill the tokens that were generated after `prompt`, so that they can be reused."""
        if len(generated) < MIN_BATCH:
            return
        tokens = [*prompt, *generated]
        self._cut(tokens, len(prompt))
        self._prefill_all_but_end(tokens, len(prompt))
        self._prefill(tokens)
        self._tokens, self._has_generated = tokens, False

    def _cut(self, tokens: list[int], keep: int) -> None:
        """Cut the server's cache to `keep` tokens, by prefilling a different token after them."""
        self._prefill([*tokens[:keep], 1 if tokens[keep] != 1 else 2])

    def _prefill_all_but_end(self, tokens: list[int], start: int) -> bool:
        """Prefill all but the end first where the last batch would be too small."""
        new = len(tokens) - start
        short_end = new > MAX_BATCH and 0 < new % MAX_BATCH < MIN_BATCH
        if short_end:
            self._prefill(tokens[:-MIN_BATCH], cache=start > 0)
        return short_end

    def _prefill(self, tokens: list[int], *, cache: bool = True) -> None:
        self._post({"prompt": tokens, "n_predict": 0, "cache_prompt": cache})
