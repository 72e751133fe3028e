"""An engine whose tokens a test releases one by one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from threading import Event as Flag
from typing import Any

from multiturn.core.errors import EngineError
from multiturn.engines.protocol import (
    Completion,
    Delta,
    EngineInfo,
    Event,
    FinishReason,
    Request,
    Timings,
)


class SteppingEngine:
    """Writes `piece` again and again, once for each call of `release`, up to `max_tokens`.

    Attributes:
        started: calls of `stream` that have begun, by prompt.
        ended: (prompt, reason) of those that have ended.
    """

    def __init__(self, *, slots: int = 4, piece: str = "x") -> None:
        self._info = EngineInfo(
            engine="stepping", model="steps", weights_sha256=None, context_window=1 << 20,
            chat_template=None, slots=slots,
        )  # fmt: skip
        self._piece = piece
        self._changed = threading.Condition()
        self._released = 0
        self._fault: Exception | None = None
        self.started: list[str] = []
        self.ended: list[tuple[str, FinishReason]] = []

    @property
    def info(self) -> EngineInfo:
        return self._info

    def count_tokens(self, text: str, *, parse_special: bool = False) -> int:
        return len(text)

    def release(self, tokens: int) -> None:
        """Let every call write so many tokens in total."""
        with self._changed:
            self._released = max(self._released, tokens)
            self._changed.notify_all()

    def fail(self, error: Exception) -> None:
        """Let every call fail."""
        with self._changed:
            self._fault = error
            self._changed.notify_all()

    def wait_for(self, condition: Any, seconds: float = 60) -> None:
        """Wait until `condition()` holds."""
        with self._changed:
            assert self._changed.wait_for(condition, seconds), (self.started, self.ended)

    def stream(self, request: Request, *, cancel: Flag | None = None) -> Iterator[Event]:
        cancel = cancel or Flag()
        with self._changed:
            self.started.append(request.prompt)
            self._changed.notify_all()
        return self._stream(request, cancel)

    def _stream(self, request: Request, cancel: Flag) -> Iterator[Event]:
        written, reason = 0, FinishReason.LENGTH
        while written < request.max_tokens:
            with self._changed:
                while self._released <= written and not cancel.is_set() and self._fault is None:
                    self._changed.wait(0.01)  # the flag is set from another thread, silently
                if self._fault is not None:
                    raise EngineError("it failed") from self._fault
            if cancel.is_set():
                reason = FinishReason.CANCELLED
                break
            written += 1
            yield Delta(0, self._piece)
        with self._changed:
            self.ended.append((request.prompt, reason))
            self._changed.notify_all()
        text = self._piece * written
        yield Completion(
            index=0, text=text, raw_text=text, cut_by=None, finish_reason=reason,
            tokens=(1,) * written, logprobs=None, text_tokens=written, prompt_tokens=1,
            cached_tokens=0, timings=Timings(0, 0),
        )  # fmt: skip

    def close(self) -> None:
        self.fail(RuntimeError("closed"))

    def __enter__(self) -> SteppingEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
