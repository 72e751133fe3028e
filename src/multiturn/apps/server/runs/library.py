"""The benchmark runs of a directory, read only.

A run is named by a hash of its place, which is looked up among the runs that are there: no name
that a client sends becomes a path.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from multiturn.apps.server.errors import ApiError
from multiturn.benchmarks.loaders.task_names import read_task_name
from multiturn.benchmarks.own_languages import own_languages, own_problems_in, own_sha256
from multiturn.benchmarks.problem_set import INCLUDED_SETS, Problem
from multiturn.benchmarks.runner.config import RunConfig
from multiturn.benchmarks.runner.directory import CONFIG, PARTIAL
from multiturn.benchmarks.runner.results import read_run_config, samples_file
from multiturn.benchmarks.runner.sample_index import SampleIndex
from multiturn.benchmarks.runner.samples import Sample
from multiturn.benchmarks.variables.differences import VARIABLES
from multiturn.core.closing import Closing
from multiturn.core.errors import InputError, MultiturnError
from multiturn.core.files import sha256_file
from multiturn.text.languages import Language, language

__all__ = ["ListedRun", "OpenRun", "RunLibrary"]

_MAX_OPEN = 8
"""Runs whose index is held: that of 100,000 samples takes about 30 MB."""
_MAX_SIDE_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class ListedRun:
    """A run in the list."""

    id: str
    """The name in addresses."""
    name: str
    """Its place below the directory, for people."""
    path: Path
    """Its directory."""
    config: RunConfig | None
    """Its record; None if it cannot be read."""
    fault: str = ""
    """Why it cannot be read."""

    @property
    def complete(self) -> bool:
        """Whether all samples are there."""
        return samples_file(self.path).name != PARTIAL


class OpenRun(Closing):
    """A run whose samples are read.

    Attributes:
        listed: the run.
        config: its record.
        index: its samples.
    """

    def __init__(self, listed: ListedRun, config: RunConfig) -> None:
        self.listed = listed
        self.config = config
        self.index = SampleIndex(listed.path, tuple(config.oracles))
        self._side: tuple[object, dict[tuple[str, int], Mapping[str, Any]]] = (None, {})

    @property
    def language(self) -> Language:
        """The language of its programs."""
        return language(read_task_name(self.config.task)[1] or "python")

    def problem(self, sample: Sample) -> Problem | None:
        """The problem of a sample, if its set is one of this package."""
        problems = _included_problems(self.language.key)
        found = problems.get(self.config.problems_sha256, {}).get(sample.item.problem)
        return found if found and sample.item.case < len(found.inputs) else None

    def first_difference(self, sample: Sample) -> Mapping[str, Any] | None:
        """What `multiturn bench variables` recorded of a sample."""
        file = self.listed.path / VARIABLES
        try:
            about = file.stat()
            if about.st_size > _MAX_SIDE_BYTES:
                return None
            key = (about.st_ino, about.st_size, about.st_mtime_ns)
            if self._side[0] != key:
                self._side = (key, _side_lines(file))
        except OSError:
            return None
        return self._side[1].get((sample.item.id, sample.sample))

    def close(self) -> None:
        """Close the file of samples."""
        self.index.close()


class RunLibrary(Closing):
    """The runs in and below a directory. For several threads.

    Args:
        root: the directory.

    Raises:
        InputError: it is no directory.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise InputError(
                "there is no such directory of runs",
                got=str(root),
                fix="name the directory that was given to `multiturn bench` as --out",
            )
        self.root = root.resolve()
        self._lock = threading.Lock()
        self._open: OrderedDict[str, OpenRun] = OrderedDict()
        self._places: dict[str, Path] = {}

    def list(self) -> tuple[ListedRun, ...]:
        """All runs, by their place."""
        places = sorted(record.parent for record in self.root.rglob(CONFIG))
        inside = {_id(self.root, path): path for path in places if self._is_inside(path)}
        with self._lock:
            self._places = inside
        return tuple(self._listed(run_id, path) for run_id, path in inside.items())

    def open(self, run_id: str) -> OpenRun:
        """A run with all samples that are there now.

        Raises:
            ApiError: there is no such run, or its record cannot be read.
        """
        if run_id not in self._places:
            self.list()
        path = self._places.get(run_id)
        if path is None or not self._is_inside(path):
            raise ApiError(404, "there is no such run", code="no_run")
        listed = self._listed(run_id, path)
        if listed.config is None:
            raise ApiError(404, f"the run cannot be read: {listed.fault}", code="no_run")
        with self._lock:
            found = self._open.get(run_id)
            if found is None or found.config != listed.config:
                found = self._open[run_id] = OpenRun(listed, listed.config)
            self._open.move_to_end(run_id)
            while len(self._open) > _MAX_OPEN:
                self._open.popitem(last=False)  # closed when no request reads it any more
        found.index.update()
        return found

    def close(self) -> None:
        """Close all files."""
        with self._lock:
            for each in self._open.values():
                each.close()
            self._open.clear()

    def _is_inside(self, path: Path) -> bool:
        """Whether a run and its files are below the directory, links followed."""
        files = (path, path / CONFIG, samples_file(path), path / VARIABLES)
        return all(each.resolve().is_relative_to(self.root) for each in files)

    def _listed(self, run_id: str, path: Path) -> ListedRun:
        name = str(path.relative_to(self.root)) if path != self.root else path.name
        try:
            return ListedRun(run_id, name, path, read_run_config(path))
        except MultiturnError as error:
            return ListedRun(run_id, name, path, None, str(error))


def _id(root: Path, path: Path) -> str:
    return hashlib.sha256(str(path.relative_to(root)).encode("utf-8", "replace")).hexdigest()[:16]


@cache
def _included_problems(key: str) -> dict[str, dict[str, Problem]]:
    """The problems of the included sets in a language by id, by the hash of their set."""
    if key == "python":
        return {
            sha256_file(included.path): {each.id: each for each in included.problems()}
            for included in INCLUDED_SETS.values()
        }
    if key not in own_languages():
        return {}
    return {own_sha256(key): {each.id: each for each in own_problems_in(key)}}


def _side_lines(file: Path) -> dict[tuple[str, int], Mapping[str, Any]]:
    """The lines of a side file by item and sample; what is no such line is left out."""
    found = {}
    for line in file.read_bytes().splitlines():
        try:
            data = json.loads(line)
            found[str(data["item"]), int(data["sample"])] = data
        except (ValueError, KeyError, TypeError):
            continue
    return found
