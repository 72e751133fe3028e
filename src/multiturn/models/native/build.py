"""Compiling the kernels: on first use, once for each version of the sources, compiler and CPU."""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import logging
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import jax.ffi
from filelock import FileLock

from multiturn.core.app_dirs import app_dirs
from multiturn.core.errors import EngineError, InputError, MultiturnError, storage_errors
from multiturn.core.files import sha256_file, write_atomically

__all__ = [
    "CPU_VARIABLE",
    "Compiler",
    "NativeStatus",
    "Sources",
    "built_library",
    "find_compiler",
    "native_status",
    "processor_flag",
    "processor_flags",
    "target_processor",
]

log = logging.getLogger(__name__)

CPU_VARIABLE = "MULTITURN_CPU"
"""The environment variable that names the CPU to compile for, in place of this machine's."""
_NATIVE = "native"
_X86_LEVELS = {
    "x86-64-v2": ("sse4_2", "ssse3", "popcnt"),
    "x86-64-v3": ("avx2", "fma", "f16c", "bmi2"),
    "x86-64-v4": ("avx512f", "avx512bw", "avx512dq", "avx512vl"),
}
"""The levels of the x86-64 psABI, each with the flags of /proc/cpuinfo that it needs."""

_CPP = Path(__file__).parent / "cpp"
_FLAGS = (
    "-std=c++20",
    "-O3",
    "-ffp-contract=off",  # see cpp/vectors.h
    "-fPIC",
    "-shared",
    "-pthread",
)
_WARNINGS = ("-Wall", "-Wextra", "-Wno-psabi")
_MAX_SECONDS = 1800
"""After which a compiler counts as hung. Compiling takes a minute on an idle machine."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What one library is compiled from.

    Attributes:
        name: of the library.
        units: the files given to the compiler.
        directories: where the compiler reads; the library is compiled again if a file changes.
    """

    name: str
    units: tuple[Path, ...]
    directories: tuple[Path, ...]


_DECODER = Sources(
    name="kernels",
    units=tuple(_CPP / name for name in ("decoder.cc", "weights.cc", "api.cc", "ffi.cc")),
    directories=(_CPP,),
)


@dataclass(frozen=True, slots=True)
class Compiler:
    """A C++ compiler that runs here: its command, and the version that it prints."""

    command: tuple[str, ...]
    version: str


@dataclass(frozen=True, slots=True)
class NativeStatus:
    """Whether the native kernels work here, and what to tell a person about it."""

    works: bool
    found: str
    fix: str | None = None


def find_compiler() -> Compiler | None:
    """The compiler to use: ``$CXX``, g++, clang++, or the one in the package ``ziglang``."""
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
            return Compiler(command, answer.stdout.strip())
    return None


def built_library(sources: Sources | None = None, *, extra_flags: tuple[str, ...] = ()) -> Path:
    """The compiled library, from the cache or compiled now.

    If several processes ask at once, one compiles and the others wait for it. A damaged file in
    the cache is compiled again.

    Args:
        sources: of the library; by default those of the decoder.
        extra_flags: for the compiler, such as those of a sanitizer.

    Raises:
        EngineError: no compiler was found, or it failed.
        InputError: `CPU_VARIABLE` names an unknown CPU, or one with instructions that this
            machine lacks.
        StorageError: the library cannot be written.
    """
    sources = sources or _DECODER
    target = target_processor()
    compiler = find_compiler()
    if compiler is None:
        raise EngineError(
            "the native CPU kernels need a C++ compiler, and none was found",
            allowed="$CXX, g++, clang++, or the package ziglang",
            fix="install g++, or: pip install ziglang",
        )
    directory = app_dirs().models.parent / "native"
    path = directory / f"{sources.name}-{_key(compiler, sources, target, extra_flags)}.so"
    if _is_intact(path):
        return path
    with storage_errors(directory, "writing the native kernels"):
        directory.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if not _is_intact(path):
            _compile(compiler, sources, target, extra_flags, path)
    return path


def target_processor() -> str:
    """What the kernels are compiled for: this machine's CPU, or the one in ``MULTITURN_CPU``.

    A name other than ``native`` makes kernels that use fewer instructions than this machine has:
    ``x86-64-v3`` stands for AVX2 and nothing newer.

    Raises:
        InputError: the name is unknown, or this machine lacks instructions of that CPU.
    """
    named = os.environ.get(CPU_VARIABLE, "").strip() or _NATIVE
    if named == _NATIVE:
        return named
    here = processor_flags()
    runs = [level for level, needed in _X86_LEVELS.items() if here.issuperset(needed)]
    if named not in runs:
        known = named in _X86_LEVELS
        raise InputError(
            f"{CPU_VARIABLE} names a processor that "
            + ("has instructions which this one lacks" if known else "is not known"),
            got=named,
            allowed=", ".join((_NATIVE, *runs)),
        )
    return named


