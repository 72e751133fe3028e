"""Trial loading of a model with llama.cpp in a separate process.

llama.cpp reports why it cannot load a file only in its log, and some files abort the process by a
failed assertion. An unverified file is therefore first loaded in another process, which generates
a token; any failure becomes one line.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from multiturn.core.errors import EngineError
from multiturn.hub.llama_cpp_library import import_xllamacpp
from multiturn.hub.llama_options import ServerOptions, server_parameters

__all__ = ["find_fault", "loading_error"]

_SECONDS = 900
_LOG_ERRORS = 1  # `verbosity` at which llama.cpp logs its errors and nothing else
_SURVIVED = 77
"""Exit code of a trial in which the library reported an error."""

_LOG_LINE = re.compile(r"(?:[\d.]+ E )?(?:[a-z]{2,4} +)?(?:\w+: )?(?:error loading model: )*(.*)")
_ASSERTION = re.compile(r"(?:\S+:\d+: )?(GGML_(?:ASSERT|ABORT)\(.*|\S+:\d+: .*)")
_MAX_LINE = 300


def find_fault(path: Path, options: ServerOptions) -> str | None:
    """Load a model in another process and generate a token.

    Args:
        path: of the model.
        options: of llama.cpp.

    Returns:
        The reason for a failure in one line, or None.
    """
    asked = asdict(options) | {"adapter": options.adapter and str(options.adapter)}
    command = [sys.executable, "-m", __name__, str(path), json.dumps(asked)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it did not finish loading in {_SECONDS} s"
    if done.returncode == 0:
        return None
    said = (done.stderr + b"\n" + done.stdout).decode("utf-8", "replace")
    return _reason(said) or _ending(done.returncode)


def loading_error(path: Path, fault: str) -> EngineError:
    """The error for a person, with a fix if one is known."""
    fixes = {
        "unknown model architecture": "update xllamacpp, or use a model that it supports",
        "unknown pre-tokenizer": "update xllamacpp, or convert the model again",
        "alloc": "free memory, or use a smaller --context",
        "memory": "free memory, or use a smaller --context",
    }
    return EngineError(
        f"llama.cpp could not load the model: {fault}",
        got=str(path),
        fix=next(
            (fix for part, fix in fixes.items() if part in fault),
            "check that the file is a language model, and download or convert it again",
        ),
    )


def _reason(said: str) -> str | None:
    """The first error in a log, which causes the later ones."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    for line in lines:
        if match := _ASSERTION.fullmatch(line):
            return match[1][:_MAX_LINE]
    for line in lines:
        match = _LOG_LINE.fullmatch(line)
        if match and match[1] and not line.startswith(("Traceback", " ", "File ")):
            return match[1][:_MAX_LINE]
    return None


def _ending(code: int) -> str:
    if code < 0:
        name = signal.Signals(-code).name
        return f"its process ended with {name}" + (
            ", which is how the system ends a process that takes too much memory"
            if name == "SIGKILL"
            else ""
        )
    return f"its process ended with exit code {code}"


def _try(path: Path, options: ServerOptions) -> int:
    """In the other process: load the model, prefill nine tokens and generate two."""
    xllamacpp = import_xllamacpp()
    params = server_parameters(xllamacpp, path, options)
    params.verbosity = _LOG_ERRORS
    try:
        server = xllamacpp.Server(params)
        server.handle_completions({"prompt": [0] * 9, "n_predict": 2, "temperature": 0})
    except Exception as error:
        print(error)  # on standard output, since the log is on standard error
        return _SURVIVED
    return 0


if __name__ == "__main__":
    wanted = json.loads(sys.argv[2])
    adapter = wanted.pop("adapter")
    code = _try(
        Path(sys.argv[1]), ServerOptions(**wanted, adapter=Path(adapter) if adapter else None)
    )
    if code == 0:
        # Threads of llama.cpp that outlive the interpreter would crash the process.
        os._exit(code)
    # A normal exit waits for the thread that writes llama.cpp's log.
    sys.exit(code)
