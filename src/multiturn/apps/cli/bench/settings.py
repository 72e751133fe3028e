"""The settings of a benchmark: from the command line, the environment, config.toml, or defaults.

They are those of every command (`multiturn.apps.cli.settings`). A benchmark's own values, such as
the time limit of a program, apply unless the user sets another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from multiturn.apps.cli.bench.grid import numbers
from multiturn.apps.cli.settings import Resolved, Settings, resolve_settings
from multiturn.apps.cli.terminal import neutralize
from multiturn.benchmarks.runner.config import SampleSettings
from multiturn.core.errors import InputError

__all__ = ["BenchSettings", "resolve_bench_settings"]

_HEADERS = {"auto": "published", "numpy": "published", "none": "none"}
"""The benchmark's header for each value of the setting ``header``."""

_NOT_HERE = ("style", "retries", "history")
"""Settings that have no effect, because the arms of a benchmark decide."""

_LIMITS = ("cpu_seconds", "wall_seconds", "memory_mib")


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchSettings:
    """The settings of one call of `multiturn bench`."""

    common: Settings
    """With one model; the caller replaces it if there are several."""
    n: int
    temperatures: tuple[float, ...]
    top_p: float
    seed: int
    max_new_tokens: int | None
    """None for the limit of each problem."""
    header: str
    limits: Mapping[str, Any]
    """The fields of `Limits` that override the benchmark's own."""
    origins: Mapping[str, str]
    """The source of each setting from the environment or a file, by name."""
    values: Mapping[str, object]
    """The values of these settings."""

    @property
    def samplings(self) -> tuple[SampleSettings, ...]:
        """One for each temperature.

        Raises:
            InputError: a value is out of range.
        """
        return tuple(
            SampleSettings(n=self.n, temperature=each, top_p=self.top_p, seed=self.seed)
            for each in self.temperatures
        )

    def show(self, console: Console, *, judging: bool = False) -> None:
        """Print the settings from the environment and from config.toml, with their sources.

        Args:
            console: prints them.
            judging: whether existing programs are judged, so that only limits and isolation
                matter.
        """
        used = ("unsafe", *_LIMITS) if judging else None
        shown = [
            f"{name} {self.values[name]} ({origin})"
            for name, origin in self.origins.items()
            if name not in _NOT_HERE and (used is None or name in used)
        ]
        if shown:
            console.print(
                "settings: " + neutralize(", ".join(shown)), markup=False, highlight=False
            )
        unused = [name for name in self.origins if name in _NOT_HERE and not judging]
        if unused:
            console.print(
                f"settings without effect on a benchmark: {', '.join(unused)}", highlight=False
            )


def resolve_bench_settings(
    flags: Mapping[str, object],
    *,
    n: int | None = None,
    temperatures: list[str] | None = None,
    top_p: float | None = None,
    seed: int | None = None,
    max_new_tokens: int | None = None,
    header: str | None = None,
) -> BenchSettings:
    """The settings of a benchmark.

    Args:
        flags: the options that mean the same in every command, by name; None if not given.
        n: samples per item. This and the following options have another range here.
        temperatures: one or more, separated by commas.
        top_p: as in `SampleSettings`.
        seed: as in `SampleSettings`.
        max_new_tokens: the setting ``max_tokens``.
        header: as in `ArmSettings`.

    Raises:
        InputError: a value is not allowed; the message names its source.
    """
    here: dict[str, object] = {"n": n, "temperature": temperatures, "top_p": top_p, "seed": seed}
    here |= {"max_tokens": max_new_tokens, "header": header}
    # These options override the environment and config.toml, and have their own ranges.
    given = {name: getattr(Settings(), name) for name, value in here.items() if value is not None}
    resolved = resolve_settings({**flags, **given}, for_loop=False)  # n counts samples here
    settings = resolved.settings
    origins = {
        name: origin.text
        for name, origin in resolved.origins.items()
        if resolved.is_set(name) and not origin.text.startswith("--")
    }
    return BenchSettings(
        common=settings,
        n=settings.n if n is None else n,
        temperatures=_temperatures(temperatures, settings.temperature),
        top_p=settings.top_p if top_p is None else top_p,
        seed=settings.seed if seed is None else seed,
        max_new_tokens=settings.max_tokens if "max_tokens" in origins else max_new_tokens,
        header=_HEADERS[settings.header] if header is None else header,
        limits=_limits(resolved),
        origins=origins,
        values={name: getattr(settings, name) for name in origins},
    )


def _temperatures(values: list[str] | None, otherwise: float) -> tuple[float, ...]:
    if values is None:
        return (otherwise,)
    found = numbers(values, "--temperature")
    if not found:
        raise InputError("--temperature names no number", got=", ".join(values))
    return found


def _limits(resolved: Resolved) -> Mapping[str, Any]:
    settings = resolved.settings
    found: dict[str, Any] = {
        name: getattr(settings, name)
        for name in ("cpu_seconds", "wall_seconds")
        if resolved.is_set(name)
    }
    if resolved.is_set("memory_mib"):
        found["memory_bytes"] = settings.memory_mib << 20
    return found
