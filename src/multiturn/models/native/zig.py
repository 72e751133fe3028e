"""A short way to a library with the compiler of ``ziglang``, which machines without g++ use.

``zig c++`` compiles its C++ library, libc++, from source before it first links: about 110 seconds
of CPU time. The kernels use little of it. So the few files that they need are compiled beside
them, in 9 seconds, and lld links against the C library of this process. Where that does not work
(another version of zig, a library that uses streams), zig links in its own way.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CppRuntime", "cpp_runtime", "link_command"]

_CXX = (
    "atomic", "chrono", "condition_variable", "exception", "functional", "hash", "memory", "mutex",
    "new_handler", "new_helpers", "stdexcept", "string", "system_error", "thread", "verbose_abort",
)  # fmt: skip
_CXX_ALONE = ("condition_variable_destructor", "error_category", "future", "mutex_destructor")
"""Files that define macros for what they include, so each is a unit of its own."""
_ABI = (
    "abort_message", "cxa_aux_runtime", "cxa_default_handlers", "cxa_exception",
    "cxa_exception_storage", "cxa_guard", "cxa_handlers", "cxa_personality", "cxa_thread_atexit",
    "cxa_vector", "cxa_virtual", "fallback_malloc", "private_typeinfo", "stdlib_exception",
    "stdlib_new_delete", "stdlib_stdexcept", "stdlib_typeinfo",
)  # fmt: skip
_FLAGS = (
    "-std=c++23",
    "-fPIC",
    "-fvisibility=hidden",
    "-ffunction-sections",
    "-fno-sanitize=all",
    "-w",
    "-DNDEBUG",
    "-DLIBCXX_BUILDING_LIBCXXABI",
    "-DLIBCXXABI_NON_DEMANGLING_TERMINATE",
    "-D_LIBCPP_BUILDING_LIBRARY",
    "-D_LIBCPP_DISABLE_VISIBILITY_ANNOTATIONS",
    "-D_LIBCPP_HAS_NO_PRAGMA_SYSTEM_HEADER",
    "-D_LIBCPP_SHARED_PTR_DEFINE_LEGACY_INLINE_FUNCTIONS",
    "-D_LIBCXXABI_BUILDING_LIBRARY",
    "-D_LIBCXXABI_DISABLE_VISIBILITY_ANNOTATIONS",
)
_SYSTEM = ("libc.so", "libc.musl", "libm.so", "libpthread.so", "libgcc_s.so", "ld-linux", "ld-musl")


@dataclass(frozen=True, slots=True)
class CppRuntime:
    """What is compiled of the C++ library: units, each with its flags."""

    units: tuple[tuple[Path, tuple[str, ...]], ...]


def cpp_runtime(directory: Path) -> CppRuntime | None:
    """Write the units into a directory; None where the package has no sources of libc++."""
    found = importlib.util.find_spec("ziglang")
    if found is None or not found.submodule_search_locations:
        return None
    lib = Path(found.submodule_search_locations[0]) / "lib"
    groups = [("runtime", "libcxx", _CXX, "-O1"), ("abi", "libcxxabi", _ABI, "-O1")]
    groups += [(name, "libcxx", (name,), "-O1") for name in _CXX_ALONE]
    # Every instance of std::sort is in this one; nothing here sorts where it matters.
    groups.append(("algorithm", "libcxx", ("algorithm",), "-O0"))
    places = (f"-I{lib}", f"-I{lib}/libcxx/src", f"-I{lib}/libcxxabi/include")
    units = []
    for name, library, sources, level in groups:
        files = [lib / library / "src" / f"{source}.cpp" for source in sources]
        if not all(file.exists() for file in files):
            return None
        unit = directory / f"libcxx-{name}.cc"
        unit.write_text("".join(f'#include "{file}"\n' for file in files), "utf-8")
        units.append((unit, (*_FLAGS, level, *places)))
    return CppRuntime(tuple(units))


def link_command(objects: list[str], output: Path) -> list[str]:
    """The command that links a library against the C library that this process has loaded."""
    lld = [sys.executable, "-m", "ziglang", "ld.lld", "-shared", "-z", "defs", "--eh-frame-hdr"]
    return [*lld, "--gc-sections", *objects, "--as-needed", *_system_libraries(), "-o", str(output)]


def _system_libraries() -> list[str]:
    for name in ("libgcc_s.so.1", "libm.so.6"):
        with contextlib.suppress(OSError):
            ctypes.CDLL(name)
    try:
        lines = Path("/proc/self/maps").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return []
    paths = {line.split(maxsplit=5)[5] for line in lines if "/" in line}
    return sorted(path for path in paths if Path(path).name.startswith(_SYSTEM))
