"""Checks of the engines: which one ``auto`` takes, what runs it, and how fast that is here."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from importlib.util import find_spec

from multiturn.apps.cli.doctor.check import Check
from multiturn.apps.cli.error_report import note
from multiturn.core.errors import MultiturnError
from multiturn.engines.choice import choose_engine
from multiturn.models.native.build import native_status
from multiturn.models.native.variants import (
    CPU_VARIABLE,
    chosen_variant,
    runnable_variants,
    variant_reason,
)

__all__ = ["check_engine", "check_kernels"]

_SECONDS_TO_IMPORT = 60
_LOAD_LLAMA_CPP = """
from multiturn.hub.llama_cpp_library import import_xllamacpp
import_xllamacpp()
"""


def check_engine() -> Check:
    """Which engine ``auto`` takes for a GGUF model, and which others there are."""
    choice = choose_engine(is_gguf=True)
    llama, llama_fix = _try_llama_cpp()
    jax = "not installed"
    if find_spec("jax") is not None:
        jax = f"jax {importlib.metadata.version('jax')}"
    details = (f"llama.cpp: {llama}", f"JAX, for accelerators and training: {jax}")
    works = choice.engine != "llama.cpp" or llama_fix is None
    if choice.engine == "native":
        works = native_status().works or llama_fix is None
    found = f"auto takes {choice.engine}: {choice.why}"
    return Check(
        name="engine",
        state="works" if works else "fails",
        found=found,
        details=details,
        fix=None if works else llama_fix,
    )


def check_kernels() -> Check:
    """Which variant of the native kernels runs, which others could, and what it reaches."""
    variant = chosen_variant()
    status = native_status(note)
    others = [each.name for each in runnable_variants() if each != variant]
    details = [
        variant_reason(variant),
        f"this processor could also run {', '.join(others)} ({CPU_VARIABLE}=NAME)"
        if others
        else "this processor can run no other variant",
    ]
    if status.works:
        details.append(_speed())
    return Check(
        name="kernels",
        state="works" if status.works else "note",
        found=status.found,
        details=tuple(details),
        fix=status.fix,
    )


def _speed() -> str:
    try:
        # numpy is not needed to say that it is missing.
        from multiturn.models.native.speed import kernel_speed, read_bandwidth

        speed, memory = kernel_speed(), read_bandwidth()
    except ModuleNotFoundError as error:
        return f"speed: not measured, {error.name} is not installed"
    except MultiturnError as error:
        return f"speed: not measured, {error.what}"
    return (
        f"speed now, {speed.precision}: {speed.weight_bandwidth / 1e9:.1f} GB/s of weights for one "
        f"sequence, {speed.operations / 1e9:.0f} GOP/s for 64; memory is read at "
        f"{memory / 1e9:.1f} GB/s"
    )


def _try_llama_cpp() -> tuple[str, str | None]:
    """What there is of llama.cpp, and how to fix it if it cannot run.

    Tries it in a separate process, since a build for another processor would crash this one.
    """
    try:
        version = importlib.metadata.version("xllamacpp")
    except importlib.metadata.PackageNotFoundError:
        return "not installed", "pip install 'multiturn[llama]'"
    fix = "pip install --force-reinstall xllamacpp, on Python 3.11 to 3.13"
    try:
        done = subprocess.run(
            [sys.executable, "-c", _LOAD_LLAMA_CPP],
            capture_output=True,
            text=True,
            timeout=_SECONDS_TO_IMPORT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"xllamacpp {version} did not load within a minute", fix
    if done.returncode == 0:
        return f"works, through xllamacpp {version}", None
    last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return f"xllamacpp {version} is installed but does not load: {last}", fix
