"""Reads saved runs."""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from multiturn.benchmarks.runner.config import RunConfig
from multiturn.benchmarks.runner.directory import COMPLETE, CONFIG, PARTIAL
from multiturn.benchmarks.runner.samples import Sample, read_sample
from multiturn.core.errors import InputError, storage_errors
from multiturn.core.lines import split_lines
from multiturn.core.records import read_record

__all__ = [
    "PACKED",
    "SavedRun",
    "find_runs",
    "read_run",
    "read_run_config",
    "samples_file",
    "decompressed",
]

PACKED = f"{COMPLETE}.xz"
"""A complete file of samples, compressed for archiving."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedRun:
    """A run and its samples."""

    path: Path
    """Its directory."""
    config: RunConfig
    """Its record."""
    samples: tuple[Sample, ...]
    """In the order of the task if the run is complete, otherwise as they were finished."""
    complete: bool
    """Whether all samples are there."""

    @property
    def expected(self) -> int:
        """The number of samples of the complete run."""
        return self.config.items * self.config.sampling.n


def find_runs(place: Path) -> tuple[Path, ...]:
    """The directories of runs in and below `place`, sorted by name.

    Args:
        place: a run, or a directory of runs.

    Raises:
        InputError: there are none.
    """
    found = sorted(record.parent for record in place.rglob(CONFIG))
    if not found:
        raise InputError(
            "there is no saved run here",
            got=str(place),
            fix="name the directory that was given as --out",
        )
    return tuple(found)


def read_run(path: Path) -> SavedRun:
    """Read a run, complete or not.

    Args:
        path: the directory of the run.

    Raises:
        InputError: the record or a sample is invalid; names the file and the line.
        StorageError: a file cannot be read.
    """
    config = read_run_config(path)
    file = samples_file(path)
    complete = file.name != PARTIAL
    samples = tuple(_samples(file, complete))
    return SavedRun(path=path, config=config, samples=samples, complete=complete)


def read_run_config(path: Path) -> RunConfig:
    """Read the record of the run in a directory.

    Raises:
        InputError: it is invalid; names the file.
        StorageError: it cannot be read.
    """
    with storage_errors(path / CONFIG, "reading the record of the run"):
        text = (path / CONFIG).read_bytes()
    try:
        return read_record(json.loads(text), RunConfig, where=str(path / CONFIG))
    except ValueError as error:
        raise InputError(f"{path / CONFIG} is no JSON: {error}") from error


def samples_file(path: Path) -> Path:
    """The file of a run's samples: complete, complete and compressed, or partial.

    It may not exist yet if the run has no sample.
    """
    for name in (COMPLETE, PACKED):
        if (path / name).exists():
            return path / name
    return path / PARTIAL


def decompressed(file: Path) -> bytes:
    """The content of a file, decompressed if its name ends in ``.xz``.

    Raises:
        InputError: the compressed data is damaged.
        StorageError: the file cannot be read.
    """
    with storage_errors(file, "reading the samples"):
        data = file.read_bytes()
    if file.suffix != ".xz":
        return data
    try:
        return lzma.decompress(data)
    except lzma.LZMAError as error:
        raise InputError(f"{file} cannot be decompressed: {error}") from error


def _samples(file: Path, complete: bool) -> Iterator[Sample]:
    if not file.exists():
        return
    lines = split_lines(decompressed(file), keepends=True)
    seen = set()
    for number, line in enumerate(lines, 1):
        if not complete and not line.endswith(b"\n"):
            return  # torn by a crash, or being written right now
        sample = read_sample(line, where=f"{file}: line {number}")
        if sample.key not in seen:
            seen.add(sample.key)
            yield sample
