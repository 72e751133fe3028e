"""A file of generations that several runs share.

Runs that vary one thing send many equal requests: all arms that choose among four candidates draw
the same four for the first turn. An engine gives the same text for the same request, so one
generation serves them all, and the runs differ only by what they vary. What they record is what
generating again would give, except for seconds: the work was done elsewhere.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
import re
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from multiturn.benchmarks.runner.completion_lines import completion_line, read_completion
from multiturn.core.closing import Closing
from multiturn.core.errors import InputError, StorageError
from multiturn.engines.protocol import Completion, EngineInfo, Request

__all__ = ["SharedGenerations"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS generations (
    request TEXT PRIMARY KEY,
    completions TEXT NOT NULL
) WITHOUT ROWID
"""

_WAIT_SECONDS = 60.0


class SharedGenerations(Closing):
    """Generations by request. Thread-safe; several processes may share the file.

    Args:
        path: an SQLite file, made if it is missing. It may hold generations of several models.
        info: the engine's, with the hash of its weights.

    Raises:
        InputError: the hash of the weights is not known, so two models could be confused.
        StorageError: the file cannot be used.
    """

    def __init__(self, path: Path, info: EngineInfo) -> None:
        if info.weights_sha256 is None:
            raise InputError(
                f"generations of {info.model} cannot be shared: the hash of its weights is unknown",
                fix="leave out --generations, or use a model on this machine",
            )
        self._path = path
        self._engine = [info.engine, info.weights_sha256, info.context_window]
        self._lock = threading.Lock()
        self._reused = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(
                path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise StorageError(
                f"{path} cannot hold generations: {error}", fix="give the path of a new file"
            ) from error

    @property
    def reused(self) -> int:
        """How many requests the file has answered."""
        return self._reused

    def find(self, request: Request) -> tuple[Completion, ...] | None:
        """The completions of a request; None if the file has none.

        Raises:
            StorageError: the file cannot be read.
        """
        key = self._key(request)
        if key is None:
            return None
        query = "SELECT completions FROM generations WHERE request = ?"
        try:
            with self._lock:
                row = self._file.execute(query, (key,)).fetchone()
                if row is None:
                    return None
                self._reused += 1
            return tuple(read_completion(line) for line in json.loads(row[0]))
        except (sqlite3.Error, KeyError, TypeError, ValueError) as error:
            raise StorageError(
                f"{self._path} cannot be read: {error}", fix="give the path of a new file"
            ) from error

    def store(self, request: Request, completions: Sequence[Completion]) -> None:
        """Add completions. If the disk is full they are lost, without further consequences."""
        key = self._key(request)
        if key is None:
            return
        text = json.dumps([completion_line(each) for each in completions])
        with suppress(sqlite3.Error), self._lock:
            self._file.execute("INSERT OR IGNORE INTO generations VALUES (?, ?)", (key, text))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    def _key(self, request: Request) -> str | None:
        """Names a request; None for one that cannot be named in full."""
        fields = {
            field.name: getattr(request, field.name)
            for field in dataclasses.fields(request)
            if field.name != "session"  # it changes what is computed again, never the text
        }
        try:
            text = json.dumps([self._engine, _plain(fields)], sort_keys=True)
        except TypeError:
            return None
        return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    """A value as JSON that differs whenever the value does.

    Raises:
        TypeError: it has a part that cannot be written so.
    """
    if isinstance(value, enum.Enum):
        return [type(value).__name__, value.name]
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, re.Pattern):
        return ["pattern", _plain(value.pattern), value.flags]
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
        return [type(value).__qualname__, _plain(fields)]
    raise TypeError(f"no JSON for {type(value).__name__}")
