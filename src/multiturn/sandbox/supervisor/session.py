"""A session with a Python program: its functions are called from outside with plain data."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from multiturn.core.closing import Closing
from multiturn.core.errors import InputError, SandboxUnavailableError
from multiturn.sandbox.encoding import EncodingError, encode
from multiturn.sandbox.ipc import Kind
from multiturn.sandbox.isolation import IsolationLevel
from multiturn.sandbox.outcomes import Outcome, RunResult, Status
from multiturn.sandbox.protocol import CallResult, Limits
from multiturn.sandbox.supervisor.child import SandboxFailureError
from multiturn.sandbox.supervisor.python_child import PythonChild

__all__ = ["ChildSession"]

_LOADED = frozenset((Kind.FINISHED,))


class ChildSession(Closing):
    """See `multiturn.sandbox.protocol.ProgramSession`.

    Raises:
        SandboxFailureError: the sandbox failed while the top level ran.
    """

    def __init__(
        self, child: PythonChild, isolation: IsolationLevel, retries: int, notes: tuple[str, ...]
    ) -> None:
        self._child = child
        self._limits = child.limits
        child.wait(until=_LOADED)
        child.measure_cpu()
        self._loaded = child.result(isolation, retries, notes)
        self._dead: Outcome | None = None
        if child.ended:
            outcome = self._loaded.outcome
            self._dead = Outcome(Status.EARLY_EXIT) if outcome.finished else outcome

    @property
    def loaded(self) -> RunResult:
        """The result of the top level."""
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
            raise InputError(f"the arguments of {name} are not plain data: {error}") from error
        if self._dead is not None:
            return CallResult(self._dead)
        child = self._child
        begun = time.monotonic()
        try:
            cpu_seconds = child.call(payload, limits or self._limits)
            outcome, value = child.answer()
        except SandboxFailureError as error:
            self._dead = Outcome(Status.KILLED, signal="SIGKILL")
            raise SandboxUnavailableError(
                f"the sandbox failed during a call: {error}", fix="open the session again"
            ) from error
        if child.ended:
            self._dead = outcome
        return CallResult(
            outcome=outcome,
            value=value,
            stdout=child.stdout.content,
            stderr=child.stderr.content,
            cpu_seconds=cpu_seconds,
            wall_seconds=time.monotonic() - begun,
        )

    def close(self) -> None:
        """End the program."""
        if self._dead is None:
            self._dead = Outcome(Status.KILLED, signal="SIGKILL")
        self._child.close()
