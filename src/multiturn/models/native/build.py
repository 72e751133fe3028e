"""Compiling the kernels: once for each source, compiler and processor, at first use."""

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
    "processor_flags",
    "target_processor",
]

log = logging.getLogger(__name__)

CPU_VARIABLE = "MULTITURN_CPU"
"""The environment variable that names the processor to compile for, in place of this one."""
_NATIVE = "native"
_X86_LEVELS = {
    "x86-64-v2": ("sse4_2", "ssse3", "popcnt"),
    "x86-64-v3": ("avx2", "fma", "f16c", "bmi2"),
    "x86-64-v4": ("avx512f", "avx512bw", "avx512dq", "avx512vl"),
}
"""The levels of x86-64's psABI, each with flags by which the kernel names what it needs."""

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
_SECONDS = 300
"""After which a compiler is taken to hang."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What one library is compiled from.

    Attributes:
        name: of the library.
        units: files given to the compiler.
        read: directories whose files decide what comes out.
    """

    name: str
    units: tuple[Path, ...]
    read: tuple[Path, ...]


_DECODER = Sources(
    name="kernels",
    units=tuple(_CPP / name for name in ("decoder.cc", "api.cc", "ffi.cc")),
    read=(_CPP,),
)


@dataclass(frozen=True, slots=True)
class Compiler:
    """A C++ compiler that answered: how it is called, and the version it told."""

    command: tuple[str, ...]
    version: str


@dataclass(frozen=True, slots=True)
class NativeStatus:
    """Whether the native kernels can be used here, in words for a person."""

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
            told = subprocess.run(
                [*command, "--version"], capture_output=True, text=True, timeout=60, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if told.returncode == 0:
            return Compiler(command, told.stdout.strip())
    return None


def built_library(sources: Sources | None = None, *, extra_flags: tuple[str, ...] = ()) -> Path:
    """The compiled library, compiled now if it is not kept yet.

    Several processes may ask at once: one compiles and the others wait for it. A kept file
    that is not as it was written is compiled again.

    Args:
        sources: of the library; None is the decoder's.
        extra_flags: added to the compiler's, as for a sanitizer.

    Raises:
        EngineError: no compiler was found, or it failed.
        InputError: `CPU_VARIABLE` names no processor, or one that has more than this one.
        StorageError: the library cannot be kept.
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
    if _is_whole(path):
        return path
    with storage_errors(directory, "keeping the native kernels"):
        directory.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if not _is_whole(path):
            _compile(compiler, sources, target, extra_flags, path)
    return path


def target_processor() -> str:
    """What the kernels are compiled for: this processor, or what ``MULTITURN_CPU`` names.

    Another name than ``native`` makes kernels with fewer instructions than this machine has:
    ``x86-64-v3`` gives those of a machine with AVX2 and nothing more.

    Raises:
        InputError: the name is not known, or this machine has less than it asks for.
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


def processor_flags() -> frozenset[str]:
    """The instruction sets of this machine's first processor, as the kernel names them."""
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
    """Whether the kernels compile here, and which; compiles them if they are not kept yet."""
    compiler = find_compiler()
    try:
        path = built_library()
        variant = _variant_of(path)
    except MultiturnError as error:
        return NativeStatus(False, f"CPU batches run on XLA, slower: {error.what}", error.fix)
    first = compiler.version.splitlines()[0] if compiler and compiler.version else "a compiler"
    target = target_processor()
    said = "" if target == _NATIVE else f" ({CPU_VARIABLE}={target})"
    size = path.stat().st_size / 1e3
    return NativeStatus(True, f"native kernels for {variant}{said}, {size:.0f} kB, by {first}")


def _variant_of(path: Path) -> str:
    """The instructions that a library was compiled with, as it says itself."""
    try:
        ask = ctypes.CDLL(str(path)).mt_variant
    except (OSError, AttributeError) as error:
        raise EngineError(
            "the native CPU kernels do not load", got=str(error), fix=f"remove {path.parent}"
        ) from error
    ask.restype = ctypes.c_char_p
    told: bytes = ask()
    return told.decode("ascii")


def _key(compiler: Compiler, sources: Sources, target: str, extra_flags: tuple[str, ...]) -> str:
    """A short name for everything that decides what the compiler would write."""
    digest = hashlib.sha256()
    for directory in sources.read:
        for source in sorted(directory.iterdir()):
            digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    told = (*compiler.command, compiler.version, *_FLAGS, target, *extra_flags, version("jaxlib"))
    digest.update("\0".join((*told, _processor())).encode())
    return digest.hexdigest()[:20]


def _processor() -> str:
    """What `-march=native` looks at: the processor's name and its instruction sets."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    wanted = ("model name", "flags", "Features", "CPU part")
    return "\n".join([platform.machine(), *(line for line in lines if line.startswith(wanted))])


def _is_whole(path: Path) -> bool:
    """Whether the file is the one that was compiled: loading a cut one would end the process."""
    try:
        promised = path.with_suffix(".sha256").read_text(encoding="ascii").strip()
        return sha256_file(path) == promised
    except (OSError, UnicodeDecodeError):
        return False


def _compile(
    compiler: Compiler, sources: Sources, target: str, extra_flags: tuple[str, ...], path: Path
) -> None:
    log.info("compiling the native CPU kernels, once")
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".building-") as room:
        made = Path(room) / "kernels.so"
        command = [
            *compiler.command,
            *_FLAGS,
            f"-march={target}",
            *_WARNINGS,
            *extra_flags,
            "-isystem",
            jax.ffi.include_dir(),
            *(str(unit) for unit in sources.units),
            "-o",
            str(made),
        ]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EngineError(
                "the C++ compiler did not finish",
                got=f"{compiler.command[0]}: {error}",
                fix="name another with $CXX",
            ) from error
        if done.returncode != 0 or not made.exists():
            faults = [line for line in done.stderr.splitlines() if "error" in line]
            said = (faults or done.stderr.strip().splitlines() or ["nothing"])[0]
            raise EngineError(
                "the C++ compiler could not compile the native CPU kernels",
                got=f"{compiler.command[0]}: {said}",
                fix="name another with $CXX: g++ 12 or later, clang++ 15 or later",
            )
        with storage_errors(path, "keeping the native kernels"):
            data = made.read_bytes()
            write_atomically(path, data, mode=0o755)
            write_atomically(path.with_suffix(".sha256"), hashlib.sha256(data).hexdigest())
