"""A peer in a process of its own, as the driving side sees it.

Requests and answers are lines of JSON. A peer that crashes, hangs or runs out of memory is a
recorded failure and not the end of the run; between its turns its process is stopped, so that
no thread of it spins while another is measured.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Any, Self

BENCH = Path(__file__).resolve().parent.parent


class PeerFailedError(Exception):
    """A peer said that it failed, ended, or took too long; the message is one line."""


class PeerProcess:
    """A running `peers.worker`.

    Args:
        name: of the peer.
        threads: it may use; handed on as OMP_NUM_THREADS too.
        environment: more variables for it.
        log: what the peer prints goes here.
    """

    def __init__(
        self,
        name: str,
        *,
        threads: int,
        log: Path,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.name = name
        settings = {
            "OMP_NUM_THREADS": str(threads),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(BENCH), os.environ.get("PYTHONPATH")])),
            "TOKENIZERS_PARALLELISM": "false",
            "HF_HUB_OFFLINE": "1",
            **(environment or {}),
        }
        self._log = log
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "peers.worker", name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sink,
                env={**os.environ, **settings},
            )
        assert self._process.stdout is not None  # asked for above
        self._ready = selectors.DefaultSelector()
        self._ready.register(self._process.stdout, selectors.EVENT_READ)
        self._lines: deque[bytes] = deque()
        self._rest = b""
        self.peak_bytes = 0

    def ask(self, request: dict[str, Any], *, limit: float) -> dict[str, Any]:
        """Send one request and wait for its answer.

        Raises:
            PeerFailedError: see there. After a crash or a timeout the process is gone.
        """
        assert self._process.stdin is not None  # asked for in __init__
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise PeerFailedError(self._how_it_ended()) from None
        answer: dict[str, Any] = json.loads(self._line(time.monotonic() + limit, limit))
        self.peak_bytes = max(self.peak_bytes, answer.get("peak_bytes", 0))
        if "failed" in answer:
            raise PeerFailedError(answer["failed"])
        return answer

    def pause(self) -> None:
        """Stop all its threads where they are."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Resume it."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End the process, at once if need be. Safe to call twice."""
        self.resume()
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._ready.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _line(self, deadline: float, limit: float) -> bytes:
        assert self._process.stdout is not None  # asked for in __init__
        while not self._lines:
            left = deadline - time.monotonic()
            if left <= 0 or not self._ready.select(left):
                self._process.kill()
                raise PeerFailedError(f"no answer within {limit:.0f} s")
            read = os.read(self._process.stdout.fileno(), 1 << 16)
            if not read:
                raise PeerFailedError(self._how_it_ended())
            *lines, self._rest = (self._rest + read).split(b"\n")
            self._lines.extend(lines)
        return self._lines.popleft()

    def _how_it_ended(self) -> str:
        code = self._process.wait()
        said = self._log.read_text("utf-8", "replace").strip().splitlines()
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return f"the process ended, {how}: {said[-1] if said else 'it printed nothing'}"

    def _signal(self, number: signal.Signals) -> None:
        if self._process.poll() is None:
            self._process.send_signal(number)
