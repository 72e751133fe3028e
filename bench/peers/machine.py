"""What a result says of the machine it was measured on."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

_TELLING = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_bf16", "amx_int8")


def describe_machine(cap: str | None = None) -> dict[str, Any]:
    """The processor, how much of it this process may use, and how busy it is now.

    Args:
        cap: that of the peers, if any; see `peers.processor_cap`.
    """
    entries = dict(_cpu_entries())
    flags = entries.get("flags", "").split()
    return {
        "processor": entries.get("model name", platform.processor() or platform.machine()),
        "instructions": [flag for flag in _TELLING if flag in flags],
        "capped_to": cap,
        "cpus": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "load_average": os.getloadavg(),
    }


def _cpu_entries() -> list[tuple[str, str]]:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return []
    parts = [line.partition(":") for line in reversed(lines) if ":" in line]
    return [(key.strip(), value.strip()) for key, _, value in parts]


def machine_line(machine: dict[str, Any]) -> str:
    """One line above a table."""
    cap = machine["capped_to"]
    capped = f", capped to {cap.upper()}" if cap else ""
    return f"{machine['processor']} ({' '.join(machine['instructions'])}){capped}"
