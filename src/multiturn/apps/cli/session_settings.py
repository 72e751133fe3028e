"""Converts the user's settings to those of the layers below."""

from __future__ import annotations

from multiturn.apps.cli.settings import Settings
from multiturn.sandbox.protocol import Limits
from multiturn.synthesis.defaults import loop_defaults, other_temperature
from multiturn.synthesis.records import Sampling, SessionSettings

__all__ = ["limits_of", "sampling_of", "session_settings"]


def limits_of(settings: Settings) -> Limits:
    """The limits of a run."""
    return Limits(
        cpu_seconds=settings.cpu_seconds,
        wall_seconds=settings.wall_seconds,
        memory_bytes=settings.memory_mib << 20,
    )


def sampling_of(settings: Settings) -> Sampling:
    """The sampling parameters."""
    return Sampling(
        n=settings.n,
        temperature=settings.temperature,
        other_temperature=other_temperature(settings.temperature)
        if settings.other_temperature is None
        else settings.other_temperature,
        top_p=settings.top_p,
        max_tokens=settings.max_tokens,
        seed=settings.seed,
    )


def session_settings(settings: Settings) -> SessionSettings:
    """The settings that a session stores."""
    return SessionSettings(
        style=settings.style,
        header=settings.header,
        language=settings.language,
        sampling=sampling_of(settings),
        retries=settings.retries,
        history=settings.history,
        limits=limits_of(settings),
        strategy=loop_defaults(settings.model).strategy,
    )
