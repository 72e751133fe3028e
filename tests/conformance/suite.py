"""Runs every program of the suite at one isolation level, and reports what was not contained.

    python tests/conformance/suite.py --level NAMESPACES --seed 1 --rounds 3 --json

Exits with 0 if the level contains every program except its declared gaps, with 1 if it does not,
and with 3 if the level is not available on this machine (the reason is printed).
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import json
import os
import random
import re
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import canaries
import expectations
from expectations import Expectation

from multiturn.core.errors import SandboxUnavailableError
from multiturn.sandbox.encoding import Opaque
from multiturn.sandbox.isolation import IsolationLevel
from multiturn.sandbox.open import PROVIDERS, open_sandbox
from multiturn.sandbox.oracles.unit_tests import check_tests
from multiturn.sandbox.outcomes import RunResult
from multiturn.sandbox.probe import probe
from multiturn.sandbox.protocol import Program, Sandbox
from multiturn.sandbox.supervisor.pool import PooledSandbox

UNAVAILABLE = 3
WALL_SLACK = 20.0
"""Seconds over the wall limit that a busy machine may take to end a program."""
WORKERS = 6
"""More than there are cores, as many programs wait until their time is over."""

GOLD_TESTS = """
def check(candidate):
    answer = candidate("what is expected?")
    assert answer == {gold!r}
