"""Settings: from the command line, else the environment, else config.toml, else a default.

Each setting has one name. ``cpu_seconds`` is the option ``--cpu-seconds``, the variable
``MULTITURN_CPU_SECONDS`` and the key ``cpu_seconds`` of config.toml.
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
import types
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from multiturn.core.app_dirs import app_dirs
from multiturn.core.errors import InputError
from multiturn.core.ranges import Range
from multiturn.core.records import read_record
from multiturn.engines.open import EngineName
from multiturn.engines.sampling_parameters import check_sampling
from multiturn.synthesis.records import SESSION_RANGES

__all__ = ["Origin", "Resolved", "Settings", "resolve_settings"]

DEFAULT_MODEL = "qwen2.5-coder-0.5b"

Style = Literal["auto", "comment", "chat"]
Header = Literal["auto", "numpy", "none"]
History = Literal["whole", "drop-oldest"]

_RANGES = {
    "max_tokens": Range(1, 32768),
    "retries": Range(0, 10),
    "context": Range(64),
    "threads": Range(1, 1024),
    "cpu_seconds": Range(0, 86400, above=True),
    "wall_seconds": Range(0, 86400, above=True),
    "memory_mib": Range(16, 2**20),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a person can set. `None` means: what suits the model or the machine.

    Attributes:
        model: a known name, or the path of a GGUF file.
        style: how turns are put to the model.
        n: candidates written for each turn; the best one is taken.
        temperature: 0 always writes what is likeliest.
        top_p: the share of likely tokens that is sampled from; 1 is all.
        max_tokens: most tokens written for one turn.
        seed: where sampling starts; the same seed gives the same program on the same machine.
        retries: how often a turn that fails is written again, told what went wrong.
        header: what stands before the first turn: the published header that imports
            numpy, or nothing.
        history: what to do when the program outgrows the model's window: refuse the turn
            and say so, or leave the oldest turns out of what the model reads, and say so.
        context: tokens of the context window.
        threads: threads to compute with.
        engine: what runs the model; auto takes llama.cpp for GGUF files, else jax.
        cpu_seconds: CPU time for one run of the program.
        wall_seconds: time on the clock for one run of the program.
        memory_mib: memory for one run of the program, in MiB.
        unsafe: allow running programs with limits only, where nothing better works here.
    """

    model: str = DEFAULT_MODEL
    style: Style = "auto"
    n: int = 1
    temperature: float = 0.2
    top_p: float = 0.95
    max_tokens: int = 256
    seed: int = 0
    retries: int = 0
    header: Header = "auto"
    history: History = "whole"
    context: int | None = None
    threads: int | None = None
    engine: EngineName = "auto"
    cpu_seconds: float = 10.0
    wall_seconds: float = 30.0
    memory_mib: int = 1024
    unsafe: bool = False

    def __post_init__(self) -> None:
        if not self.model.strip():
            raise InputError(
                "the setting model is empty", allowed="a name or the path of a GGUF file"
            )
        check_sampling(self, {**SESSION_RANGES, **_RANGES}, what="the setting ")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the value of a setting comes from, e.g. ``"--n"`` or ``"default"``."""

    text: str
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class Resolved:
    """Settings, and where each comes from."""

    settings: Settings
    origins: Mapping[str, Origin]

    def said(self, name: str) -> bool:
        """Whether a person set `name` anywhere."""
        return not self.origins[name].is_default


def resolve_settings(flags: Mapping[str, object] | None = None) -> Resolved:
    """The settings that hold now.

    Args:
        flags: what the command line said, by name; None for what it did not say.

    Raises:
        InputError: a value is not allowed; the message says where it stands.
    """
    hints = get_type_hints(Settings)
    values: dict[str, object] = {}
    origins: dict[str, Origin] = {}
    path = app_dirs().settings
    config = _read_config(path)
    for field in dataclasses.fields(Settings):
        name = field.name
        variable = f"MULTITURN_{name.upper()}"
        said = (flags or {}).get(name)
        if said is not None:
            values[name], origins[name] = said, Origin(f"--{name.replace('_', '-')}")
        elif os.environ.get(variable):
            values[name] = _from_text(os.environ[variable], hints[name], variable)
            origins[name] = Origin(variable)
        elif name in config:
            values[name], origins[name] = config[name], Origin(str(path))
        else:
            origins[name] = Origin("default", is_default=True)
            continue
        # Each alone first, so that a wrong value is told with the place it stands in.
        read_record({name: values[name]}, Settings, where=origins[name].text)
    return Resolved(read_record(values, Settings, where="settings"), origins)


def _read_config(path: Path) -> Mapping[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"the settings cannot be read ({error})", fix=f"mend {path}, or move it away"
        ) from error
    try:
        config = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is no valid TOML ({error})", fix="mend that line") from error
    read_record(config, Settings, where=str(path))
    return config


def _from_text(text: str, kind: Any, variable: str) -> object:
    """The value that an environment variable's text stands for."""
    if get_origin(kind) is types.UnionType:
        kind = next(option for option in get_args(kind) if option is not types.NoneType)
    if kind is bool:
        truths = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
        if text.lower() not in truths:
            raise InputError(f"{variable} is neither yes nor no", got=text, allowed="1, 0")
        return truths[text.lower()]
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError as error:
            raise InputError(
                f"{variable} is not {'a whole number' if kind is int else 'a number'}", got=text
            ) from error
    return text
