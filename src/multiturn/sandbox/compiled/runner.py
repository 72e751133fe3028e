"""Programs in other languages than Python: compiled and run behind walls of their own.

Each program gets a fresh set of walls, of the same kind as the level's for Python programs:
namespaces with a root directory of nothing but the system's own files, or Landlock, and in
both cases a seccomp filter and limits. Compiling is done inside as well. What can be said
less surely than for Python is in docs/decisions/0006-oracles-and-languages.md: a program that
leaves early with success looks like one that came to its end.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from multiturn.core.errors import InputError, SandboxUnavailableError
from multiturn.sandbox.compiled.child import COMPILE_LIMITS, BuildAndRun, ChildSetupError, launched
from multiturn.sandbox.inside.build_and_run import Command
from multiturn.sandbox.isolation import IsolationLevel, NamespaceProvider
from multiturn.sandbox.outcomes import RunResult
from multiturn.sandbox.protocol import Limits, Program
from multiturn.text.languages import LANGUAGES, Language, language

__all__ = ["LanguageRunner", "LanguageSupport", "available_languages"]

SEARCHED = "/usr/local/bin:/usr/bin:/bin"
"""Where tools are looked for: what lies in a home is not shown to programs."""

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
_MAX_TRIES = 3


@dataclass(frozen=True, slots=True)
class LanguageSupport:
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


def available_languages() -> tuple[LanguageSupport, ...]:
    """Every language of the table, with the tools that are missing for it."""
    return tuple(_availability(entry) for entry in LANGUAGES.values())


def _availability(entry: Language) -> LanguageSupport:
    tools = [tool for tool in entry.tools if not tool.startswith("{")]
    missing = [tool for tool in tools if not shutil.which(tool, path=SEARCHED)]
    return LanguageSupport(entry, tuple(missing))


class LanguageRunner:
    """Runs programs by their language's recipe.

    Args:
        isolation: how strongly they are isolated; must have been tried.
        provider: what makes the namespaces, on the levels that have them.
        notes: said in every result.
    """

    def __init__(
        self, isolation: IsolationLevel, provider: NamespaceProvider, notes: tuple[str, ...] = ()
    ) -> None:
        self._isolation = isolation
        self._provider = provider
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
        build = BuildAndRun(
            entry.file_name, tuple(_steps(entry, limits)), _environment(), _readable()
        )
        notes = self._notes
        for retries in range(_MAX_TRIES):
            try:
                with launched(self._isolation, self._provider, build, program, limits) as run:
                    run.wait()
                return run.result(retries, notes)
            except ChildSetupError as error:
                notes = (*notes, f"begun again because the sandbox failed: {error}")
        raise SandboxUnavailableError(
            f"the sandbox failed {_MAX_TRIES} times with the same {entry.name} program",
            got=notes[-1],
            fix="run `multiturn doctor`",
        )


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


def _steps(entry: Language, limits: Limits) -> Iterator[Command]:
    if entry.compile_command:
        compiling = replace(COMPILE_LIMITS, open_files=limits.open_files)
        yield _step("compile", entry.compile_command, entry, compiling, forks=True)
    allowed = replace(limits, cpu_seconds=limits.cpu_seconds * entry.cpu_factor)
    yield _step("run", entry.run_command, entry, allowed, forks=False)


def _step(
    name: str, command: Sequence[str], entry: Language, limits: Limits, *, forks: bool
) -> Command:
    memory = limits.memory_bytes
    if not entry.limits_address_space:
        # The heap has the memory that was asked for; the runtime's own comes on top.
        memory += 256 << 20
    words = {"python": sys.executable, "memory_mib": max(1, limits.memory_bytes >> 20)}
    return Command(
        name=name,
        command=tuple(part.format(**words) for part in command),
        forks=forks,
        limits_address_space=entry.limits_address_space,
        cpu_seconds=limits.cpu_seconds,
        memory_bytes=memory,
        file_bytes=limits.file_bytes,
        open_files=limits.open_files,
    )
