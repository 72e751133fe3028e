"""A cache of the generations of unfinished samples, so that an interruption loses no turn.

Each generation becomes a line of `turns.partial.jsonl` as soon as it is complete. When the run
continues, a solver starts from the beginning and gets the cached generations in place of new
ones, provided that its requests are the same: prompt, length, and position in the sample. The
sample then has the same bytes as without the interruption, and only the generation that was
interrupted is repeated. The file can be deleted at any time and is removed when the run is
complete.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from multiturn.benchmarks.runner.completion_lines import completion_line, read_completion
from multiturn.benchmarks.runner.samples import SampleKey
from multiturn.core.errors import MultiturnError
from multiturn.core.files import write_atomically
from multiturn.engines.protocol import Completion, FinishReason, Request

__all__ = ["GenerationCache"]


class GenerationCache:
    """The cached generations of one run. Thread-safe.

    Args:
        path: the file; it may be absent.
        wanted: whether a sample is still missing. The generations of other samples are dropped.
    """

    def __init__(self, path: Path, wanted: Callable[[SampleKey], bool]) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._lines: dict[tuple[SampleKey, int], dict[int, Mapping[str, Any]]] = {}
        self._torn = False
        self._given_way = False
        self._load(wanted)

    @property
    def count(self) -> int:
        """The number of cached generations."""
        with self._lock:
            return sum(len(lines) for lines in self._lines.values())

    def find(self, key: SampleKey, index: int, request: Request) -> tuple[Completion, ...] | None:
        """The cached completions of request number `index` of a sample; None unless all are."""
        with self._lock:
            lines = dict(self._lines.get((key, index), {}))
        wanted = _hash_of(request)
        found = [lines.get(continuation) for continuation in range(request.n)]
        if any(line is None or line["request"] != wanted for line in found):
            return None
        return tuple(read_completion(line) for line in found if line is not None)

    def store(
        self, key: SampleKey, index: int, request: Request, completions: Sequence[Completion]
    ) -> None:
        """Add completions. If the disk is full they are lost, without further consequences."""
        lines = [_line(key, index, request, completion) for completion in completions]
        # ASCII can represent a lone surrogate that a model wrote.
        text = "".join(json.dumps(line, ensure_ascii=True) + "\n" for line in lines)
        with self._lock:
            self._lines[key, index] = dict(enumerate(lines))
            if self._given_way:
                return
            try:
                with self._path.open("a", encoding="ascii") as file:
                    file.write("\n" + text if self._torn else text)
                self._torn = False
            except OSError:
                self._torn = True

    def forget(self, keys: Iterable[SampleKey]) -> None:
        """Drop the generations of samples that are on disk."""
        done = set(keys)
        with self._lock:
            for place in [place for place in self._lines if place[0] in done]:
                del self._lines[place]

    def give_way(self) -> bool:
        """Delete the file to leave its space to samples; whether there was a file."""
        with self._lock:
            self._given_way = True
            try:
                self._path.unlink()
            except OSError:
                return False
            return True

    def clear(self) -> None:
        """Remove the file."""
        with self._lock, contextlib.suppress(OSError):
            self._lines.clear()
            self._path.unlink(missing_ok=True)

    def _load(self, wanted: Callable[[SampleKey], bool]) -> None:
        try:
            lines = self._path.read_bytes().splitlines(keepends=True)
        except OSError:
            return
        complete = []
        for line in lines:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                data = json.loads(line)
                place = SampleKey(data["item"], data["sample"]), data["ask"]
                if line.endswith(b"\n") and _is_complete(data) and wanted(place[0]):
                    self._lines.setdefault(place, {})[data.get("continuation", 0)] = data
                    complete.append(line)
        if len(complete) < len(lines):
            try:
                write_atomically(self._path, b"".join(complete))
            except MultiturnError:
                self._torn = True


def _line(
    key: SampleKey, index: int, request: Request, completion: Completion
) -> Mapping[str, Any]:
    return {
        "item": key.item,
        "sample": key.sample,
        "ask": index,
        "request": _hash_of(request),
        **completion_line(completion),
    }


def _is_complete(data: Mapping[str, Any]) -> bool:
    """Whether a line has everything that `GenerationCache.find` needs."""
    texts = all(isinstance(data[name], str) for name in ("request", "text", "raw_text"))
    counts = all(
        isinstance(data[name], int) and data[name] >= 0
        for name in ("new_tokens", "prompt_tokens", "cached_tokens")
    )
    cut = data["cut_by"] is None or isinstance(data["cut_by"], str)
    continuation = data.get("continuation", 0)
    counts = counts and isinstance(continuation, int) and continuation >= 0
    counts = counts and isinstance(data.get("mean_logprob", 0.0), float)
    return texts and counts and cut and FinishReason(data["finish_reason"]) is not None


def _hash_of(request: Request) -> str:
    fields: list[object] = [
        request.prompt,
        request.max_tokens,
        request.seed,
        request.temperature,
        request.top_p,
    ]
    if request.n > 1 or request.first_temperature is not None:
        fields += [request.n, request.temperature_of(0)]
    return hashlib.sha256(json.dumps(fields).encode()).hexdigest()[:32]
