"""A candidate: a program that stays, and is called from outside with plain data."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

from multiturn.core.errors import InputError, SandboxUnavailableError
from multiturn.sandbox.encoding import EncodingError, encode
from multiturn.sandbox.ipc import Kind, send_call
from multiturn.sandbox.isolation import IsolationLevel
from multiturn.sandbox.outcomes import Outcome, RunResult, Status
from multiturn.sandbox.protocol import CallResult, Limits
from multiturn.sandbox.supervisor.child import Child, parse_error, read_value
from multiturn.sandbox.supervisor.worker import WorkerDiedError

__all__ = ["ChildSession"]

_LOADED = frozenset((Kind.FINISHED,))
_ANSWERED = frozenset((Kind.RETURNED, Kind.THREW))


class ChildSession:
    """See `multiturn.sandbox.protocol.ProgramSession`.

    Raises:
        WorkerDiedError: the fork-server died while the top level ran.
    """

    def __init__(
        self, run: Child, isolation: IsolationLevel, retries: int, notes: tuple[str, ...]
    ) -> None:
        self._run = run
        self._limits = run.limits
        run.wait(until=_LOADED)
        if run.exit is None:
            run.measure()
        self._loaded = run.result(isolation, retries, notes)
        self._dead: Outcome | None = None
        if run.exit is not None:
            outcome = self._loaded.outcome
            if outcome.finished:
                outcome = Outcome(Status.EARLY_EXIT)
            self._dead = outcome

    @property
    def loaded(self) -> RunResult:
        """What became of the top level."""
        return self._loaded

    @property
    def alive(self) -> bool:
        """Whether calls can be made."""
        return self._dead is None

    def call(
        self,
        name: str,
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
        *,
        limits: Limits | None = None,
    ) -> CallResult:
        """Call a function of the program; see `ProgramSession.call`."""
        try:
            payload = encode((name, list(args), dict(kwargs or {})))
        except EncodingError as error:
            raise InputError(f"the arguments of {name} are no plain data: {error}") from error
        if self._dead is not None:
            return CallResult(self._dead)
        run = self._run
        run.messages.clear()
        run.limits = replace(
            self._limits,
            cpu_seconds=(limits or self._limits).cpu_seconds,
            wall_seconds=(limits or self._limits).wall_seconds,
        )
        run.forget_output()
        run.allow(run.limits)
        begun, used = time.monotonic(), run.cpu_seconds
        try:
            # A program that does not read must not make its judge wait for longer than it may.
            with contextlib.suppress(OSError):
                run.wire.settimeout(run.limits.wall_seconds)
                send_call(run.wire, payload)
            run.wire.settimeout(None)
            run.wait(until=_ANSWERED)
            if run.exit is None:
                run.measure()
            outcome, value = self._answer()
        except WorkerDiedError as error:
            self._dead = Outcome(Status.KILLED, signal="SIGKILL")
            raise SandboxUnavailableError(
                f"the sandbox failed during a call: {error}", fix="open the candidate again"
            ) from error
        if run.exit is not None:
            self._dead = outcome
        return CallResult(
            outcome=outcome,
            value=value,
            stdout=bytes(run.out.data[: run.out.most]),
            stderr=bytes(run.err.data[: run.err.most]),
            cpu_seconds=max(0.0, run.cpu_seconds - used),
            wall_seconds=time.monotonic() - begun,
        )

    def _answer(self) -> tuple[Outcome, object]:
        run = self._run
        answered = [message.kind for message in run.messages if message.kind in _ANSWERED]
        if run.exit is None and answered:
            if answered[-1] == Kind.RETURNED:
                value = read_value(run.messages, Kind.RETURNED, run.limits)
                return Outcome(Status.FINISHED), value
            thrown = [each for each in run.messages if each.kind == Kind.THREW]
            return parse_error(thrown[-1].payload), None
        outcome = run.outcome(started=True)
        if outcome.finished:
            outcome = Outcome(Status.EARLY_EXIT, exit_code=outcome.exit_code)
        return outcome, None

    def close(self) -> None:
        """End the program."""
        if self._dead is None:
            self._dead = Outcome(Status.KILLED, signal="SIGKILL")
        self._run.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
