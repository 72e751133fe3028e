"""Checks of the machine: Python, processor, memory, disk, terminal, languages."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

from multiturn import __version__
from multiturn.apps.cli.doctor.check import Check, State
from multiturn.core.app_dirs import app_dirs
from multiturn.core.errors import MissingDependencyError
from multiturn.core.memory import available_memory
from multiturn.sandbox.compiled.runner import available_languages
from multiturn.text.grammar import require_grammar
from multiturn.text.languages import Language

__all__ = ["check_disk", "check_languages", "check_machine", "check_python", "check_terminal"]

ROOM_WANTED = 700 << 20
"""Bytes: the default model and some spare room."""
MEMORY_WANTED = 1500 << 20
"""Bytes: the default model, its KV cache, and a running program."""

# Instruction sets that decide the speed of a model.
_FAST = (
    "amx_tile", "amx_bf16", "avx512f", "avx512_bf16", "avx512_vnni", "avx_vnni",
    "avx2", "fma", "f16c", "avx", "sse4_2", "asimd", "asimddp", "bf16", "i8mm", "sve",
)  # fmt: skip


def check_python() -> Check:
    """The interpreter and this package."""
    version = platform.python_version()
    return Check(
        name="python",
        state="works" if sys.version_info >= (3, 11) else "fails",
        found=f"multiturn {__version__} on Python {version} in {sys.prefix}",
        fix=None if sys.version_info >= (3, 11) else "use Python 3.11 or newer",
    )


def check_machine() -> Check:
    """Processor and memory."""
    system = f"{platform.system()} {platform.release()}, {platform.machine()}"
    cpus = len(os.sched_getaffinity(0))
    flags = _cpu_flags()
    found = f"{system}, {cpus} CPUs"
    details = [f"vector instructions: {', '.join(flags) or 'none known'}"]
    free = available_memory()
    fix = None
    if free is not None:
        details.append(f"free memory: {free >> 20} MiB")
        if free < MEMORY_WANTED:
            fix = "close other programs, or use a smaller model: --model smollm2-135m"
    if platform.machine() == "x86_64" and "avx2" not in flags:
        fix = "models are slow without AVX2; use a smaller one: --model smollm2-135m"
    return Check(
        name="machine",
        state="note" if fix else "works",
        found=found,
        details=tuple(details),
        fix=fix,
    )


def check_disk() -> Check:
    """Whether the directories are writable, and how much room they have."""
    details = []
    fix = None
    failed = False
    where = app_dirs()
    for name, place in (("sessions", where.data), ("models", where.models)):
        existing = _nearest_existing(place)
        try:
            with tempfile.TemporaryFile(dir=existing):
                pass
        except OSError as error:
            failed = True
            fix = f"make {existing} writable, or set MULTITURN_HOME to a writable directory"
            details.append(f"{name}: {place} is not writable ({error.strerror})")
            continue
        free = shutil.disk_usage(existing).free
        details.append(f"{name}: {place}, {free / 1e9:.1f} GB free")
        if free < ROOM_WANTED and fix is None:
            fix = "free some disk space, or set MULTITURN_HOME to a larger disk"
    found = "not writable" if failed else "low disk space" if fix else "enough disk space"
    state: State = "fails" if failed else "note" if fix else "works"
    return Check(name="disk", state=state, found=found, details=tuple(details), fix=fix)


def check_terminal() -> Check:
    """What the terminal can display."""
    encoding = sys.stdout.encoding or "unknown"
    size = shutil.get_terminal_size()
    kind = os.environ.get("TERM", "unknown")
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    details = (f"/edit uses {editor or 'an inline editor (EDITOR is not set)'}",)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return Check(
            name="terminal",
            state="note",
            found="standard input or output is not a terminal; turns can come from a pipe",
            details=details,
        )
    fix = None
    if encoding.lower().replace("-", "") != "utf8":
        fix = "some characters cannot be displayed; set LC_ALL=C.UTF-8"
    elif kind == "dumb":
        fix = "colours and live text need another terminal than TERM=dumb"
    return Check(
        name="terminal",
        state="note" if fix else "works",
        found=f"{kind}, {size.columns} by {size.lines}, {encoding}",
        details=details,
        fix=fix,
    )


def check_languages() -> Check:
    """Toolchains and grammars of the languages that programs can be written in."""
    supported = available_languages()
    here = [each.language.name for each in supported if each.works]
    details = [
        f"{each.language.name}: not installed: {', '.join(each.missing)}; {each.fix}"
        for each in supported
        if not each.works
    ]
    absent = [
        each.language.name
        for each in supported
        if each.language.grammar is not None and not _has_grammar(each.language)
    ]
    if absent:
        details.append(
            f"without a grammar, so not for programs in turns: {', '.join(absent)}; "
            "pip install 'multiturn[languages]'"
        )
    return Check(
        name="languages",
        state="works",
        found=f"can run {', '.join(here)}",
        details=tuple(details),
    )


def _has_grammar(entry: Language) -> bool:
    try:
        require_grammar(entry)
    except MissingDependencyError:
        return False
    return True


def _cpu_flags() -> list[str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return []
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            known = set(value.split())
            return [flag for flag in _FAST if flag in known]
    return []


def _nearest_existing(path: Path) -> Path:
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
