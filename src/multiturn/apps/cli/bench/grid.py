"""What a person types for a grid: names of arms, truncations, temperatures and models."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

from multiturn.benchmarks.loaders.open_task import open_task
from multiturn.benchmarks.runner.directory import CONFIG
from multiturn.benchmarks.task import EARLIER_TRUNCATIONS, HeaderStyle, Task, Truncation
from multiturn.core.errors import InputError, UnknownNameError
from multiturn.engines.model_name import ModelName, Script, Server, Weights
from multiturn.engines.protocol import EngineInfo
from multiturn.hub.progress import ProgressListener, silent

__all__ = ["check_names", "label_of_runs", "model_label", "numbers", "open_tasks", "words"]

T = TypeVar("T")


def open_tasks(
    benchmark: str,
    arms: Sequence[str],
    *,
    path: Path | None,
    any_hash: bool,
    limits: Mapping[str, Any] | None = None,
    progress: ProgressListener = silent,
) -> tuple[Task, ...]:
    """The benchmark under each arm; under its usual one where none is named."""
    return tuple(
        open_task(
            benchmark, arm=arm, path=path, any_hash=any_hash, limits=limits, progress=progress
        )
        for arm in (arms or (None,))
    )


def check_names(
    truncations: Sequence[str], header: str
) -> tuple[tuple[Truncation, ...], HeaderStyle]:
    """The names as what they stand for.

    Raises:
        UnknownNameError: one is not known.
    """
    current = tuple(EARLIER_TRUNCATIONS.get(name, name) for name in truncations)
    for name in current:
        if name not in get_args(Truncation):
            raise UnknownNameError("truncation", name, get_args(Truncation))
    if header not in get_args(HeaderStyle):
        raise UnknownNameError("header", header, get_args(HeaderStyle))
    return cast(tuple[Truncation, ...], current), cast(HeaderStyle, header)


def words(said: Sequence[str]) -> tuple[str, ...]:
    """The words of an option that may be repeated and may hold several with commas, each once.

    Example:
        >>> words(["turns,concat", "turns"])
        ('turns', 'concat')
    """
    found = (word.strip() for text in said for word in text.split(","))
    return tuple(dict.fromkeys(word for word in found if word))


def numbers(said: Sequence[str], option: str) -> tuple[float, ...]:
    """The numbers of such an option, each once.

    Raises:
        InputError: one is no number.
    """
    found: dict[float, None] = {}
    for word in words(said):
        try:
            found[float(word)] = None
        except ValueError as error:
            raise InputError(f"{option} is not a number", got=word) from error
    return tuple(found)


def model_label(name: ModelName) -> str:
    """What stands for a model in names of directories and in records: no path, no address.

    Example:
        >>> model_label(Weights("smollm2-135m")), model_label(Weights(Path("models/My model.gguf")))
        ('smollm2-135m', 'My-model')
        >>> model_label(Weights("smollm2-135m", adapter=Path("runs/short-turns")))
        'smollm2-135m+short-turns'
        >>> model_label(Server("http://host/v1#org/coder")), model_label(Script(Path("b.jsonl")))
        ('coder', 'scripted-b')
    """
    match name:
        case Server(address):
            return _label(address.rpartition("#")[2].rstrip("/").rpartition("/")[2])
        case Script(path):
            return f"scripted-{_label(path.name)}"
        case Weights(model, adapter):
            label = _label(Path(model).name)
            return label if adapter is None else f"{label}+{_label(adapter.name)}"


def label_of_runs(out: Path, tasks: Sequence[str], name: ModelName, engine: EngineInfo) -> str:
    """`model_label`; of a server without ``#MODEL`` by the name that it gives its model.

    Runs of such a server that an older version has begun, under a part of the address, keep
    their place.
    """
    label = model_label(name)
    if not isinstance(name, Server) or "#" in name.address:
        return label
    own = model_label(Server(f"{name.address}#{engine.model}"))
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
    """A name as part of a path that needs no quotes."""
    for suffix in (".gguf", ".jsonl"):
        name = name.removesuffix(suffix)
    return re.sub(r"[^\w.+-]+", "-", name).strip("-.") or "model"
