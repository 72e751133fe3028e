"""A continuation as it grows: tokens in, text out, the stop rule in between."""

from __future__ import annotations

import codecs
import math

from multiturn.engines.protocol import Completion, FinishReason, Timings
from multiturn.text.truncation import Cut, StopRule

__all__ = ["Continuation"]


class Continuation:
    """Collects the tokens of one continuation and finds where its text ends.

    Tokens are pieces of UTF-8 and may end inside a character; the text only ever grows by
    whole characters. Characters that the stop rule may still cut are held back.

    Args:
        index: the continuation's place among those of its request.
        rule: where the text ends.
    """

    def __init__(self, index: int, rule: StopRule) -> None:
        self.index = index
        self.cut: Cut | None = None
        self.tokens: list[int] = []
        self._rule = rule
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._raw = ""
        self._given_out = 0
        self._token_ends: list[int] = []  # bytes of all tokens up to and with each
        self._logprobs: list[float] = []

    def add(self, token: int, piece: bytes, logprob: float = math.nan) -> str:
        """Take one token.

        Args:
            token: its id.
            piece: its bytes.
            logprob: its natural log-probability, where that is known.

        Returns:
            Text that is now certain to be part of the continuation; often empty.
        """
        self.tokens.append(token)
        self._token_ends.append((self._token_ends[-1] if self._token_ends else 0) + len(piece))
        self._logprobs.append(logprob)
        return self._grow(self._decoder.decode(piece))

    def set_token(self, place: int, token: int, logprob: float = math.nan) -> None:
        """Put the right id, and log-probability, where `add` was told of a token without one."""
        self.tokens[place] = token
        self._logprobs[place] = logprob

    def finish(self) -> str:
        """Say that no token follows. Returns the text that was still held back.

        Bytes of a character that never became whole turn into one replacement character.
        """
        rest = self._grow(self._decoder.decode(b"", final=True))
        if self.cut is not None:
            return rest
        return rest + self._give_out(len(self._raw))

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
    ) -> Completion:
        """The record of this continuation, which must be finished.

        A cut outranks every other `reason`: whatever ended the decoding, the rule ended the text.
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
            text_tokens=self._tokens_covering(text),
            prompt_tokens=prompt_tokens,
            cached_tokens=cached_tokens,
            timings=timings,
        )

    def _grow(self, characters: str) -> str:
        if not characters:
            return ""
        self._raw += characters
        if self.cut is None:
            self.cut = self._rule.find(self._raw)
        if self.cut is not None:
            return self._give_out(self.cut.position)
        return self._give_out(len(self._raw) - self._rule.lookahead)

    def _give_out(self, end: int) -> str:
        certain = self._raw[self._given_out : max(end, self._given_out)]
        self._given_out += len(certain)
        return certain

    def _tokens_covering(self, text: str) -> int:
        size = len(text.encode("utf-8"))
        return sum(start < size for start in [0, *self._token_ends][: len(self.tokens)])
