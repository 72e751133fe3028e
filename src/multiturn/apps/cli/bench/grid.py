"""Parses the options of a grid: arms, truncations, temperatures and models."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

from multiturn.benchmarks.arms.options import read_options
from multiturn.benchmarks.loaders.open_task import open_task
from multiturn.benchmarks.runner.directory import CONFIG
from multiturn.benchmarks.split import PARTED, SplitName
from multiturn.benchmarks.task import (
    EARLIER_TRUNCATIONS,
    HasLoopOptions,
    HeaderStyle,
    Task,
    Truncation,
)
from multiturn.core.errors import InputError, UnknownNameError
from multiturn.engines.model_name import LocalModel, ModelName, RemoteModel, ScriptedModel
from multiturn.engines.protocol import EngineInfo
from multiturn.hub.progress import ProgressListener, silent

__all__ = [
    "check_names",
    "label_of_runs",
    "loops_of",
    "model_label",
    "numbers",
    "open_tasks",
    "split_named",
    "words",
]

T = TypeVar("T")


def open_tasks(
    benchmark: str,
    arms: Sequence[str],
    *,
    language: str | None = None,
    path: Path | None,
    any_hash: bool,
    limits: Mapping[str, Any] | None = None,
    progress: ProgressListener = silent,
) -> tuple[Task, ...]:
    """The benchmark under each arm; under its default arm if none is named."""
    return tuple(
        open_task(
            benchmark,
            arm=arm,
            language=language,
            path=path,
            any_hash=any_hash,
            limits=limits,
            progress=progress,
        )
        for arm in (arms or (None,))
    )


def check_names(
    truncations: Sequence[str], header: str
) -> tuple[tuple[Truncation, ...], HeaderStyle]:
    """Check the names of truncations and of the header.

    Raises:
        UnknownNameError: a name is not known.
    """
    current = tuple(EARLIER_TRUNCATIONS.get(name, name) for name in truncations)
    for name in current:
        if name not in get_args(Truncation):
            raise UnknownNameError("truncation", name, get_args(Truncation))
    if header not in get_args(HeaderStyle):
        raise UnknownNameError("header", header, get_args(HeaderStyle))
    return cast(tuple[Truncation, ...], current), cast(HeaderStyle, header)


def split_named(name: str | None, benchmark: str) -> SplitName:
    """Check the name of a part of a benchmark.

    Raises:
        UnknownNameError: there is no such part.
        InputError: the benchmark has no parts.
    """
    if name is None:
        return "all"
    if name not in get_args(SplitName):
        raise UnknownNameError("split", name, get_args(SplitName))
    if name != "all" and benchmark not in PARTED:
        raise InputError(
            f"the benchmark {benchmark} is not parted",
            got=f"--split {name}",
            allowed=f"all; only {' and '.join(PARTED)} have dev and test",
        )
    return cast(SplitName, name)


def loops_of(
    variants: Sequence[str] | None, tasks: Sequence[Task]
) -> tuple[Mapping[str, object], ...]:
    """The options of the arms loop and chat, one for each variant; without any, the defaults.

    Raises:
        UnknownNameError: there is no such option.
        InputError: a value is not allowed, or no arm has options.
    """
    if not variants:
        return ({},)
    if not any(isinstance(task, HasLoopOptions) and task.loop_options("") for task in tasks):
        raise InputError("no arm has options", got=f"--with {variants[0]}", fix="add --arm loop")
    found = [read_options(variant) for variant in variants]
    return tuple(each for at, each in enumerate(found) if each not in found[:at])


def words(values: Sequence[str]) -> tuple[str, ...]:
    """The distinct words of an option that may be repeated and may be separated by commas.

    Example:
        >>> words(["turns,concat", "turns"])
        ('turns', 'concat')
    """
    found = (word.strip() for text in values for word in text.split(","))
    return tuple(dict.fromkeys(word for word in found if word))


def numbers(values: Sequence[str], option: str) -> tuple[float, ...]:
    """The distinct numbers of such an option.

    Raises:
        InputError: a word is not a number.
    """
    found: dict[float, None] = {}
    for word in words(values):
        try:
            found[float(word)] = None
        except ValueError as error:
            raise InputError(f"{option} is not a number", got=word) from error
    return tuple(found)


def model_label(name: ModelName) -> str:
    """The name of a model in directory names and records, without path or address.

    Example:
        >>> model_label(LocalModel(Path("models/My model.gguf")))
        'My-model'
        >>> model_label(LocalModel("smollm2-135m", adapter=Path("runs/short-turns")))
        'smollm2-135m+short-turns'
        >>> model_label(RemoteModel("http://host/v1#org/coder"))
        'coder'
    """
    match name:
        case RemoteModel(address):
            return _label(address.rpartition("#")[2].rstrip("/").rpartition("/")[2])
        case ScriptedModel(path):
            return f"scripted-{_label(path.name)}"
        case LocalModel(model, adapter):
            label = _label(Path(model).name)
            return label if adapter is None else f"{label}+{_label(adapter.name)}"


def label_of_runs(out: Path, tasks: Sequence[str], name: ModelName, engine: EngineInfo) -> str:
    """Like `model_label`, but ask a server without ``#MODEL`` for its model's name.

    Runs of such a server from an older version, whose label is a part of the address, keep their
    directory.
    """
    label = model_label(name)
    if not isinstance(name, RemoteModel) or "#" in name.address:
        return label
    own = model_label(RemoteModel(f"{name.address}#{engine.model}"))
    for task in tasks:
        for record in (out / task / label).glob(f"*/{CONFIG}"):
            try:
                model = json.loads(record.read_bytes())["engine"]["model"]
            except (OSError, ValueError, KeyError, TypeError):
                continue
            if model == engine.model and not (out / task / own).exists():
                return label
    return own


def _label(name: str) -> str:
    """A name as part of a path that needs no quoting."""
    for suffix in (".gguf", ".jsonl"):
        name = name.removesuffix(suffix)
    return re.sub(r"[^\w.+-]+", "-", name).strip("-.") or "model"
