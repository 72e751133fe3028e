"""Preemption: on a signal, the run saves and exits with a code that asks for a restart."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

import jax

__all__ = ["PREEMPTED", "Preemption"]

PREEMPTED = 75
"""EX_TEMPFAIL of `sysexits.h`: the run is saved and can be restarted."""

_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class Preemption:
    """Handles SIGTERM, SIGUSR1 and Ctrl-C inside its context.

    The loop calls `requested` after each step. A second Ctrl-C interrupts at once. With several
    processes, JAX's runtime forwards a SIGTERM to all of them and they agree on the step.
    """

    def __init__(self) -> None:
        self.by_keyboard = False
        self._signalled = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Preemption:
        alone = jax.process_count() == 1
        for number in (*(_SIGNALS if alone else ()), signal.SIGINT):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        if number == signal.SIGINT:
            if self.by_keyboard:
                raise KeyboardInterrupt
            self.by_keyboard = True
        self._signalled = True

    def requested(self, step: int) -> bool:
        """Whether to save after `step` and exit; the same answer on every process."""
        if jax.process_count() == 1:
            return self._signalled
        from jax.experimental import multihost_utils

        return bool(multihost_utils.reached_preemption_sync_point(step))
