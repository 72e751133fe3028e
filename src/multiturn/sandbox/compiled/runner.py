"""Programs of other languages than Python: built and run by a toolchain of this machine.

Each program is isolated afresh, at the same level as Python programs: by namespaces with a root
directory of nothing but the system's own files, or by Landlock, and by a seccomp filter and
rlimits either way. A warm process forks the one that does it (`inside.build_server`). The compiler
runs inside too. Less is certain than for Python (docs/decisions/0006-oracles-and-languages.md): a
program that exits early with success looks like one that ran to its end.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from multiturn.core.app_dirs import app_dirs
from multiturn.core.errors import InputError, SandboxUnavailableError
from multiturn.sandbox.compiled.child import COMPILE_LIMITS, BuildAndRun, started
from multiturn.sandbox.compiled.ready import ReadyFiles
from multiturn.sandbox.inside.build_and_run import Command
from multiturn.sandbox.inside.build_server import namespaces_nest
from multiturn.sandbox.inside.drop_root import open_to_all
from multiturn.sandbox.inside.jail import TMP_REBIND
from multiturn.sandbox.isolation import IsolationLevel, NamespaceProvider
from multiturn.sandbox.outcomes import RunResult
from multiturn.sandbox.protocol import Limits, Program
from multiturn.sandbox.supervisor.child import retried
from multiturn.sandbox.supervisor.worker import Worker
from multiturn.text.languages import LANGUAGES, Language, language

__all__ = ["LanguageRunner", "LanguageSupport", "available_languages", "require_tools"]

SEARCH_PATH = "/usr/local/bin:/usr/bin:/bin"
"""Where tools are looked for. Programs do not see what is in a home directory."""

_BOOTSTRAP = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from multiturn.sandbox.inside.build_server import main; sys.path.pop(0); main()"
)
_SERVER_ENVIRONMENT = {
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUTF8": "1",
    # Else each child would look up the functions of libraries anew.
    "LD_BIND_NOW": "1",
}

_READABLE = (
    "/usr",
    "/bin",
    "/lib",
    "/lib64",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/dev/zero",
    "/dev/urandom",
    "/dev/random",
)


@dataclass(frozen=True, slots=True)
class LanguageSupport:
    """Whether programs of a language can be run here."""

    language: Language
    missing: tuple[str, ...]
    """Tools that are not installed."""

    @property
    def works(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing

    @property
    def fix(self) -> str:
        """The command that installs what is missing."""
        return f"apt-get install {self.language.package}"


def available_languages() -> tuple[LanguageSupport, ...]:
    """Every language of the table, with the tools that it lacks here."""
    return tuple(_support(entry) for entry in LANGUAGES.values())


def _support(entry: Language) -> LanguageSupport:
    tools = [tool for tool in entry.tools if not tool.startswith("{")]
    missing = [tool for tool in tools if not shutil.which(tool, path=SEARCH_PATH)]
    return LanguageSupport(entry, tuple(missing))


def require_tools(entry: Language) -> None:
    """Check that programs of a language can be run here.

    Raises:
        InputError: its tools are not installed; says how to install them.
    """
    support = _support(entry)
    if support.missing:
        raise InputError(
            f"{entry.name} programs cannot be run here: not installed",
            got=", ".join(support.missing),
            fix=support.fix,
        )


class LanguageRunner:
    """Builds and runs programs of languages other than Python.

    Args:
        isolation: how strongly programs are isolated; must have been probed.
        provider: what makes the namespaces, on the levels that have them.
        notes: added to every result.
    """

    def __init__(
        self,
        isolation: IsolationLevel,
        provider: NamespaceProvider,
        notes: tuple[str, ...] = (),
    ) -> None:
        self._isolation = isolation
        self._provider = provider
        self._notes = notes
        self._nest = namespaces_nest(isolation, provider)
        self._keep_server = self._nest or provider is NamespaceProvider.NONE
        self._server: Worker | None = None
        self._lock = threading.Lock()
        self._closed = False

    def run(self, program: Program, limits: Limits) -> RunResult:
        """Build and run one program; see `Sandbox.run`.

        A program that does not compile gives `Status.SYNTAX_ERROR`. An exit code other than 0
        gives `Status.RAISED` with the last line of standard error.

        Raises:
            UnknownNameError: there is no such language.
            InputError: its tools are not installed, or a result variable was asked for.
            SandboxUnavailableError: the sandbox failed, and running again did not help; or it was
                closed.
        """
        entry = language(program.language)
        require_tools(entry)
        if program.result is not None:
            raise InputError(
                "only Python programs hand back a variable", got=program.language,
                fix="compare what the program prints",
            )  # fmt: skip
        entry, program, ready = self._with_ready_files(entry, program)
        build = BuildAndRun(
            entry.file_name,
            tuple(_commands(entry, limits)),
            _environment(entry),
            ready,
            error_line=entry.error_line,
            error_text=entry.error_text,
        )
        directories = self._provider is NamespaceProvider.NONE

        def attempt(retries: int, notes: tuple[str, ...]) -> RunResult:
            with (
                self._leased_server() as server,
                started(server, build, program, limits, directories=directories) as child,
            ):
                child.wait()
                return child.result(self._isolation, retries, notes)

        return retried(attempt, self._notes)

    def _with_ready_files(
        self, entry: Language, program: Program
    ) -> tuple[Language, Program, Mapping[str, str]]:
        """A language whose compiler uses what is ready for it, a program and variables that do."""
        wanted = entry.preparation
        directory = self._ready.of(entry) if self._ready is not None else None
        if wanted is None or directory is None:
            return entry, program, {}
        shown = self._shown(directory)
        first, *others = entry.compile_command
        options = [option.format(ready=shown) for option in wanted.options]
        entry = replace(entry, compile_command=(first, *options, *others))
        if wanted.begins and program.source.startswith(wanted.text):
            begins = wanted.begins.format(ready=shown)
            # Every line keeps its number.
            begins += "\n" * (wanted.text.count("\n") - begins.count("\n"))
            program = replace(program, source=begins + program.source[len(wanted.text) :])
        named = {key: path.format(ready=shown) for key, path in wanted.environment.items()}
        return entry, program, named

    @functools.cached_property
    def _ready(self) -> ReadyFiles | None:
        """What compilers have ready; None where programs could not read it."""
        files = ReadyFiles(app_dirs().toolchains.resolve(), _environment)
        reachable = (
            # Root makes its own mounts; anything else must reach the files by their path.
            self._provider is NamespaceProvider.OWN
            or os.geteuid() != 0
            or open_to_all(files.directory)
        )
        return files if files.usable and reachable else None

    def _shown(self, path: Path) -> str:
        """Where programs find a file of this machine: their /tmp hides what is below ours."""
        below = self._nest and path.is_relative_to("/tmp")
        return f"{TMP_REBIND}{path}" if below else str(path)

    def warm(self) -> None:
        """Start the build server now, so that no program has to wait."""
        with self._leased_server():
            pass

    def close(self) -> None:
        """End the build server. Safe to call twice."""
        with self._lock:
            self._closed = True
            server, self._server = self._server, None
        if server is not None:
            server.close()

    @contextlib.contextmanager
    def _leased_server(self) -> Iterator[Worker]:
        """The build server, or one for this program alone where programs could see each other."""
        if not self._keep_server:
            server = self._start()
            try:
                yield server
            finally:
                server.close()
            return
        with self._lock:
            if self._closed:
                raise SandboxUnavailableError("the sandbox was closed", fix="open a new one")
            if self._server is not None and not self._server.running:
                self._server.close()
                self._server = None
            if self._server is None:
                self._server = self._start()
            server = self._server
        yield server

    def _start(self) -> Worker:
        ready = self._ready
        return Worker(
            self._isolation,
            self._provider,
            modules=(),
            bootstrap=_BOOTSTRAP,
            readable=(*_readable(), *([str(ready.directory)] if ready is not None else [])),
            environment=_SERVER_ENVIRONMENT,
        )


def _readable() -> tuple[str, ...]:
    settings = [str(path) for path in Path("/etc").glob("java-*")]
    return tuple(path for path in (*_READABLE, *settings) if Path(path).exists())


@functools.cache
def _environment(entry: Language) -> Mapping[str, str]:
    """Of the tools and programs of one language: a library path costs each process of others."""
    tool = shutil.which(entry.tools[-1], path=SEARCH_PATH)
    home = "" if tool is None else str(Path(tool).resolve().parents[1])
    return {
        "PATH": SEARCH_PATH,
        "HOME": ".",
        "TMPDIR": ".",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "OPENSSL_CONF": "/dev/null",
        **{name: value.format(home=home) for name, value in entry.environment.items()},
    }


def _commands(entry: Language, limits: Limits) -> Iterator[Command]:
    if entry.compile_command:
        yield _command("compile", entry.compile_command, entry, COMPILE_LIMITS, forks=True)
    allowed = replace(limits, cpu_seconds=limits.cpu_seconds * entry.cpu_factor)
    yield _command("run", entry.run_command, entry, allowed, forks=False)


def _command(
    name: str, parts: Sequence[str], entry: Language, limits: Limits, *, forks: bool
) -> Command:
    memory = limits.memory_bytes
    if not entry.limits_address_space:
        # The heap gets the memory that was asked for; the runtime's own comes on top.
        memory += 256 << 20
    fields = {"python": sys.executable, "memory_mib": max(1, limits.memory_bytes >> 20)}
    return Command(
        name=name,
        argv=tuple(part.format(**fields) for part in parts),
        forks=forks,
        limits_address_space=entry.limits_address_space,
        cpu_seconds=limits.cpu_seconds,
        memory_bytes=memory,
        file_bytes=limits.file_bytes,
        open_files=limits.open_files,
    )
