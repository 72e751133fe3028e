"""A growing continuation: tokens in, text out, the stop rule in between."""

from __future__ import annotations

import codecs
import math

from multiturn.engines.protocol import Completion, FinishReason, Timings, TokenLogprob
from multiturn.text.truncation import Cut, StopRule

__all__ = ["Continuation"]


class Continuation:
    """Detokenizes one continuation and applies its stop rule.

    Tokens are pieces of UTF-8 and may end inside a character; the text grows by complete
    characters. Characters that the stop rule may still cut are held back.

    Args:
        index: of the continuation in its request.
        rule: decides where the text ends.
    """

    def __init__(self, index: int, rule: StopRule) -> None:
        self.index = index
        self.cut: Cut | None = None
        self.tokens: list[int] = []
        self._rule = rule
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._raw = ""
        self._emitted = 0
        self._token_starts: list[int] = []  # in characters, for each token
        self._logprobs: list[float] = []
        self._tops: list[tuple[tuple[int, float], ...]] = []
        self._taken = 0

    def add(
        self,
        token: int,
        piece: bytes,
        logprob: float = math.nan,
        top: tuple[tuple[int, float], ...] = (),
    ) -> str:
        """Add one token.

        Args:
            token: its id.
            piece: its bytes.
            logprob: its natural log-probability, where known.
            top: the most likely tokens at its place, with theirs.

        Returns:
            The text that the stop rule can no longer cut; often empty.
        """
        self.tokens.append(token)
        self._token_starts.append(len(self._raw))
        self._logprobs.append(logprob)
        self._tops.append(top)
        return self._grow(self._decoder.decode(piece))

    def set_token(self, place: int, token: int, logprob: float = math.nan) -> None:
        """Set the id and log-probability of a token that was added without them."""
        self.tokens[place] = token
        self._logprobs[place] = logprob

    def finish(self) -> str:
        """End the text, and return what was still held back.

        An incomplete character becomes one replacement character.
        """
        rest = self._grow(self._decoder.decode(b"", final=True))
        if self.cut is not None:
            return rest
        return rest + self._emit_up_to(len(self._raw))

    def take_tokens(self) -> tuple[TokenLogprob, ...]:
        """The tokens that begin in the text returned so far, without those already taken."""
        start = self._taken
        while self._taken < len(self.tokens) and self._token_starts[self._taken] < self._emitted:
            self._taken += 1
        return tuple(
            TokenLogprob(self.tokens[place], self._logprobs[place], self._tops[place])
            for place in range(start, self._taken)
        )

    @property
    def text(self) -> str:
        """The text so far, up to the cut."""
        return self._raw if self.cut is None else self._raw[: self.cut.position]

    def completion(
        self,
        reason: FinishReason,
        *,
        prompt_tokens: int,
        cached_tokens: int,
        timings: Timings,
        logprobs: bool,
        top_logprobs: bool = False,
        prompt_logprobs: tuple[TokenLogprob, ...] | None = None,
    ) -> Completion:
        """The record of this continuation, after `finish`.

        A cut has priority over `reason`: the stop rule ended the text, whatever ended decoding.
        """
        text = self.text
        return Completion(
            index=self.index,
            text=text,
            raw_text=self._raw,
            cut_by=self.cut.reason if self.cut else None,
            finish_reason=FinishReason.STOP if self.cut else reason,
            tokens=tuple(self.tokens),
            logprobs=tuple(self._logprobs) if logprobs else None,
            text_tokens=sum(start < len(text) for start in self._token_starts),
            prompt_tokens=prompt_tokens,
            cached_tokens=cached_tokens,
            timings=timings,
            top_logprobs=tuple(self._tops) if top_logprobs else None,
            prompt_logprobs=prompt_logprobs,
        )

    def _grow(self, characters: str) -> str:
        if not characters:
            return ""
        self._raw += characters
        if self.cut is None:
            self.cut = self._rule.find(self._raw)
        if self.cut is not None:
            return self._emit_up_to(self.cut.position)
        return self._emit_up_to(len(self._raw) - self._rule.lookahead)

    def _emit_up_to(self, end: int) -> str:
        certain = self._raw[self._emitted : max(end, self._emitted)]
        self._emitted += len(certain)
        return certain
