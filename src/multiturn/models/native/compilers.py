"""The C++ compilers of this machine, and how a library is compiled with one of them."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from multiturn.core.errors import EngineError
from multiturn.models.native.zig import cpp_runtime, link_command

__all__ = ["Compiler", "compile_library", "find_compiler", "find_compilers"]

_MAX_SECONDS = 1800
"""After which a compiler counts as hung."""
_NEEDED = "g++ 12 or later, clang++ 15 or later"


@dataclass(frozen=True, slots=True)
class Compiler:
    """A C++ compiler that runs here: its command, and the version that it prints."""

    command: tuple[str, ...]
    version: str

    @property
    def name(self) -> str:
        """For people."""
        return "ziglang" if "ziglang" in self.command else Path(self.command[0]).name

    @property
    def is_zig(self) -> bool:
        """Whether this is zig, from the package ``ziglang`` or elsewhere."""
        return self.name in ("ziglang", "zig")


def find_compilers() -> Iterator[Compiler]:
    """The compilers to use, best first: ``$CXX`` alone if set; g++, clang++, ``ziglang``."""
    named = os.environ.get("CXX", "").split()
    candidates: list[tuple[str, ...]] = [tuple(named)] if named else [("g++",), ("clang++",)]
    if not named and importlib.util.find_spec("ziglang") is not None:
        candidates.append((sys.executable, "-m", "ziglang", "c++"))
    for command in candidates:
        if shutil.which(command[0]) is None:
            continue
        try:
            answer = subprocess.run(
                [*command, "--version"], capture_output=True, text=True, timeout=60, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if answer.returncode == 0:
            yield Compiler(command, answer.stdout.strip())


def find_compiler() -> Compiler | None:
    """The first of `find_compilers`, or None."""
    return next(find_compilers(), None)


def compile_library(
    compiler: Compiler, units: Sequence[Path], flags: Sequence[str], output: Path
) -> None:
    """Compile each unit, as many at once as this process has CPUs, and link a shared library.

    Args:
        compiler: to use.
        units: the source files.
        flags: of the compiler, for every unit and for the linker.
        output: the library; other files are written beside it.

    Raises:
        EngineError: the compiler failed or did not finish.
    """
    # The largest first, since the last to end decides how long all of them take.
    ordered = sorted(units, key=lambda unit: -unit.stat().st_size)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:

        def compile_all(prefix: str, jobs: Sequence[tuple[Path, Sequence[str]]]) -> list[_Object]:
            found = []
            for index, (unit, unit_flags) in enumerate(jobs):
                path = str(output.with_name(f"{prefix}-{index}.o"))
                command = [*compiler.command, *unit_flags, "-c", str(unit), "-o", path]
                found.append(_Object(path, pool.submit(_run, command)))
            return found

        own = compile_all("unit", [(unit, flags) for unit in ordered])
        runtime = cpp_runtime(output.parent) if compiler.name == "ziglang" else None
        runtime_objects = compile_all("runtime", runtime.units) if runtime is not None else []
    for each in own:
        each.compiled.result()
    if runtime_objects:
        try:
            for each in runtime_objects:
                each.compiled.result()
            _run(link_command([each.path for each in (*own, *runtime_objects)], output))
            return
        except EngineError:
            pass  # zig's own way takes longer, and works everywhere
    _run([*compiler.command, *flags, "-shared", *(each.path for each in own), "-o", str(output)])


@dataclass(frozen=True, slots=True)
class _Object:
    path: str
    compiled: Future[None]


def _run(command: Sequence[str]) -> None:
    # Only zig reads it. Its own place for a cache may not be writable.
    cache = Path(command[-1]).parent.parent / "zig"
    environment = {"ZIG_GLOBAL_CACHE_DIR": str(cache), **os.environ}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            env=environment,
            timeout=_MAX_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(
            "the C++ compiler did not finish",
            got=f"{command[0]}: {error}",
            fix="name another with $CXX",
        ) from error
    if done.returncode != 0 or not Path(command[-1]).exists():
        errors = [line for line in done.stderr.splitlines() if "error" in line]
        first = (errors or done.stderr.strip().splitlines() or ["no message"])[0]
        raise EngineError(
            "the C++ compiler could not compile the native CPU kernels",
            got=f"{command[0]}: {first}",
            fix=f"name another with $CXX: {_NEEDED}",
        )
