"""The texts of dialogues that are not finished, kept so that a stop loses no turn.

Each text is a line of `turns.partial.jsonl` as soon as it is written. When the run continues, a
dialogue is led again from its beginning and gets the kept texts in place of new ones, as long as
it asks for the same: the same prompt and length, at the same place of the same sample. So the
sample is the same to the byte as if nothing had happened, and only the text that was under way
is written again. Nothing depends on the file; it goes when the run is complete.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from multiturn.benchmarks.runner.samples import SampleKey
from multiturn.core.errors import MultiturnError
from multiturn.core.files import write_atomically
from multiturn.engines.protocol import (
    UNKNOWN_TOKEN,
    Completion,
    FinishReason,
    Request,
    Timings,
)

__all__ = ["GenerationCache"]


class GenerationCache:
    """The kept texts of one run. Safe to use from several threads.

    Args:
        path: of the file; need not be there.
        wanted: whether a sample is still to be made. Texts of others are thrown away.
    """

    def __init__(self, path: Path, wanted: Callable[[SampleKey], bool]) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._kept: dict[tuple[SampleKey, int], Mapping[str, Any]] = {}
        self._torn = False
        self._given_way = False
        self._load(wanted)

    @property
    def count(self) -> int:
        """How many texts there are."""
        with self._lock:
            return len(self._kept)

    def find(self, key: SampleKey, ask: int, request: Request) -> Completion | None:
        """The kept answer to a request, which is the `ask`-th of a sample's dialogue."""
        with self._lock:
            kept = self._kept.get((key, ask))
        if kept is None or kept["request"] != _hash_of(request):
            return None
        return Completion(
            index=0,
            text=kept["text"],
            raw_text=kept["raw_text"],
            cut_by=kept["cut_by"],
            finish_reason=FinishReason(kept["finish_reason"]),
            tokens=(UNKNOWN_TOKEN,) * kept["new_tokens"],
            logprobs=None,
            text_tokens=0,
            prompt_tokens=kept["prompt_tokens"],
            cached_tokens=kept["cached_tokens"],
            timings=Timings(0.0, 0.0),
        )

    def keep(self, key: SampleKey, ask: int, request: Request, completion: Completion) -> None:
        """Write down an answer. A disk that is full loses it, and nothing else."""
        line = {
            "item": key.item,
            "sample": key.sample,
            "ask": ask,
            "request": _hash_of(request),
            "text": completion.text,
            "raw_text": completion.raw_text,
            "cut_by": completion.cut_by,
            "finish_reason": completion.finish_reason.value,
            "new_tokens": len(completion.tokens),
            "prompt_tokens": completion.prompt_tokens,
            "cached_tokens": completion.cached_tokens,
        }
        # ASCII, so that half a surrogate pair that a model wrote can be kept.
        text = json.dumps(line, ensure_ascii=True) + "\n"
        with self._lock:
            self._kept[key, ask] = line
            if self._given_way:
                return
            try:
                with self._path.open("a", encoding="ascii") as file:
                    file.write("\n" + text if self._torn else text)
                self._torn = False
            except OSError:
                self._torn = True

    def forget(self, keys: Iterable[SampleKey]) -> None:
        """Say that these samples are on the disk."""
        done = set(keys)
        with self._lock:
            for place in [place for place in self._kept if place[0] in done]:
                del self._kept[place]

    def give_way(self) -> bool:
        """Leave the room on a full disk to samples; whether there was any."""
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
            self._kept.clear()
            self._path.unlink(missing_ok=True)

    def _load(self, wanted: Callable[[SampleKey], bool]) -> None:
        try:
            lines = self._path.read_bytes().splitlines(keepends=True)
        except OSError:
            return
        kept = []
        for line in lines:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                data = json.loads(line)
                place = SampleKey(data["item"], data["sample"]), data["ask"]
                if line.endswith(b"\n") and _is_kept(data) and wanted(place[0]):
                    self._kept[place] = data
                    kept.append(line)
        if len(kept) < len(lines):
            try:
                write_atomically(self._path, b"".join(kept))
            except MultiturnError:
                self._torn = True


def _is_kept(data: Mapping[str, Any]) -> bool:
    """Whether a line has all that `GenerationCache.find` needs."""
    texts = all(isinstance(data[name], str) for name in ("request", "text", "raw_text"))
    counts = all(
        isinstance(data[name], int) and data[name] >= 0
        for name in ("new_tokens", "prompt_tokens", "cached_tokens")
    )
    cut = data["cut_by"] is None or isinstance(data["cut_by"], str)
    return texts and counts and cut and FinishReason(data["finish_reason"]) is not None


def _hash_of(request: Request) -> str:
    asked = [request.prompt, request.max_tokens, request.seed, request.temperature, request.top_p]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:32]
