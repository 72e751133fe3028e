"""Programs in other languages than Python: compiled and run behind walls of their own.

Each program gets a fresh set of walls, of the same kind as the rung's for Python programs:
namespaces with a root directory of nothing but the system's own files, or Landlock, and in
both cases a seccomp filter and limits. Compiling is done inside as well. What can be said
less surely than for Python is in docs/decisions/0006-oracles-and-languages.md: a program that
leaves early with success looks like one that came to its end.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from multiturn.core.errors import InputError, SandboxUnavailableError
from multiturn.sandbox.bwrap import bwrap_command
from multiturn.sandbox.inside.recipe import Order, Step
from multiturn.sandbox.job import NOBODY, Shell
from multiturn.sandbox.outcomes import Outcome, Rung, RunResult, Status
from multiturn.sandbox.protocol import Limits, Program
from multiturn.sandbox.worker import readable_places
from multiturn.text.languages import LANGUAGES, Language, language

__all__ = ["Available", "RecipeRunner", "available_languages"]

COMPILE_LIMITS = Limits(
    cpu_seconds=60, wall_seconds=120, memory_bytes=2 << 30, output_bytes=1 << 20,
    file_bytes=256 << 20,
)  # fmt: skip
"""What compiling may use: the machine's business, so not part of a program's own limits."""

SEARCHED = "/usr/local/bin:/usr/bin:/bin"
"""Where tools are looked for: what lies in a home is not shown to programs."""

_READABLE = ("/usr", "/bin", "/lib", "/lib64", "/etc/alternatives", "/etc/ld.so.cache", "/dev/zero",
             "/dev/urandom", "/dev/random")  # fmt: skip
_PACKAGE = str(Path(__file__).resolve().parents[2])
_BOOTSTRAP = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from multiturn.sandbox.inside.recipe import main; sys.path.pop(0); main()"
)
_REAP_SECONDS = 10.0
_MOST_TRIES = 3
_OUT_OF_MEMORY = (
    b"OutOfMemoryError",
    b"heap out of memory",
    b"std::bad_alloc",
    b"Cannot allocate memory",
    b"out of memory",
)


@dataclass(frozen=True, slots=True)
class Available:
    """Whether programs of a language can be run here."""

    language: Language
    missing: tuple[str, ...]
    """Tools that are not installed; empty where all are."""

    @property
    def works(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing

    @property
    def fix(self) -> str:
        """What to do about it."""
        return f"apt-get install {self.language.package}"


def available_languages() -> tuple[Available, ...]:
    """Every language of the table, with the tools that are missing for it."""
    return tuple(_availability(entry) for entry in LANGUAGES.values())


def _availability(entry: Language) -> Available:
    tools = [tool for tool in entry.tools if not tool.startswith("{")]
    missing = [tool for tool in tools if not shutil.which(tool, path=SEARCHED)]
    return Available(entry, tuple(missing))


class RecipeRunner:
    """Runs programs by their language's recipe.

    Args:
        rung: how strongly they are isolated; must have been tried.
        shell: what makes the namespaces, on the rungs that have them.
        notes: said in every result.
    """

    def __init__(self, rung: Rung, shell: Shell, notes: tuple[str, ...] = ()) -> None:
        self._rung = rung
        self._shell = shell
        self._notes = notes

    def run(self, program: Program, limits: Limits) -> RunResult:
        """Compile and run one program; see `Sandbox.run`.

        What does not compile is `Status.SYNTAX_ERROR`. An exit code other than 0 is
        `Status.RAISED` with the last line of standard error.

        Raises:
            UnknownNameError: there is no such language.
            InputError: its tools are not installed, or a result variable was asked for.
            SandboxUnavailableError: the walls could not be put up.
        """
        entry = language(program.language)
        found = _availability(entry)
        if found.missing:
            raise InputError(
                f"{entry.name} programs cannot be run here: not installed",
                got=", ".join(found.missing),
                fix=found.fix,
            )
        if program.result is not None:
            raise InputError(
                "only Python programs hand back a variable", got=program.language,
                fix="compare what the program prints",
            )  # fmt: skip
        notes = self._notes
        for retries in range(_MOST_TRIES):
            try:
                with _launched(self._rung, self._shell, entry, program, limits) as launch:
                    launch.wait()
                return launch.result(retries, notes)
            except _FaultError as fault:
                notes = (*notes, f"begun again because the sandbox failed: {fault}")
        raise SandboxUnavailableError(
            f"the sandbox failed {_MOST_TRIES} times with the same {entry.name} program",
            got=notes[-1],
            fix="run `multiturn doctor`",
        )


class _FaultError(Exception):
    """The walls could not be put up, or the process that keeps them died."""


class _Launch:
    """One process that compiles and runs one program, seen from outside."""

    def __init__(
        self,
        rung: Rung,
        limits: Limits,
        process: subprocess.Popen[bytes],
        lifeline: int,
        report: int,
    ) -> None:
        self.rung = rung
        self.limits = limits
        self.process = process
        self.lifeline: int | None = lifeline
        self.report = report
        self.said: list[dict[str, Any]] = []
        self.ended_for: Status | None = None
        self.out = bytearray()
        self.err = bytearray()
        self._words = bytearray()

    def wait(self) -> None:
        """Take what it prints and reports until it is gone."""
        assert self.process.stdout is not None and self.process.stderr is not None
        deadline = time.monotonic() + COMPILE_LIMITS.wall_seconds
        sources = {self.process.stdout.fileno(): self.out, self.process.stderr.fileno(): self.err}
        with selectors.DefaultSelector() as selector:
            for descriptor in (*sources, self.report):
                selector.register(descriptor, selectors.EVENT_READ)
            while selector.get_map():
                events = selector.select(max(0.0, deadline - time.monotonic()))
                if not events and time.monotonic() >= deadline:
                    if self.ended_for is not None:
                        break
                    self._end(Status.TIMED_OUT_WALL)
                    deadline = time.monotonic() + _REAP_SECONDS
                for key, _ in events:
                    data = os.read(key.fd, 1 << 16)
                    if not data:
                        selector.unregister(key.fd)
                    elif key.fd == self.report:
                        if self._hear(data) and self.ended_for is None:
                            deadline = time.monotonic() + self.limits.wall_seconds
                    else:
                        kept = sources[key.fd]
                        kept += data[: self.limits.output_bytes + 1 - len(kept)]
                        if len(kept) > self.limits.output_bytes and self.ended_for is None:
                            self._end(Status.TOO_MUCH_OUTPUT)
                            deadline = time.monotonic() + _REAP_SECONDS

    def _hear(self, data: bytes) -> bool:
        """Take words of the report; whether the program starts to run with them."""
        self._words += data
        *lines, rest = self._words.split(b"\n")
        self._words = bytearray(rest)
        self.said += [json.loads(line) for line in lines]
        return any(each.get("begins") == "run" for each in self.said[-len(lines) or None :])

    def _end(self, why: Status) -> None:
        self.ended_for = why
        if self.lifeline is not None:
            os.close(self.lifeline)
            self.lifeline = None

    def result(self, retries: int, notes: tuple[str, ...]) -> RunResult:
        """The record of the run.

        Raises:
            _FaultError: nothing can be said of the program.
        """
        for each in self.said:
            if "fault" in each:
                raise _FaultError(each["fault"])
        ended = {each["step"]: each for each in self.said if "step" in each}
        last = ended.get("run") or ended.get("compile")
        if last is None and self.ended_for is None:
            raise _FaultError(_last_line(bytes(self.err)) or "it ended without a report")
        outcome = self._outcome(last)
        cut = self.limits.output_bytes
        return RunResult(
            outcome=outcome,
            rung=self.rung,
            stdout=bytes(self.out[:cut]),
            stderr=bytes(self.err[:cut]),
            cpu_seconds=last["cpu_seconds"] if last else 0.0,
            wall_seconds=last["wall_seconds"] if last else 0.0,
            peak_memory_bytes=last["peak_memory_bytes"] if last else None,
            retries=retries,
            notes=notes,
        )

    def _outcome(self, last: dict[str, Any] | None) -> Outcome:
        if self.ended_for is not None or last is None:
            return Outcome(self.ended_for or Status.KILLED)
        code = os.waitstatus_to_exitcode(last["status"])
        if last["step"] == "compile" and code != 0:
            return _not_compiled(bytes(self.err))
        if code == 0:
            return Outcome(Status.FINISHED, exit_code=0)
        if -code == signal.SIGXCPU or (
            -code == signal.SIGKILL and last["cpu_seconds"] >= self.limits.cpu_seconds
        ):
            return Outcome(Status.TIMED_OUT_CPU)
        if any(word in self.err for word in _OUT_OF_MEMORY):
            return Outcome(Status.OUT_OF_MEMORY, error=_last_line(bytes(self.err)))
        if code < 0:
            return Outcome(Status.KILLED, signal=signal.Signals(-code).name)
        error = _last_line(bytes(self.err)) or f"exit code {code}"
        return Outcome(Status.RAISED, error=error, exit_code=code)


def _not_compiled(said: bytes) -> Outcome:
    """The first error of a compiler, which names it as ``file:line: ...``."""
    text = said.decode(errors="replace")
    found = re.search(r"^[^\s:]+:(\d+)(?::\d+)?: (.*error.*)$", text, re.MULTILINE)
    if found is None:
        return Outcome(Status.SYNTAX_ERROR, error=_last_line(said) or "it does not compile")
    return Outcome(Status.SYNTAX_ERROR, error=found[2][:2000], line=int(found[1]))


def _last_line(said: bytes) -> str:
    """What was wrong, as far as it can be told: the line that names an error, or the last."""
    lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
    named = [
        line for line in lines if re.match(r"(\w+\.)*\w*(Error|Exception)\b|Exception in", line)
    ]
    return (named or lines[-1:] or [""])[0][:2000]


@contextlib.contextmanager
def _launched(
    rung: Rung, shell: Shell, entry: Language, program: Program, limits: Limits
) -> Iterator[_Launch]:
    """Start a process for one program; it is gone, with its files, afterwards."""
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="multiturn-recipe-")))
        if os.geteuid() == 0:
            os.chown(place, NOBODY, NOBODY)
        source = _file_of(stack, program.source.encode("utf-8", "surrogatepass"))
        stdin = _file_of(stack, program.stdin)
        lifeline_end, lifeline = os.pipe()
        stack.callback(os.close, lifeline_end)
        report, report_end = os.pipe()
        stack.callback(os.close, report)
        order = Order(
            rung=rung,
            shell=shell,
            scratch=str(place),
            readable=_readable(),
            file_name=entry.file_name,
            environment=_environment(),
            steps=tuple(_steps(entry, limits)),
            source=source,
            stdin=stdin,
            lifeline=lifeline_end,
            report=report_end,
        )
        command = [sys.executable, "-s", "-P", "-c", _BOOTSTRAP, _PACKAGE, order.to_json()]
        user: int | None = None
        if shell is Shell.BWRAP:
            user = NOBODY if os.geteuid() == 0 else None
            # bubblewrap makes the root directory before this interpreter starts in it.
            shown = (*order.readable, *readable_places())
            around = bwrap_command(Rung.SHARED_NAMESPACES, shown, _PACKAGE)
            command = [*around, *command]
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"},
                cwd="/",
                start_new_session=True,
                pass_fds=(source, stdin, lifeline_end, report_end),
                user=user,
                group=user,
                extra_groups=None if user is None else [],
            )
        finally:
            os.close(report_end)
        stack.callback(process.wait)
        stack.callback(process.kill)
        stack.enter_context(process)
        launch = _Launch(rung, limits, process, lifeline, report)
        stack.callback(lambda: os.close(launch.lifeline) if launch.lifeline is not None else None)
        yield launch


def _file_of(stack: contextlib.ExitStack, data: bytes) -> int:
    """A descriptor from which `data` can be read."""
    descriptor = os.memfd_create("multiturn", os.MFD_CLOEXEC)
    stack.callback(os.close, descriptor)
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _readable() -> tuple[str, ...]:
    settings = [str(path) for path in Path("/etc").glob("java-*")]
    return tuple(place for place in (*_READABLE, *settings) if Path(place).exists())


def _environment() -> dict[str, str]:
    return {
        "PATH": SEARCHED,
        "HOME": ".",
        "TMPDIR": ".",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "OPENSSL_CONF": "/dev/null",
        **_java(),
        # Of Go: no network, nothing kept, no C compiler, which could be told to run programs.
        "GOCACHE": "./.cache",
        "GOFLAGS": "-mod=mod",
        "GOPROXY": "off",
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
    }


def _java() -> dict[str, str]:
    """Where Java's own libraries are: it asks /proc, which is not shown."""
    java = shutil.which("java", path=SEARCHED)
    if java is None:
        return {}
    home = Path(java).resolve().parents[1]
    return {"JAVA_HOME": str(home), "LD_LIBRARY_PATH": f"{home}/lib:{home}/lib/server"}


def _steps(entry: Language, limits: Limits) -> Iterator[Step]:
    if entry.compile_command:
        compiling = replace(COMPILE_LIMITS, open_files=limits.open_files)
        yield _step("compile", entry.compile_command, entry, compiling, forks=True)
    allowed = replace(limits, cpu_seconds=limits.cpu_seconds * entry.cpu_factor)
    yield _step("run", entry.run_command, entry, allowed, forks=False)


def _step(
    name: str, command: Sequence[str], entry: Language, limits: Limits, *, forks: bool
) -> Step:
    memory = limits.memory_bytes
    if not entry.limits_address_space:
        # The heap has the memory that was asked for; the runtime's own comes on top.
        memory += 256 << 20
    words = {"python": sys.executable, "memory_mib": max(1, limits.memory_bytes >> 20)}
    return Step(
        name=name,
        command=tuple(part.format(**words) for part in command),
        forks=forks,
        limits_address_space=entry.limits_address_space,
        cpu_seconds=limits.cpu_seconds,
        memory_bytes=memory,
        file_bytes=limits.file_bytes,
        open_files=limits.open_files,
    )
