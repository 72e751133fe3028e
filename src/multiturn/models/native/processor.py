"""What this machine's processor can do, as far as the operating system lets a process use it."""

from __future__ import annotations

import ctypes
import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["Processor", "parse_cpuinfo", "this_processor"]

_CPUINFO = Path("/proc/cpuinfo")
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
_ARCH_PRCTL = 158
_REQUEST_STATE = 0x1023  # ARCH_REQ_XCOMP_PERM of the kernel's asm/prctl.h
_AMX_TILES = 18  # the state component of AMX's tile registers


@dataclass(frozen=True, slots=True)
class Processor:
    """A processor and its usable instruction sets.

    Attributes:
        architecture: ``x86_64``, ``aarch64``, or what `platform.machine` gives.
        model: its name, for people, and for what is measured on this machine.
        features: the instruction sets that every core has, by their names in /proc/cpuinfo.
            Linux lists only those whose registers it saves, apart from AMX, whose names are
            removed here where the process may not use it.
    """

    architecture: str
    model: str
    features: frozenset[str]


@cache
def this_processor() -> Processor:
    """The processor of this machine. It has no features where /proc/cpuinfo cannot be read."""
    machine = platform.machine().lower()
    architecture = _ARCHITECTURES.get(machine, machine)
    try:
        text = _CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    found = parse_cpuinfo(text, architecture)
    if "amx_tile" in found.features and not _request_amx():
        without_amx = frozenset(name for name in found.features if not name.startswith("amx_"))
        found = Processor(architecture, found.model, without_amx)
    return found


def parse_cpuinfo(text: str, architecture: str) -> Processor:
    """The processor that the text of /proc/cpuinfo describes.

    Args:
        text: of the file, with one paragraph for each core.
        architecture: of the machine.
    """
    model, features = "", None
    for line in text.splitlines():
        key, _, value = line.partition(":")
        match key.strip():
            case "flags" | "Features":
                core = frozenset(value.split())
                features = core if features is None else features & core
            case "model name" | "CPU part" if not model:
                model = value.strip()
    return Processor(architecture, model or architecture, features or frozenset())


def _request_amx() -> bool:
    """Ask Linux for AMX's tile registers, which a process may not use before."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        answer: int = libc.syscall(
            ctypes.c_long(_ARCH_PRCTL), ctypes.c_long(_REQUEST_STATE), ctypes.c_long(_AMX_TILES)
        )
    except (OSError, AttributeError):
        return False
    return answer == 0
