"""The sandbox itself: programs are spread over a pool of fork-servers, and retried if it fails."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from multiturn.core.closing import Closing
from multiturn.core.errors import InputError, SandboxUnavailableError
from multiturn.sandbox.compiled.runner import LanguageRunner
from multiturn.sandbox.isolation import IsolationLevel, NamespaceProvider
from multiturn.sandbox.outcomes import RunResult
from multiturn.sandbox.protocol import Limits, Program, ProgramSession
from multiturn.sandbox.supervisor.child import WorkerDiedError, retried
from multiturn.sandbox.supervisor.python_child import PythonChild
from multiturn.sandbox.supervisor.session import ChildSession
from multiturn.sandbox.supervisor.worker import Worker

__all__ = ["HEAVY_MODULES", "LIGHT_MODULES", "PooledSandbox"]

PROGRAMS_PER_WORKER = 2
"""Programs that run at the same time in one fork-server: while the kernel tears one down, which is
mostly waiting, the other runs."""

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
"""The modules that every fork-server imports."""

HEAVY_MODULES = ("numpy", "pandas")
"""The modules that a second kind of fork-server imports too; a program that names one starts it."""

_T = TypeVar("_T")


class PooledSandbox(Closing):
    """Runs programs in children of warm fork-servers; see `open_sandbox`.

    Args:
        isolation: how strongly programs are isolated; must have been probed.
        provider: what makes the namespaces, on the levels that have them.
        workers: how many fork-servers there are of each kind.
        preload: modules beyond the light ones for the heavy fork-servers.
        notes: added to every result.
        max_landlock_abi: use no newer version of Landlock, to test on a new kernel what an old
            one isolates.
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
        # One for each kind, so that plain programs do not wait while pandas is imported.
        self._locks = {False: threading.Lock(), True: threading.Lock()}
        self._max_programs = self.workers * PROGRAMS_PER_WORKER
        self._slots = threading.BoundedSemaphore(self._max_programs)
        self._closed = False
        self._languages = LanguageRunner(isolation, provider, notes)
        # Fork-servers end by themselves with this process; their directories would stay.
        self._at_exit = weakref.finalize(self, _close_all, self._kinds, self._languages)

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
            child = PythonChild(worker, program, allowed)
            try:
                child.wait()
                return child.result(self._isolation, retries, notes)
            finally:
                child.close()

        with self._slots:
            return self._try(program, attempt)

    def run_many(
        self, programs: Iterable[tuple[Program, Limits]]
    ) -> Iterator[tuple[int, RunResult]]:
        """Run programs side by side; see `Sandbox.run_many`."""
        ahead = 2 * self._max_programs
        pending: dict[Future[RunResult], int] = {}
        with ThreadPoolExecutor(self._max_programs, thread_name_prefix="sandbox") as threads:
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
        """Run a program's top level, and keep its process; see `Sandbox.open_session`."""
        _check(program)
        allowed = limits or Limits()

        def attempt(worker: Worker, retries: int, notes: tuple[str, ...]) -> ChildSession:
            child = PythonChild(worker, program, allowed, session=True)
            try:
                return ChildSession(child, self._isolation, retries, notes)
            except BaseException:
                child.close()
                raise

        return self._try(program, attempt)

    def close(self) -> None:
        """End every process that was started."""
        with self._locks[False], self._locks[True]:
            self._closed = True
            self._at_exit()

    def warm_languages(self) -> None:
        """Start the server for programs of other languages now, so that none has to wait."""
        self._languages.warm()

    def warm(self, *, heavy: bool = False) -> None:
        """Start all fork-servers of a kind now, so that no program has to wait."""
        with contextlib.ExitStack() as leases:
            for _ in range(self.workers):
                leases.enter_context(self._lease(heavy))

    def _try(self, program: Program, attempt: Callable[[Worker, int, tuple[str, ...]], _T]) -> _T:
        """Make an attempt in a fork-server, and repeat it in another one where that died."""
        heavy = self._heavy is not None and self._heavy.search(program.source) is not None

        def leased(retries: int, notes: tuple[str, ...]) -> _T:
            with self._lease(heavy) as worker:
                try:
                    return attempt(worker, retries, notes)
                except WorkerDiedError:
                    self._discard(worker, heavy)
                    raise

        return retried(leased, self._notes)

    @contextlib.contextmanager
    def _lease(self, heavy: bool) -> Iterator[Worker]:
        """Lease the fork-server that runs the fewest programs; start one if all are busy."""
        with self._locks[heavy]:
            if self._closed:
                raise SandboxUnavailableError("the sandbox was closed", fix="open a new one")
            kind = self._kinds[heavy]
            for worker in [each for each in kind if not each.running]:
                kind.remove(worker)
                worker.close()
            idlest = min(kind, key=lambda each: each.active, default=None)
            if idlest is None or (idlest.active and len(kind) < self.workers):
                modules = (*LIGHT_MODULES, *(self._preload if heavy else ()))
                idlest = Worker(self._isolation, self._provider, modules, self._max_landlock_abi)
                kind.append(idlest)
            idlest.active += 1
        try:
            yield idlest
        finally:
            with self._locks[heavy]:
                idlest.active -= 1

    def _discard(self, worker: Worker, heavy: bool) -> None:
        """Take a fork-server out of use; programs that run in it fail and are retried."""
        with self._locks[heavy]:
            kind = self._kinds[heavy]
            if worker in kind:
                kind.remove(worker)
        worker.close()


def _close_all(kinds: dict[bool, list[Worker]], languages: LanguageRunner) -> None:
    languages.close()
    for workers in kinds.values():
        while workers:
            workers.pop().close()


def _ended(pending: dict[Future[RunResult], int]) -> Iterator[tuple[int, RunResult]]:
    """Wait until some have ended, and remove them from `pending`."""
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
