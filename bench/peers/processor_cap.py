"""Caps the vector instructions of a process, so that one machine stands in for a lesser one.

Processor, caches and memory stay what they are: figures measured so are marked as capped.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

CAPS = ("avx2",)
"""``avx2``: no AVX-512, AVX-VNNI or AMX."""

_SOURCE = Path(__file__).with_name("cpuid_cap.c")


def capped_environment(cap: str | None, place: Path) -> dict[str, str]:
    """The environment variables of a process that is to be capped; none without a cap.

    CPUID itself is answered for every library of the process (see cpuid_cap.c). This project reads
    the kernel's list in place of CPUID, so its own variable is set too.

    Args:
        cap: one of `CAPS`, or None.
        place: the directory for the compiled library.

    Raises:
        SystemExit: this machine cannot be capped, or has no compiler.
    """
    if cap is None:
        return {}
    source = _SOURCE.read_bytes()
    library = place / f"cpuid_cap-{hashlib.sha256(source).hexdigest()[:12]}.so"
    if not library.exists():
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place) as work:
            made = Path(work) / "cap.so"
            command = ["cc", "-O2", "-shared", "-fPIC", str(_SOURCE), "-o", str(made)]
            subprocess.run(command, check=True)
            made.rename(library)
    environment = {
        "LD_PRELOAD": str(library),
        "MULTITURN_CPU": cap,
        "ONEDNN_MAX_CPU_ISA": cap.upper(),
    }
    tried = subprocess.run(
        ["true"], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if tried.returncode:
        raise SystemExit(f"error: {tried.stderr.strip() or 'the cap does not work here'}")
    return environment
