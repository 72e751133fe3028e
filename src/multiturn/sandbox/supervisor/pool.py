"""The sandbox itself: a pool of fork-servers, programs spread over them, faults retried."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Self, TypeVar

from multiturn.core.errors import InputError, SandboxUnavailableError
from multiturn.sandbox.compiled.runner import LanguageRunner
from multiturn.sandbox.isolation import IsolationLevel, NamespaceProvider
from multiturn.sandbox.outcomes import RunResult
from multiturn.sandbox.protocol import Limits, Program, ProgramSession
from multiturn.sandbox.supervisor.child import Child, ChildSetupError
from multiturn.sandbox.supervisor.session import ChildSession
from multiturn.sandbox.supervisor.worker import Worker, WorkerDiedError

__all__ = ["HEAVY_MODULES", "LIGHT_MODULES", "PooledSandbox"]

MAX_TRIES = 4
"""How often a program is begun before the sandbox counts as failed."""

PROGRAMS_A_WORKER = 2
"""Programs that run at the same time in one fork-server: while the kernel takes one apart,
which is waiting more than work, the other runs."""

LIGHT_MODULES = (
    "abc",
    "argparse",
    "array",
    "ast",
    "asyncio",
    "base64",
    "bisect",
    "calendar",
    "cmath",
    "collections",
    "copy",
    "csv",
    "ctypes",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "fractions",
    "functools",
    "hashlib",
    "heapq",
    "html",
    "inspect",
    "io",
    "itertools",
    "json",
    "locale",
    "logging",
    "math",
    "numbers",
    "operator",
    "pathlib",
    "pprint",
    "queue",
    "random",
    "re",
    "shutil",
    "statistics",
    "string",
    "struct",
    "tempfile",
    "textwrap",
    "threading",
    "time",
    "traceback",
    "types",
    "typing",
    "unicodedata",
    "urllib.parse",
    "uuid",
    "warnings",
    "weakref",
    "zlib",
)
"""What every fork-server has imported."""

HEAVY_MODULES = ("numpy", "pandas")
"""What a second kind of fork-server has imported too; started when a program names one."""

_T = TypeVar("_T")


class PooledSandbox:
    """Runs programs in children of warm fork-servers; see `open_sandbox`.

    Args:
        isolation: how programs are isolated; must have been tried.
        provider: what makes the namespaces of an isolation level that has them.
        workers: how many programs run side by side, and fork-servers of each kind.
        preload: modules beyond the light ones for the heavy fork-servers.
        notes: said in every result.
        max_landlock_abi: use no newer version of Landlock: to see on a new kernel what holds on
            an old one.
    """

    def __init__(
        self,
        isolation: IsolationLevel,
        *,
        provider: NamespaceProvider = NamespaceProvider.NONE,
        workers: int | None = None,
        preload: Sequence[str] = HEAVY_MODULES,
        notes: tuple[str, ...] = (),
        max_landlock_abi: int | None = None,
    ) -> None:
        self._max_landlock_abi = max_landlock_abi
        self._isolation = isolation
        self._provider = provider
        self.workers = workers or len(os.sched_getaffinity(0))
        self._notes = notes
        self._preload = tuple(preload)
        names = "|".join(re.escape(name) for name in self._preload)
        self._heavy = re.compile(rf"\b({names})\b") if names else None
        self._kinds: dict[bool, list[Worker]] = {False: [], True: []}
        # One for each kind: importing pandas takes a second, and no plain program waits for it.
        self._locks = {False: threading.Lock(), True: threading.Lock()}
        self._at_once = self.workers * PROGRAMS_A_WORKER
        self._slots = threading.BoundedSemaphore(self._at_once)
        self._closed = False
        # The fork-servers end by themselves with this process; their directories do not.
        self._at_exit = weakref.finalize(self, _close_all, self._kinds)
        self._languages = LanguageRunner(isolation, provider, notes)

    @property
    def isolation(self) -> IsolationLevel:
        """How strongly programs are isolated."""
        return self._isolation

    def run(self, program: Program, limits: Limits | None = None) -> RunResult:
        """Run one program to its end; see `Sandbox.run`."""
        allowed = limits or Limits()
        if program.language != "python":
            with self._slots:
                return self._languages.run(program, allowed)

        def attempt(worker: Worker, retries: int, notes: tuple[str, ...]) -> RunResult:
            run = Child(worker, program, allowed)
            try:
                run.wait()
                return run.result(self._isolation, retries, notes)
            finally:
                run.close()

        with self._slots:
            return self._try(program, attempt)

    def run_many(
        self, programs: Iterable[tuple[Program, Limits]]
    ) -> Iterator[tuple[int, RunResult]]:
        """Run programs side by side; see `Sandbox.run_many`."""
        ahead = 2 * self._at_once
        pending: dict[Future[RunResult], int] = {}
        with ThreadPoolExecutor(self._at_once, thread_name_prefix="sandbox") as threads:
            try:
                for index, (program, limits) in enumerate(programs):
                    pending[threads.submit(self.run, program, limits)] = index
                    while len(pending) >= ahead:
                        yield from _ended(pending)
                while pending:
                    yield from _ended(pending)
            finally:
                for future in pending:
                    future.cancel()

    def open_session(self, program: Program, limits: Limits | None = None) -> ProgramSession:
        """Run a program's top level and keep it; see `Sandbox.open_session`."""
        _check(program)
        allowed = limits or Limits()

        def attempt(worker: Worker, retries: int, notes: tuple[str, ...]) -> ChildSession:
            run = Child(worker, program, allowed, keep=True)
            try:
                return ChildSession(run, self._isolation, retries, notes)
            except BaseException:
                run.close()
                raise

        return self._try(program, attempt)

    def close(self) -> None:
        """End every process that was started."""
        with self._locks[False], self._locks[True]:
            self._closed = True
            self._at_exit()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def warm(self, *, heavy: bool = False) -> None:
        """Start all fork-servers of a kind now, so that no program waits for one."""
        with contextlib.ExitStack() as leases:
            for _ in range(self.workers):
                leases.enter_context(self._lease(heavy))

    def _try(self, program: Program, attempt: Callable[[Worker, int, tuple[str, ...]], _T]) -> _T:
        """Make an attempt, and again where the sandbox itself failed."""
        heavy = self._heavy is not None and self._heavy.search(program.source) is not None
        notes = self._notes
        for retries in range(MAX_TRIES):
            try:
                with self._lease(heavy) as worker:
                    try:
                        return attempt(worker, retries, notes)
                    except ChildSetupError:
                        raise
                    except WorkerDiedError:
                        self._discard(worker, heavy)
                        raise
            except WorkerDiedError as error:
                notes = (*notes, f"begun again because the sandbox failed: {error}")
        raise SandboxUnavailableError(
            f"the sandbox failed {MAX_TRIES} times with the same program",
            got=notes[-1],
            fix="run `multiturn doctor`",
        )

    @contextlib.contextmanager
    def _lease(self, heavy: bool) -> Iterator[Worker]:
        """The fork-server of a kind with the least to do; starts one where all are busy."""
        with self._locks[heavy]:
            if self._closed:
                raise SandboxUnavailableError("the sandbox was closed", fix="open a new one")
            kind = self._kinds[heavy]
            for worker in [each for each in kind if not each.running]:
                kind.remove(worker)
                worker.close()
            least = min(kind, key=lambda each: each.active, default=None)
            if least is None or (least.active and len(kind) < self.workers):
                modules = (*LIGHT_MODULES, *(self._preload if heavy else ()))
                least = Worker(self._isolation, self._provider, modules, self._max_landlock_abi)
                kind.append(least)
            least.active += 1
        try:
            yield least
        finally:
            with self._locks[heavy]:
                least.active -= 1

    def _discard(self, worker: Worker, heavy: bool) -> None:
        """Take a fork-server out of use; programs that still run in it fail and are retried."""
        with self._locks[heavy]:
            kind = self._kinds[heavy]
            if worker in kind:
                kind.remove(worker)
        worker.close()


def _close_all(kinds: dict[bool, list[Worker]]) -> None:
    for workers in kinds.values():
        while workers:
            workers.pop().close()


def _ended(pending: dict[Future[RunResult], int]) -> Iterator[tuple[int, RunResult]]:
    """Wait for one or more, and take them out of `pending`."""
    done, _ = wait(pending, return_when=FIRST_COMPLETED)
    for future in done:
        index = pending.pop(future)
        yield index, future.result()


def _check(program: Program) -> None:
    if program.language != "python":
        raise InputError(
            "only Python programs can be called from outside",
            got=program.language,
            allowed="python",
        )
