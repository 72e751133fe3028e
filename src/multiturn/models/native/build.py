"""The compiled kernels: prebuilt, from the cache, or compiled now for the chosen variant."""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock, Timeout

from multiturn.core.app_dirs import app_dirs
from multiturn.core.errors import EngineError, MultiturnError, storage_errors
from multiturn.models.native.compilers import (
    Compiler,
    compile_library,
    find_compiler,
    find_compilers,
)
from multiturn.models.native.library_cache import find, new_build_directory, prune, store
from multiturn.models.native.prebuilt import PREBUILT, library_key, prebuilt_library
from multiturn.models.native.variants import Variant, chosen_variant

__all__ = [
    "Announce",
    "FLAGS",
    "NativeStatus",
    "Sources",
    "built_library",
    "compiler_flags",
    "decoder_sources",
    "library_is_available",
    "native_status",
    "no_announcement",
]

Announce = Callable[[str], None]
"""Called with one line for a person, before a compilation or a wait for one begins."""


def no_announcement(line: str) -> None:
    """Say nothing."""
    del line


_CPP = Path(__file__).parent / "cpp"
FLAGS = (
    # Those of every compiler and variant.
    "-std=c++20",
    "-O3",
    "-ffp-contract=off",  # see cpp/vectors.h
    "-fPIC",
    "-pthread",
    "-Wall",
    "-Wextra",
    "-Wno-psabi",
)


@dataclass(frozen=True, slots=True)
class Sources:
    """What one library is compiled from.

    Attributes:
        name: of the library.
        units: the files given to the compiler.
        directories: where the compiler reads; the library is compiled again if a file changes.
        for_xla: whether XLA's headers are needed, which the package ``jaxlib`` has.
    """

    name: str
    units: tuple[Path, ...]
    directories: tuple[Path, ...]
    for_xla: bool = False

    def digest(self) -> str:
        """A hash of all files in the directories."""
        digest = hashlib.sha256()
        for directory in self.directories:
            for source in sorted(directory.iterdir()):
                digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
        return digest.hexdigest()


def decoder_sources() -> Sources:
    """Those of the decoder: every ``.cc`` of the directory is one unit."""
    units = tuple(sorted(_CPP.glob("*.cc")))
    return Sources("kernels", units, (_CPP,))


@dataclass(frozen=True, slots=True)
class NativeStatus:
    """Whether the native kernels work here, and what to tell a person about it."""

    works: bool
    found: str
    fix: str | None = None


def built_library(
    sources: Sources | None = None,
    *,
    variant: Variant | None = None,
    extra_flags: tuple[str, ...] = (),
    announce: Announce = no_announcement,
) -> Path:
    """The compiled library: prebuilt, from the cache, or compiled now.

    A prebuilt one is not used with ``$CXX``, which asks for a compiler. If several processes ask
    at once, one compiles and the others wait for it. A damaged file in the cache is compiled again.
    Where there is no compiler any more, what one made of the same sources before is used. A
    compilation removes libraries that were not used for a month.

    Args:
        sources: of the library; by default those of the decoder.
        variant: of the library; by default `chosen_variant`.
        extra_flags: for the compiler, such as those of a sanitizer.
        announce: called with a line if this takes a while.

    Raises:
        EngineError: no compiler was found, or none could compile it.
        InputError: `MULTITURN_CPU` names an unknown variant, or one that this machine cannot run.
        StorageError: the library cannot be written.
    """
    sources = sources or decoder_sources()
    variant = variant or chosen_variant()
    digest = sources.digest()
    if not extra_flags and not os.environ.get("CXX"):
        prebuilt = prebuilt_library(library_key(digest, FLAGS, variant), variant)
        if prebuilt is not None:
            return prebuilt
    directory = app_dirs().kernels
    failure: EngineError | None = None
    for compiler in find_compilers():
        flags = (*compiler_flags(compiler, sources, variant), *extra_flags)
        path = _path(compiler, flags, sources, variant, digest)
        if find(path):
            return path
        with storage_errors(directory, "writing the native kernels"):
            directory.mkdir(parents=True, exist_ok=True)
        try:
            with _exclusive(directory, announce):
                if not find(path):
                    announce(
                        f"compiling the CPU kernels ({sources.name}, {variant.name}) "
                        f"with {compiler.name}, once"
                    )
                    _compile(compiler, sources.units, flags, path)
                    prune(directory, keep=path)
        except EngineError as error:
            failure = failure or error
            continue
        return path
    if failure is None:
        cached = _compiled_before(directory, _prefix(sources, variant, digest))
        if cached is not None and not extra_flags:
            return cached
    raise failure or EngineError(
        "the native CPU kernels need a C++ compiler, and none was found",
        allowed="$CXX, g++, clang++, or the package ziglang",
        fix="install g++, or: pip install ziglang",
    )


