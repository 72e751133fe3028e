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
from multiturn.core.ranges import Range, check_ranges
from multiturn.core.records import read_record
from multiturn.engines.protocol import EngineName
from multiturn.engines.sampling_parameters import SESSION_RANGES
from multiturn.synthesis.defaults import (
    CANDIDATES,
    RETRIES,
    TEMPERATURE,
    LoopDefaults,
    loop_defaults,
)
from multiturn.text.languages import language

__all__ = ["SETTING_RANGES", "Resolved", "SettingOrigin", "Settings", "resolve_settings"]

DEFAULT_MODEL = "qwen2.5-coder-0.5b"

Style = Literal["auto", "comment", "chat"]
Header = Literal["auto", "numpy", "none"]
History = Literal["whole", "drop-oldest"]

SETTING_RANGES = {
    **SESSION_RANGES,
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
    """The user's settings. `None` chooses a value for the model or the machine.

    Attributes:
        model: a known name, or the path of a GGUF file.
        style: how the model sees the turns.
        n: candidates for each turn; the best one is used.
        temperature: sampling temperature of the first candidate; 0 is greedy.
        other_temperature: of the other candidates; by default that of the first, but at least
            0.8, so that they differ.
        top_p: nucleus sampling: the total probability of the tokens to sample from.
        max_tokens: maximum number of new tokens per turn.
        seed: of the sampler; the same seed gives the same program on the same machine.
        retries: how often to rewrite a turn that fails, with the error in the prompt.
        language: what programs are written in: a key of the table of languages, or another name.
        header: code before the first turn: the published header that imports numpy, or none. In
            another language than Python, auto imports what most programs use.
        history: if the program outgrows the context window, refuse the turn, or drop the oldest
            turns from the prompt and report it.
        context: tokens of the context window.
        threads: number of compute threads.
        engine: the inference engine; auto uses native on a CPU, jax on an accelerator.
        cpu_seconds: CPU time limit of a run.
        wall_seconds: wall-clock time limit of a run.
        memory_mib: memory limit of a run, in MiB.
        unsafe: allow running programs with limits only, if nothing better works here.
    """

    model: str = DEFAULT_MODEL
    style: Style = "auto"
    n: int = CANDIDATES
    temperature: float = TEMPERATURE
    other_temperature: float | None = None
    top_p: float = 0.95
    max_tokens: int = 256
    seed: int = 0
    retries: int = RETRIES
    language: str = "python"
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
        object.__setattr__(self, "language", language(self.language).key)
        check_ranges(self, SETTING_RANGES, what="the setting ")


@dataclass(frozen=True, slots=True)
class SettingOrigin:
    """The source of a setting's value, e.g. ``"--n"`` or ``"default"``."""

    text: str
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class Resolved:
    """Settings, and the source of each."""

    settings: Settings
    origins: Mapping[str, SettingOrigin]

    def is_set(self, name: str) -> bool:
        """Whether the user set `name` anywhere."""
        return not self.origins[name].is_default


def resolve_settings(
    flags: Mapping[str, object] | None = None, *, for_loop: bool = True
) -> Resolved:
    """The settings from the command line, the environment, config.toml and the defaults.

    Args:
        flags: the options of the command line by name; None for those not given.
        for_loop: whether defaults that were measured for the loop of a turn apply.

    Raises:
        InputError: a value is not allowed; the message names its source.
    """
    hints = get_type_hints(Settings)
    values: dict[str, object] = {}
    origins: dict[str, SettingOrigin] = {}
    path = app_dirs().settings
    config = _read_config(path)
    for field in dataclasses.fields(Settings):
        name = field.name
        variable = f"MULTITURN_{name.upper()}"
        flag = (flags or {}).get(name)
        if flag is not None:
            values[name], origins[name] = flag, SettingOrigin(f"--{name.replace('_', '-')}")
        elif os.environ.get(variable):
            values[name] = _from_text(os.environ[variable], hints[name], variable)
            origins[name] = SettingOrigin(variable)
        elif name in config:
            values[name], origins[name] = config[name], SettingOrigin(str(path))
        else:
            origins[name] = SettingOrigin("default", is_default=True)
            continue
        # Read each value on its own first, so that an error names its source.
        read_record({name: values[name]}, Settings, where=origins[name].text)
    model = values.get("model", DEFAULT_MODEL)
    usual = LoopDefaults()
    measured = loop_defaults(str(model)) if for_loop else usual
    for name in ("n", "temperature", "other_temperature", "retries"):
        value = getattr(measured, name)
        if origins[name].is_default and value != getattr(usual, name):
            values[name] = value
            origins[name] = SettingOrigin(f"default for {model}", is_default=True)
    return Resolved(read_record(values, Settings, where="settings"), origins)


def _read_config(path: Path) -> Mapping[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"the settings cannot be read ({error})", fix=f"correct {path}, or move it away"
        ) from error
    try:
        config = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not valid TOML ({error})", fix="correct that line") from error
    read_record(config, Settings, where=str(path))
    return config


def _from_text(text: str, kind: Any, variable: str) -> object:
    """Parse the text of an environment variable."""
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
