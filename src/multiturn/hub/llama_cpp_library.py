"""Imports llama.cpp, through the package `xllamacpp`."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import Any

from multiturn.core.errors import EngineError, MissingDependencyError

__all__ = ["import_xllamacpp"]


def import_xllamacpp() -> Any:
    """The module `xllamacpp`.

    Its wheel needs the system library ``libgomp.so.1`` but does not include it. If the system has
    none, the one that `make` puts into the virtual environment is used (tools/openmp.sh).

    Raises:
        MissingDependencyError: it is not installed.
        EngineError: it is installed and cannot be loaded.
    """
    # With OpenMP's default, threads spin at each of the hundreds of barriers of a token, which
    # costs a time slice each when another process is busy. A failed assertion of llama.cpp starts
    # a debugger and may wait for it forever. Both variables are read when the library loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("GGML_NO_BACKTRACE", "1")
    try:
        import xllamacpp
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "xllamacpp", extra="llama", purpose="running a GGUF model"
        ) from error
    except ImportError as error:
        if "libgomp" not in str(error):
            raise EngineError(
                f"llama.cpp cannot be loaded ({error})",
                fix="pip install --force-reinstall xllamacpp",
            ) from error
        try:
            ctypes.CDLL(str(Path(sys.prefix, "lib", "libgomp.so.1")), mode=ctypes.RTLD_GLOBAL)
            import xllamacpp
        except (OSError, ImportError):
            raise EngineError(
                "llama.cpp needs the library libgomp.so.1, which this machine lacks",
                fix="apt-get install libgomp1, or the equivalent",
            ) from error
    return xllamacpp