def processor_flag(target: str, machine: str | None = None) -> str:
    """The compiler's option for a target of `target_processor`.

    On aarch64 only ``-mcpu`` takes ``native`` in GCC and Clang alike.
    """
    arm = (machine or platform.machine()) == "aarch64"
    return f"-mcpu={target}" if arm else f"-march={target}"


def processor_flags() -> frozenset[str]:
    """The instruction sets of this machine's first CPU, by their names in /proc/cpuinfo."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    for line in text.split("\n"):
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def native_status() -> NativeStatus:
    """Whether the kernels work here, and for which instructions; compiles them if necessary."""
    compiler = find_compiler()
    try:
        path = built_library()
        variant = _variant_of(path)
    except MultiturnError as error:
        return NativeStatus(False, f"CPU batches run on XLA, slower: {error.what}", error.fix)
    first = compiler.version.splitlines()[0] if compiler and compiler.version else "a compiler"
    target = target_processor()
    chosen = "" if target == _NATIVE else f" ({CPU_VARIABLE}={target})"
    size = path.stat().st_size / 1e3
    return NativeStatus(True, f"native kernels for {variant}{chosen}, {size:.0f} kB, by {first}")


def _variant_of(path: Path) -> str:
    """The instruction sets that a library reports."""
    try:
        variant = ctypes.CDLL(str(path)).mt_variant
    except (OSError, AttributeError) as error:
        raise EngineError(
            "the native CPU kernels do not load", got=str(error), fix=f"remove {path.parent}"
        ) from error
    variant.restype = ctypes.c_char_p
    name: bytes = variant()
    return name.decode("ascii")


def _key(compiler: Compiler, sources: Sources, target: str, extra_flags: tuple[str, ...]) -> str:
    """A short hash of everything that the compiled library depends on."""
    digest = hashlib.sha256()
    for directory in sources.directories:
        for source in sorted(directory.iterdir()):
            digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    inputs = (*compiler.command, compiler.version, *_FLAGS, target, *extra_flags, version("jaxlib"))
    digest.update("\0".join((*inputs, _processor())).encode())
    return digest.hexdigest()[:20]


def _processor() -> str:
    """What ``-march=native`` depends on: the CPU's model and its instruction sets."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    keys = ("model name", "flags", "Features", "CPU part")
    return "\n".join([platform.machine(), *(line for line in lines if line.startswith(keys))])


def _is_intact(path: Path) -> bool:
    """Whether the file has its checksum. Loading a truncated library would crash the process."""
    try:
        checksum = path.with_suffix(".sha256").read_text(encoding="ascii").strip()
        return sha256_file(path) == checksum
    except (OSError, UnicodeDecodeError):
        return False


def _compile(
    compiler: Compiler, sources: Sources, target: str, extra_flags: tuple[str, ...], path: Path
) -> None:
    log.info("compiling the native CPU kernels, once")
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".building-") as directory:
        output = Path(directory) / "kernels.so"
        command = [
            *compiler.command,
            *_FLAGS,
            processor_flag(target),
            *_WARNINGS,
            *extra_flags,
            "-isystem",
            jax.ffi.include_dir(),
            *(str(unit) for unit in sources.units),
            "-o",
            str(output),
        ]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_MAX_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EngineError(
                "the C++ compiler did not finish",
                got=f"{compiler.command[0]}: {error}",
                fix="name another with $CXX",
            ) from error
        if done.returncode != 0 or not output.exists():
            errors = [line for line in done.stderr.splitlines() if "error" in line]
            first = (errors or done.stderr.strip().splitlines() or ["no message"])[0]
            raise EngineError(
                "the C++ compiler could not compile the native CPU kernels",
                got=f"{compiler.command[0]}: {first}",
                fix="name another with $CXX: g++ 12 or later, clang++ 15 or later",
            )
        with storage_errors(path, "writing the native kernels"):
            data = output.read_bytes()
            write_atomically(path, data, mode=0o755)
            write_atomically(path.with_suffix(".sha256"), hashlib.sha256(data).hexdigest())
