"""The process that holds one peer: reads requests as lines of JSON, answers in the same way.

    python -m peers.worker NAME

Requests: ``{"do": "prepare" | "load" | "run", ...}``; end of input ends the process.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import IO, Any

from peers.jobs import Job, Model, Setting
from peers.roster import Running, find


def main() -> None:
    """Serve until the input ends."""
    # A cap (peers.processor_cap) is in place by now; a compiler would not survive it.
    os.environ.pop("LD_PRELOAD", None)
    # Libraries print to standard output as they like; only this keeps the pipe.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _Worker(sys.argv[1], answers).serve(sys.stdin)


class _Worker:
    def __init__(self, name: str, answers: IO[str]) -> None:
        self._peer = find(name)
        self._answers = answers
        self._running: Running | None = None

    def serve(self, requests: IO[str]) -> None:
        for line in requests:
            try:
                answer = self._answer(json.loads(line))
            except Exception as error:  # a peer may raise anything, and the next one still runs
                first = str(error).strip().partition("\n")[0]
                answer = {"failed": f"{type(error).__name__}: {first}"}
            answer["peak_bytes"] = _peak_bytes()
            self._answers.write(json.dumps(answer) + "\n")
            self._answers.flush()

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        match request["do"]:
            case "prepare":
                return self._peer.prepare(_model(request["model"]))
            case "load":
                started = time.perf_counter()
                setting = Setting(**request["setting"])
                self._running = self._peer.load(
                    _model(request["model"]), setting, request["threads"]
                )
                seconds = time.perf_counter() - started
                return {"seconds": seconds, "instructions": self._peer.instructions()}
            case "run":
                if self._running is None:
                    raise RuntimeError("nothing is loaded")
                job = Job(**request["job"])
                started, worked = time.perf_counter(), time.process_time()
                counts = self._running.run(job)
                return {
                    "seconds": time.perf_counter() - started,
                    "cpu_seconds": time.process_time() - worked,
                    "new_tokens": counts,
                }
            case other:
                raise ValueError(f"unknown request {other!r}")


def _peak_bytes() -> int:
    """The most memory this process ever had resident; getrusage counts its parent's too."""
    status = Path("/proc/self/status").read_text("ascii")
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def _model(plain: dict[str, Any]) -> Model:
    return Model(**{**plain, "directory": Path(plain["directory"]), "gguf": Path(plain["gguf"])})


if __name__ == "__main__":
    main()
