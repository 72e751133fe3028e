"""The record of a run: everything that is needed to repeat it, and nothing else."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from multiturn.benchmarks.oracles.versions import ORACLE_VERSIONS, version_key
from multiturn.benchmarks.split import PARTED, SplitName, has_parts, part_of
from multiturn.benchmarks.task import EARLIER_TRUNCATIONS, ArmSettings, Item, Task
from multiturn.core.errors import InputError
from multiturn.core.records import to_plain
from multiturn.engines.protocol import EngineInfo
from multiturn.engines.sampling_parameters import BENCHMARK_RANGES, check_sampling
from multiturn.sandbox.protocol import Limits, Sandbox

__all__ = [
    "SCHEMA",
    "EngineFacts",
    "RunConfig",
    "SampleSettings",
    "Selection",
    "describe_run",
    "differences",
    "hash_of_items",
    "only_extends",
    "installed_versions",
]

SCHEMA = "multiturn.bench/1"

_PACKAGES = ("multiturn", "jax", "jaxlib", "numpy", "pandas", "tokenizers", "xllamacpp")
"""Packages that can change a sample: engines, and what the programs import."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleSettings:
    """Sampling parameters of a run.

    Attributes:
        n: samples per item.
        temperature: 0 is greedy.
        top_p: nucleus sampling; 1 is off.
        seed: of the run; see `multiturn.benchmarks.runner.seeds`.
    """

    n: int = 1
    temperature: float = 0.2
    top_p: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        check_sampling(self, BENCHMARK_RANGES)
        if self.temperature == 0 and self.n > 1:
            raise InputError(
                "at temperature 0 all samples of an item are the same, so n must be 1",
                got=self.n,
                fix="request one sample, or a temperature above 0",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which items of a task are run.

    Attributes:
        cases: the first so many cases of each problem; all by default.
        limit: the first so many problems; all by default.
        problems: only these problems, by id; all if empty.
        split: only the problems of this part of an included set (`benchmarks.split`).
    """

    cases: int | None = None
    limit: int | None = None
    problems: tuple[str, ...] = ()
    split: SplitName = "all"

    def __post_init__(self) -> None:
        for name in ("cases", "limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} is out of range", got=value, allowed="1 or more")

    def of(self, items: Iterable[Item]) -> tuple[Item, ...]:
        """The selected items, in the order of the task.

        Raises:
            InputError: a named problem does not exist, or nothing is selected.
        """
        every = tuple(items)
        known = list(dict.fromkeys(item.problem for item in every))
        for name in self.problems:
            if name not in known:
                raise InputError("the task has no such problem", got=name)
        wanted = [
            name
            for name in known
            if (not self.problems or name in self.problems) and self.split in ("all", part_of(name))
        ]
        selected = set(wanted[: self.limit])
        found = tuple(
            item
            for item in every
            if item.problem in selected and (self.cases is None or item.case < self.cases)
        )
        if not found:
            raise InputError(
                "no item of the task is selected",
                fix="request more cases or problems"
                + ("" if self.split == "all" else f", of the part {self.split}"),
            )
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFacts:
    """The properties of an engine that affect its output."""

    engine: str
    model: str
    weights_sha256: str | None
    context_window: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """One run. Written before any sample; a directory holds the samples of one run."""

    schema: str
    """Version of this record."""
    task: str
    """Name of the benchmark."""
    problems_sha256: str
    """Hash of the problem file."""
    items: int
    """Number of selected items."""
    items_sha256: str
    """Of the ids of the selected items, in order."""
    selection: Selection
    """Which items were selected."""
    oracles: tuple[str, ...]
    """The oracle of the headline figure is first."""
    model: str
    """As the person called it."""
    engine: EngineFacts
    """What generated the samples."""
    arm: str
    """How the model is prompted."""
    settings: ArmSettings
    """Settings of the arm."""
    sampling: SampleSettings
    """Sampling parameters."""
    rung: str
    """How programs were isolated."""
    limits: Limits
    """Of every program."""
    versions: Mapping[str, str]
    """Versions of the software."""


def describe_run(
    task: Task,
    *,
    model: str,
    engine: EngineInfo,
    sandbox: Sandbox,
    settings: ArmSettings,
    sampling: SampleSettings,
    selection: Selection,
) -> RunConfig:
    """The record of a run that is about to start.

    Raises:
        InputError: nothing is selected, or a part of a benchmark that has none.
    """
    if selection.split != "all" and not has_parts(task.name):
        raise InputError(
            f"the benchmark {task.name} is not parted",
            got=f"split {selection.split}",
            allowed=f"all; only {' and '.join(PARTED)} have dev and test",
        )
    items = selection.of(task.items())
    return RunConfig(
        schema=SCHEMA,
        task=task.name,
        problems_sha256=task.problems_sha256,
        items=len(items),
        items_sha256=hash_of_items(items),
        selection=selection,
        oracles=task.oracles,
        model=model,
        engine=EngineFacts(
            engine=engine.engine,
            model=engine.model,
            weights_sha256=engine.weights_sha256,
            context_window=engine.context_window,
        ),
        arm=task.arm,
        settings=settings,
        sampling=sampling,
        rung=sandbox.isolation.value,
        limits=task.limits,
        versions=installed_versions(),
    )


def installed_versions() -> dict[str, str]:
    """The versions of Python, of packages that can change a sample, and of the oracles."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    found |= {version_key(name): version for name, version in ORACLE_VERSIONS.items()}
    return found


def differences(theirs: Mapping[str, Any], ours: RunConfig) -> list[str]:
    """The fields in which a saved record differs, one line each."""
    there, here = _leaves(theirs), _leaves(to_plain(ours))
    return [
        f"{name} is {_as_text(there, name)} there and {_as_text(here, name)} here"
        for name in [*here, *(name for name in there if name not in here)]
        if _as_text(there, name) != _as_text(here, name)
    ]


_EXTENDS = ("sampling.n", "items", "items_sha256")


def only_extends(theirs: Mapping[str, Any], ours: RunConfig) -> bool:
    """Whether two records differ at most in the number of items and samples."""
    there, here = _leaves(theirs), _leaves(to_plain(ours))
    return there.keys() == here.keys() and all(
        name in _EXTENDS or name.startswith("selection.")
        for name in here
        if _as_text(there, name) != _as_text(here, name)
    )


def _as_text(fields: Mapping[str, object], name: str) -> str:
    return json.dumps(fields[name]) if name in fields else "absent"


_ADDED: Mapping[str, object] = {"selection.split": "all"}
"""Fields that records of earlier versions lack, and what they mean there."""


def _leaves(record: Mapping[str, Any]) -> dict[str, object]:
    """The values of a record by their dotted names, in today's words."""
    found = {**_ADDED, **dict(_fields(record))}
    truncation = found.get("settings.truncation")
    if isinstance(truncation, str):
        found["settings.truncation"] = EARLIER_TRUNCATIONS.get(truncation, truncation)
    return found


def _fields(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in data.items():
        if isinstance(value, Mapping):
            yield from _fields(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def hash_of_items(items: Sequence[Item]) -> str:
    """The SHA-256 of the ids of some items, in order."""
    return hashlib.sha256("\n".join(item.id for item in items).encode()).hexdigest()
