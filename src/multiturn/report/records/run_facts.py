"""The record of a run, ``run.json``, as far as a report needs it."""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec

from multiturn.core.errors import InputError, storage_errors
from multiturn.text.truncation_names import EARLIER_TRUNCATIONS

__all__ = [
    "RUN_RECORD",
    "RunFacts",
    "directories_without_record",
    "find_run_directories",
    "read_run_facts",
]

RUN_RECORD = "run.json"

_SCHEMA = "multiturn.bench/1"
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_Count = Annotated[int, msgspec.Meta(ge=0)]
_Number = Annotated[float, msgspec.Meta(ge=0)]
_Oracles = Annotated[list[str], msgspec.Meta(min_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What distinguishes a run, and what its samples depend on."""

    path: Path
    """Its directory."""
    task: str
    """The problem set."""
    problems_sha256: str
    """Of the file of problems: runs are compared only where it is the same."""
    model: str
    """As the person called it."""
    arm: str
    """How the model was prompted."""
    truncation: str
    """Where generated text ended, by today's name."""
    temperature: float
    """0 is greedy."""
    top_p: float
    """Of nucleus sampling."""
    seed: int
    """Of the run."""
    samples_per_item: int
    """How many samples each item should have."""
    items: int
    """How many items were selected."""
    oracles: tuple[str, ...]
    """The one of the headline figure is first."""
    budget: int | None = None
    """Maximum of new tokens of a sample."""
    max_new_tokens: int | None = None
    """Maximum of new tokens of a generation; None for that of the problem."""
    engine: str = ""
    """Kind, version and precision."""
    weights: str = ""
    """What the weights call themselves."""
    weights_sha256: str | None = None
    """Hash of the weights."""
    isolation: str = ""
    """How programs were isolated."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Of software and oracles."""
    mark: str = ""
    """Part of the label that tells it from another run's; empty if it is unique without."""

    @property
    def expected(self) -> int:
        """The number of samples of the complete run."""
        return self.items * self.samples_per_item

    @property
    def label(self) -> str:
        """A name for people."""
        return (
            f"{self.task} {self.model} {self.arm} {self.truncation} T {self.temperature:g}"
            + (f" seed {self.seed}" if self.seed else "")
            + (f" budget {self.budget}" if self.budget else "")
            + (f" ({self.mark})" if self.mark else "")
        )

    @property
    def conditions(self) -> tuple[object, ...]:
        """What its samples depend on: another run with the same gives the same samples."""
        return (
            self.task, self.problems_sha256, self.model, self.weights_sha256, self.arm,
            self.truncation, self.temperature, self.top_p, self.seed, self.budget,
            self.max_new_tokens,
        )  # fmt: skip

    def oracle_version(self, oracle: str) -> str:
        """The version of an oracle; 1 if the record has none."""
        return self.versions.get(f"oracle {oracle}", "1")


def find_run_directories(places: Sequence[Path]) -> tuple[Path, ...]:
    """The directories of runs in and below some places, each once.

    Args:
        places: runs, directories of runs, or records of runs.

    Raises:
        InputError: a place has none.
    """
    found: dict[Path, None] = {}
    for place in places:
        if place.is_file() and place.name == RUN_RECORD:
            there = [place.parent]
        else:
            there = sorted(record.parent for record in place.rglob(RUN_RECORD) if record.is_file())
        if not there:
            raise InputError(
                "there is no saved run here" if place.exists() else "there is no such directory",
                got=str(place),
                fix="name a run, or the directory that was given as --out",
            )
        for path in there:
            found.setdefault(path.resolve(), None)
    return tuple(found)


def directories_without_record(places: Sequence[Path]) -> tuple[Path, ...]:
    """Directories with samples of a run whose record is missing."""
    found: dict[Path, None] = {}
    for place in places:
        for file in sorted(place.rglob("samples*.jsonl*")):
            if not (file.parent / RUN_RECORD).is_file():
                found.setdefault(file.parent.resolve(), None)
    return tuple(found)


@dataclass(slots=True)
class _Settings:
    truncation: str
    budget: int | None = None
    max_new_tokens: int | None = None


@dataclass(slots=True)
class _Sampling:
    n: _Count
    temperature: _Number
    top_p: _Number = 1.0
    seed: int = 0


@dataclass(slots=True)
class _Engine:
    engine: str = ""
    model: str = ""
    weights_sha256: str | None = None


@dataclass(slots=True)
class _RunRecord:
    """The record of `multiturn.benchmarks`, as far as it is read."""

    task: str
    problems_sha256: str
    items: _Count
    oracles: _Oracles
    model: str
    arm: str
    settings: _Settings
    sampling: _Sampling
    engine: _Engine
    rung: str = ""
    versions: dict[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class _SchemaOnly:
    schema: str


def read_run_facts(path: Path) -> RunFacts:
    """Read the record of a run.

    Keys that this version does not know are ignored, because they cannot change what the known
    ones mean; another schema can, and is refused.

    Raises:
        InputError: the record is not one of a run, or has another schema.
        StorageError: it cannot be read.
    """
    file = path / RUN_RECORD
    with storage_errors(file, "reading the record of the run"):
        text = file.read_bytes().removeprefix(codecs.BOM_UTF8)
    try:
        schema = msgspec.json.decode(text, type=_SchemaOnly).schema
    except _UNREADABLE as error:
        raise InputError(f"{file} is not the record of a run") from error
    if schema != _SCHEMA:
        raise InputError(
            f"{file} has a schema that this version does not know",
            got=schema,
            allowed=_SCHEMA,
            fix="use a version of multiturn that is at least as new as the run",
        )
    try:
        return _facts(path, msgspec.json.decode(text, type=_RunRecord))
    except _UNREADABLE as error:
        raise InputError(f"{file} lacks what a report needs: {error}") from error


def _facts(path: Path, data: _RunRecord) -> RunFacts:
    truncation = data.settings.truncation
    return RunFacts(
        path=path,
        task=_shown(data.task),
        problems_sha256=data.problems_sha256,
        model=_shown(data.model),
        arm=_shown(data.arm),
        truncation=_shown(EARLIER_TRUNCATIONS.get(truncation, truncation)),
        temperature=data.sampling.temperature,
        top_p=data.sampling.top_p,
        seed=data.sampling.seed,
        samples_per_item=data.sampling.n,
        items=data.items,
        oracles=tuple(dict.fromkeys(data.oracles)),
        budget=data.settings.budget,
        max_new_tokens=data.settings.max_new_tokens,
        engine=data.engine.engine,
        weights=data.engine.model,
        weights_sha256=data.engine.weights_sha256,
        isolation=data.rung,
        versions={name: str(version) for name, version in data.versions.items()},
    )


def _shown(name: str) -> str:
    """A name that pages can show: in one line, and without control characters."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
