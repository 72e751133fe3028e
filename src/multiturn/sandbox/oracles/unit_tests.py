"""The oracle for tests that are code: two sandboxed processes, and the verdict in neither.

The candidate runs in one session. The tests, which are third-party code, run in another, against a
proxy bound to the candidate's name: each call crosses as plain data, through this process. The
candidate never shares a process with an expected value, an assertion or a comparison; it can only
answer calls, and lie about its own values.

Arguments are passed by value. Unless `in_place` is set, the tests do not see what a candidate does
to its copy of a list, so it cannot make ``assert candidate(xs) == sum(xs)`` true by emptying
``xs``. Functions, open files and instances of the candidate's own classes cannot cross; they
arrive as a value that equals nothing. Instances of classes that the context defines can cross, and
so can numbers, containers, views and iterators of the standard library: see
`multiturn.sandbox.inside.instances` and `multiturn.sandbox.inside.library_values`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from multiturn.core.errors import InputError
from multiturn.sandbox.encoding import Opaque
from multiturn.sandbox.ipc import PACKED
from multiturn.sandbox.oracles.verdicts import Judgement, Verdict
from multiturn.sandbox.outcomes import Outcome, Status
from multiturn.sandbox.protocol import CallResult, Limits, Program, ProgramSession, Sandbox
from multiturn.sandbox.supervisor.pool import HEAVY_MODULES

__all__ = ["InvalidTestsError", "check_tests"]

_INSIDE = Path(__file__).with_name("unit_tests_inside.py")


class InvalidTestsError(InputError):
    """The tests cannot test: they fail by themselves, or pass without a call."""

    __test__ = False  # for pytest


def check_tests(
    sandbox: Sandbox,
    candidate_source: str,
    entry_point: str,
    test_source: str,
    *,
    context: str = "",
    in_place: bool = False,
    limits: Limits | None = None,
    test_limits: Limits | None = None,
) -> Verdict:
    """Run tests against a candidate.

    Args:
        sandbox: runs both.
        candidate_source: the program that defines the function.
        entry_point: the function's name.
        test_source: either defines ``check(candidate)``, as HumanEval does, or consists of
            assertions that call `entry_point` by its name.
        context: code that the tests need, run before them: HumanEval's prompt, whose
            helpers its tests use.
        in_place: whether lists, dicts and sets among the positional arguments become what
            the candidate made of its copies.
        limits: for the candidate's session: its top level and all calls together.
        test_limits: for the tests' own work; time that the candidate takes does not count.

    Returns:
        A verdict. An exception of the candidate that the tests did not expect is `PREVENTED`,
        with the error and its line in the candidate.

    Raises:
        InputError: the entry point is not a name.
        InvalidTestsError: the tests do not parse, fail before they call the candidate, or never
            call it.
        SandboxUnavailableError: the sandbox failed.
    """
    limits = limits or Limits()
    if not entry_point.isidentifier():
        raise InputError("the entry point is not the name of a function", got=entry_point)
    with sandbox.open_session(Program(source=candidate_source), limits) as candidate:
        loaded = candidate.loaded
        if not loaded.outcome.finished:
            return Verdict(Judgement.PREVENTED, outcome=loaded.outcome)
        left = _Budget(limits, loaded.cpu_seconds, loaded.wall_seconds)
        host = Program(source=_host(context + test_source))
        with sandbox.open_session(host, test_limits or Limits()) as tests:
            begin = (context, test_source, entry_point, in_place)
            return _relay_calls(candidate, PACKED + entry_point, left, tests, begin)


def _host(tests: str) -> str:
    """The program that runs the tests; it names the same heavy modules, so that they are loaded."""
    named = [name for name in HEAVY_MODULES if name in tests]
    source = _INSIDE.read_text(encoding="utf-8")
    return f"{source}\n# The tests use {' and '.join(named)}.\n" if named else source


class _Budget:
    """The remaining time of a candidate."""

    def __init__(self, limits: Limits, cpu_seconds: float, wall_seconds: float) -> None:
        self.limits = limits
        self.cpu = limits.cpu_seconds - cpu_seconds
        self.wall = limits.wall_seconds - wall_seconds

    def call(self, candidate: ProgramSession, name: str, args: tuple[Any, ...]) -> CallResult:
        """Call within the remaining time; without any, the call times out at once."""
        if self.cpu <= 0 or self.wall <= 0:
            spent = Status.TIMED_OUT_CPU if self.cpu <= 0 else Status.TIMED_OUT_WALL
            return CallResult(Outcome(spent))
        limits = replace(self.limits, cpu_seconds=self.cpu, wall_seconds=self.wall)
        began = time.monotonic()
        called = candidate.call(name, args, limits=limits)
        self.cpu -= called.cpu_seconds
        self.wall -= time.monotonic() - began
        return called


def _relay_calls(
    candidate: ProgramSession,
    name: str,
    left: _Budget,
    tests: ProgramSession,
    begin: tuple[str, str, str, bool],
) -> Verdict:
    """Relay calls from the tests to the candidate, and values back, until the tests end."""
    raised: Outcome | None = None
    step = tests.call("begin", begin)
    while True:
        if not step.outcome.finished:
            return Verdict(Judgement.UNDECIDED, outcome=step.outcome)
        request: Any = step.value
        if isinstance(request, Mapping) and "ended" in request:
            return _verdict(request["ended"], raised)
        try:
            called = left.call(candidate, name, request["call"])
        except (InputError, TypeError):
            # A request that is too large to encode arrives as the name of its type.
            return Verdict(Judgement.UNDECIDED, "arguments of a call are too deep or too large")
        if called.outcome.finished:
            step = _resume(tests, {"value": called.value})
        elif called.outcome.status is Status.RAISED and candidate.alive:
            raised = called.outcome
            step = tests.call("resume", [{"error": called.outcome.error or "Exception"}])
        else:
            return Verdict(Judgement.PREVENTED, outcome=called.outcome)


def _resume(tests: ProgramSession, answer: dict[str, object]) -> CallResult:
    """Pass an answer to the tests; an opaque one, if it is too deep or large to be encoded."""
    try:
        return tests.call("resume", [answer])
    except InputError:
        return tests.call("resume", [{"value": Opaque("value that is too deep or too large")}])


def _verdict(ended: Mapping[str, Any], raised: Outcome | None) -> Verdict:
    finished = Outcome(Status.FINISHED)
    if not ended["calls"]:
        what = "pass without a call of the candidate" if ended["passed"] else "fail by themselves"
        raise InvalidTestsError(
            f"the tests {what}",
            got=ended.get("error"),
            fix="call the candidate by its name, or in check(candidate)",
        )
    if ended["passed"]:
        return Verdict(Judgement.PASSED, outcome=finished)
    if ended["raised"] and raised is not None:
        return Verdict(Judgement.PREVENTED, outcome=raised)
    return Verdict(Judgement.WRONG_ANSWER, ended["error"], finished)