"""


@dataclass
class Report:
    """The results of one pass over the suite."""

    level: str
    uid: int
    seed: int
    ran: int = 0
    violations: list[str] = field(default_factory=list)
    gaps_seen: dict[str, list[str]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    slowest: list[tuple[float, str]] = field(default_factory=list)


class Suite:
    """One open sandbox, the canaries around it, and the programs."""

    def __init__(self, sandbox: Sandbox, laid: canaries.Canaries, report: Report) -> None:
        self.sandbox = sandbox
        self.laid = laid
        self.report = report

    def judge(self, expected: Expectation, problems: Iterable[str]) -> None:
        """Record problems of a program: as violations, or under its declared gap."""
        found = list(problems)
        if not found:
            return
        if self.sandbox.isolation in expected.gaps:
            self.report.gaps_seen.setdefault(expected.name, []).extend(found)
        else:
            self.report.violations += [f"{expected.name}: {problem}" for problem in found]

    def run_round(self, programs: list[Expectation], order: random.Random) -> None:
        """Run all programs once in random order, then look for what they left."""
        chosen = [program for program in programs if self._wanted(program)]
        witnesses = [program for program in chosen if program.kind == "witness"]
        others = [program for program in chosen if program.kind != "witness"]
        order.shuffle(others)
        self._run_all(others)
        forgeries = [program for program in others if program.kind == "forgery"]
        with ThreadPoolExecutor(WORKERS) as threads:
            for program, problems in threads.map(self._ask, forgeries):
                self.report.ran += 1
                self.judge(program, problems)
        # Often enough to reach every worker, whichever the planting programs ran in.
        self._run_all(witnesses * (2 * WORKERS))
        self.report.violations += self.laid.problems()

    def _wanted(self, program: Expectation) -> bool:
        reason = ""
        if program.needs and importlib.util.find_spec(program.needs) is None:
            reason = f"{program.needs} is not installed"
        elif (
            self.sandbox.isolation is IsolationLevel.LIMITS_ONLY
            and IsolationLevel.LIMITS_ONLY in program.gaps
        ):
            reason = (
                "a gap of this level, and not harmless: " + program.gaps[IsolationLevel.LIMITS_ONLY]
            )
        if reason:
            self.report.left_out[program.name] = reason
        return not reason

    def _run_all(self, programs: list[Expectation]) -> None:
        with ThreadPoolExecutor(WORKERS) as threads:
            # Not by `run_many`, so that a failure of the sandbox names the program.
            for program, problems in threads.map(self._run_one, programs):
                self.report.ran += 1
                self.judge(program, problems)

    def _run_one(self, expected: Expectation) -> tuple[Expectation, list[str]]:
        source = self.laid.fill(expected.source)
        program = Program(source=source, stdin=expected.stdin, result=expected.result)
        try:
            result = self.sandbox.run(program, expected.limits)
        except Exception as error:
            return expected, [f"broke the sandbox: {type(error).__name__}: {error}"]
        self.report.slowest.append((round(result.wall_seconds, 2), expected.name))
        return expected, problems_of(expected, result, self.laid.token)

    def _ask(self, program: Expectation) -> tuple[Expectation, list[str]]:
        """What a forgery does to the oracle."""
        began = time.monotonic()
        try:
            verdict = check_tests(
                self.sandbox,
                self.laid.fill(program.source),
                "answer",
                GOLD_TESTS.format(gold=self.laid.token),
                limits=program.limits,
            )
        except Exception as error:
            return program, [f"broke the oracle: {type(error).__name__}: {error}"]
        problems = []
        if verdict.passed:
            problems.append("the oracle let it pass")
        # The oracle itself may show what it expected: the program's output may not.
        outcome = verdict.outcome
        if outcome is not None and self.laid.token in str(outcome.error):
            problems.append("its error shows the expected answer")
        if time.monotonic() - began > 3 * program.limits.wall_seconds + WALL_SLACK:
            problems.append("the oracle waited too long")
        return program, problems


def problems_of(expected: Expectation, result: RunResult, token: str) -> list[str]:
    """In what a result is not as the header says."""
    outcome, found = result.outcome, []
    shown = result.stdout_text + "\n" + result.stderr_text
    if outcome.status not in expected.outcomes:
        tail = result.stderr_text.strip()[-300:]
        found.append(f"ended as {outcome.status.value} ({outcome.describe()[:300]}); {tail!r}")
    found += [line[:200] for line in shown.splitlines() if line.startswith("BREACH")]
    if token in shown or token in repr(result.value) or token in str(outcome.error):
        found.append("a secret leaked")
    if expected.prints not in result.stdout_text:
        found.append(f"did not print {expected.prints!r} but {result.stdout_text[-200:]!r}")
    if expected.prints_error not in result.stderr_text:
        found.append(f"standard error is {result.stderr_text[-200:]!r}")
    if expected.line is not None and outcome.line != expected.line:
        found.append(f"the line is {outcome.line}, not {expected.line}")
    if expected.error and outcome.error != expected.error:
        found.append(f"the error is {outcome.error!r}")
    if expected.signal and outcome.signal != expected.signal:
        found.append(f"the signal is {outcome.signal}")
    if expected.value and not _value_fits(expected.value, result.value):
        found.append(f"handed back {str(result.value)[:100]!r}, expected {expected.value}")
    if result.retries:
        found.append(f"made the sandbox fail: {result.notes}")
    for name, text in (("stdout", result.stdout), ("stderr", result.stderr)):
        if len(text) > expected.limits.output_bytes:
            found.append(f"{len(text)} bytes of {name} came through")
    if result.wall_seconds > expected.limits.wall_seconds + WALL_SLACK:
        found.append(f"took {result.wall_seconds:.1f} s")
    return found


def _value_fits(expected: str, value: object) -> bool:
    if expected == "absent":
        return value is None or isinstance(value, Opaque)
    if expected.startswith("not "):
        return value != int(expected[4:])
    return type(value) is int and value == int(expected)


def run(
    level: IsolationLevel, seed: int, rounds: int, only: str, landlock: int | None = None
) -> Report:
    """Open a sandbox of an isolation level, run the suite, and look at what is left.

    Raises:
        SandboxUnavailableError: the level is not available here.
    """
    report = Report(level=level.name, uid=os.getuid(), seed=seed)
    programs = [p for p in expectations.load_all() if re.search(only, p.name)]
    canaries.adopt_orphans()
    began = time.monotonic()
    order = random.Random(seed)
    with canaries.lay() as laid, tempfile.TemporaryDirectory(prefix="mt-suite-") as place:
        # Whatever the sandbox makes on disk, it makes here, where it can be counted.
        Path(place).chmod(0o1777)
        tempfile.tempdir = place
        bystanders, descriptors = canaries.descendants(), _descriptors()
        with _opened(level, landlock) as sandbox:
            if sandbox.isolation is not level:
                raise SandboxUnavailableError(
                    f"asked for {level.name}, got {sandbox.isolation.name}"
                )
            suite = Suite(sandbox, laid, report)
            counts = []
            for _ in range(rounds):
                suite.run_round(programs, order)
                counts.append((_descriptors(), threading.active_count()))
            if counts[-1] != counts[0]:
                report.violations.append(f"descriptors and threads grew: {counts}")
        report.violations += left_behind(bystanders, descriptors, Path(place))
        tempfile.tempdir = None
    report.seconds = round(time.monotonic() - began, 1)
    report.slowest = sorted(report.slowest, reverse=True)[:12]
    return report


def _opened(level: IsolationLevel, landlock: int | None) -> Sandbox:
    """A sandbox of the level, after its probe; with an old Landlock where that is asked for."""
    if landlock is None:
        return open_sandbox(
            isolation=level, unsafe=level is IsolationLevel.LIMITS_ONLY, workers=WORKERS
        )
    provider = PROVIDERS[level][0]
    sandbox = PooledSandbox(level, provider=provider, workers=WORKERS, max_landlock_abi=landlock)
    tried = probe(level, provider, sandbox)
    if not tried.works:
        sandbox.close()
        raise SandboxUnavailableError(tried.reason)
    return sandbox


def left_behind(bystanders: set[int], descriptors: int, place: Path) -> list[str]:
    """What is still there after the sandbox was closed."""
    found = []
    deadline = time.monotonic() + 300
    while (left := canaries.descendants() - bystanders) and time.monotonic() < deadline:
        _reap()
        time.sleep(0.05)
    found += [f"a process is left: {_command(pid)}" for pid in left]
    found += [f"a file is left: {path}" for path in list(place.rglob("*"))[:20]]
    if _descriptors() > descriptors:
        found.append(f"descriptors: {descriptors} before, {_descriptors()} after")
    return found


def _reap() -> None:
    """Orphans that ended are ours to reap (see `canaries.adopt_orphans`)."""
    for pid in canaries.descendants():
        try:
            status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            if status[0] == "Z" and int(status[1]) == os.getpid():
                os.waitpid(pid, os.WNOHANG)
        except OSError:
            pass


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()[:200]
    except OSError:
        return str(pid)


def _descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--level", required=True, choices=[level.name for level in IsolationLevel])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", default="", help="programs whose name this pattern is found in")
    parser.add_argument("--landlock", type=int, help="use no newer version of Landlock")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    try:
        report = run(
            IsolationLevel[options.level],
            options.seed,
            options.rounds,
            options.only,
            options.landlock,
        )
    except SandboxUnavailableError as error:
        print(error)
        return UNAVAILABLE
    if options.json:
        print(json.dumps(dataclasses.asdict(report)))
    else:
        print(f"{report.level} uid {report.uid}: {report.ran} runs in {report.seconds} s")
        print("slowest:", *(f"{name} {seconds}" for seconds, name in report.slowest))
        for name, problems in sorted(report.gaps_seen.items()):
            print(f"gap  {name}: {problems[0]}")
        for problem in report.violations:
            print("NOT HELD ", problem)
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