def library_is_available() -> bool:
    """Whether the decoder's library is here, or there is a compiler for it; compiles nothing.

    Raises:
        InputError: as in `built_library`.
    """
    if find_compiler() is not None:
        return True
    sources, variant = decoder_sources(), chosen_variant()
    digest = sources.digest()
    prefix = _prefix(sources, variant, digest)
    return (
        prebuilt_library(library_key(digest, FLAGS, variant), variant) is not None
        or _compiled_before(app_dirs().kernels, prefix) is not None
    )


def _path(
    compiler: Compiler, flags: Sequence[str], sources: Sources, variant: Variant, digest: str
) -> Path:
    """Where the library is that a compiler makes."""
    key = _key(digest, compiler, flags, sources.for_xla)
    return app_dirs().kernels / f"{_prefix(sources, variant, digest)}{key}.so"


def _prefix(sources: Sources, variant: Variant, digest: str) -> str:
    """How the names of all libraries begin that were compiled of these sources for a variant."""
    return f"{sources.name}-{variant.name}-{digest[:12]}-"


def _compiled_before(directory: Path, prefix: str) -> Path | None:
    """A library that some compiler made, for when there is no compiler any more."""
    return next((path for path in directory.glob(f"{prefix}*.so") if find(path)), None)


def compiler_flags(compiler: Compiler, sources: Sources, variant: Variant) -> tuple[str, ...]:
    """The flags with which a compiler compiles a variant."""
    flags = (*FLAGS, *variant.flags(zig=compiler.is_zig))
    return (*flags, "-isystem", str(_xla_headers())) if sources.for_xla else flags


def native_status(announce: Announce = no_announcement) -> NativeStatus:
    """Whether the kernels work here, and as which variant; compiles them if necessary.

    Args:
        announce: called with a line if this takes a while.
    """
    try:
        path = built_library(announce=announce)
        variant = _variant_of(path)
    except MultiturnError as error:
        return NativeStatus(False, f"the native kernels do not run: {error.what}", error.fix)
    size = path.stat().st_size / 1e3
    return NativeStatus(True, f"native kernels for {variant}, {size:.0f} kB, {_origin(path)}")


def _origin(path: Path) -> str:
    """Where the decoder's library comes from, for people."""
    if path.parent == PREBUILT:
        return "prebuilt"
    sources, variant = decoder_sources(), chosen_variant()
    digest = sources.digest()
    for compiler in find_compilers():
        flags = compiler_flags(compiler, sources, variant)
        if path == _path(compiler, flags, sources, variant, digest):
            return f"compiled by {compiler.version.partition(chr(10))[0]}"
    return "compiled by a compiler that was here before"


def _variant_of(path: Path) -> str:
    """The variant that a library reports."""
    try:
        variant = ctypes.CDLL(str(path)).mt_variant
    except (OSError, AttributeError) as error:
        raise EngineError(
            "the native CPU kernels do not load", got=str(error), fix=f"remove {path.parent}"
        ) from error
    variant.restype = ctypes.c_char_p
    name: bytes = variant()
    return name.decode("ascii")


def _xla_headers() -> Path:
    """The directory that `jax.ffi.include_dir` gives, found without importing jax."""
    found = importlib.util.find_spec("jaxlib")
    if found is None or not found.submodule_search_locations:
        raise EngineError("XLA's headers are not here", fix="pip install 'multiturn[jax]'")
    return Path(found.submodule_search_locations[0]) / "include"


def _key(digest: str, compiler: Compiler, flags: Sequence[str], for_xla: bool) -> str:
    """A short hash of everything that the compiled library depends on."""
    parts = [digest, *compiler.command, compiler.version, *flags]
    if for_xla:
        parts.append(version("jaxlib"))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


@contextmanager
def _exclusive(directory: Path, announce: Announce) -> Iterator[None]:
    """Hold the lock of the libraries; says so if another process has it."""
    lock = FileLock(directory / "compiling.lock")
    with storage_errors(directory, "writing the native kernels"):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            announce("waiting for another process that compiles the CPU kernels")
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _compile(compiler: Compiler, units: Sequence[Path], flags: Sequence[str], path: Path) -> None:
    with (
        storage_errors(path, "writing the native kernels"),
        new_build_directory(path.parent) as directory,
    ):
        output = Path(directory) / "kernels.so"
        compile_library(compiler, units, flags, output)
        store(path, output.read_bytes())
