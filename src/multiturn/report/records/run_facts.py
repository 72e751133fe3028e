"""The record of a run, ``run.json``, as far as a report needs it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from multiturn.core.errors import InputError, storage_errors
from multiturn.text.truncation_names import EARLIER_TRUNCATIONS

__all__ = ["RUN_RECORD", "RunFacts", "find_run_directories", "read_run_facts"]

RUN_RECORD = "run.json"

_SCHEMA = "multiturn.bench/1"


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
        )

    def oracle_version(self, oracle: str) -> str:
        """The version of an oracle; 1 if the record has none."""
        return self.versions.get(f"oracle {oracle}", "1")


def find_run_directories(places: list[Path]) -> tuple[Path, ...]:
    """The directories of runs in and below some places, each once.

    Raises:
        InputError: a place has none.
    """
    found: dict[Path, None] = {}
    for place in places:
        there = sorted(record.parent for record in place.rglob(RUN_RECORD))
        if not there:
            raise InputError(
                "there is no saved run here",
                got=str(place),
                fix="name a run, or the directory that was given as --out",
            )
        for path in there:
            found.setdefault(path.resolve(), None)
    return tuple(found)


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
        text = file.read_bytes()
    try:
        data = json.loads(text)
        schema = data["schema"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file} is not the record of a run") from error
    if schema != _SCHEMA:
        raise InputError(
            f"{file} has a schema that this version does not know",
            got=schema,
            allowed=_SCHEMA,
            fix="use a version of multiturn that is at least as new as the run",
        )
    try:
        return _facts(path, data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{file} lacks what a report needs: {error!r}") from error


def _facts(path: Path, data: Mapping[str, Any]) -> RunFacts:
    settings, sampling, engine = data["settings"], data["sampling"], data["engine"]
    truncation = str(settings["truncation"])
    oracles = tuple(str(name) for name in data["oracles"])
    if not oracles:
        raise ValueError("no oracle")
    return RunFacts(
        path=path,
        task=str(data["task"]),
        problems_sha256=str(data["problems_sha256"]),
        model=str(data["model"]),
        arm=str(data["arm"]),
        truncation=EARLIER_TRUNCATIONS.get(truncation, truncation),
        temperature=float(sampling["temperature"]),
        top_p=float(sampling.get("top_p", 1.0)),
        seed=int(sampling.get("seed", 0)),
        samples_per_item=int(sampling["n"]),
        items=int(data["items"]),
        oracles=oracles,
        budget=settings.get("budget"),
        max_new_tokens=settings.get("max_new_tokens"),
        engine=str(engine.get("engine", "")),
        weights=str(engine.get("model", "")),
        weights_sha256=engine.get("weights_sha256"),
        isolation=str(data.get("rung", "")),
        versions={str(k): str(v) for k, v in data.get("versions", {}).items()},
    )
