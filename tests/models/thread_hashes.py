"""What a program prints with one processor and with all: the same, where threads change no bit."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

__all__ = ["needs_two_cpus", "outputs_by_threads"]

needs_two_cpus = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one CPU")

_ONE_CPU = """
import os, sys
if sys.argv[1] == "one":
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
"""


def outputs_by_threads(program: str) -> list[str]:
    """The output of a program that runs on one processor, and on all."""
    return [
        subprocess.run(
            [sys.executable, "-c", _ONE_CPU + program, threads],
            env={**os.environ, "JAX_PLATFORMS": "cpu"},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout
        for threads in ("one", "all")
    ]
