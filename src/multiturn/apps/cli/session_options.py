"""The options of the settings of a session, for each command that opens one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps

from multiturn.apps.cli import options

__all__ = ["with_session_options"]

_OPTIONS = {
    "model": options.Model,
    "style": options.Style,
    "n": options.N,
    "temperature": options.Temperature,
    "other_temperature": options.OtherTemperature,
    "top_p": options.TopP,
    "max_tokens": options.MaxTokens,
    "seed": options.Seed,
    "retries": options.Retries,
    "language": options.Language,
    "header": options.Header,
    "history": options.History,
    "context": options.Context,
    "threads": options.Threads,
    "engine": options.Engine,
    "cpu_seconds": options.CpuSeconds,
    "wall_seconds": options.WallSeconds,
    "memory_mib": options.MemoryMib,
    "unsafe": options.Unsafe,
}


def with_session_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options to a command, which gets their values as its argument `flags`.

    `flags` is a dict of a value for each setting; None means that the option was not given.
    """
    own = inspect.signature(command, eval_str=True).parameters.values()
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
        for name, option in _OPTIONS.items()
    ]
    parameters = [*(each for each in own if each.name != "flags"), *added]

    @wraps(command)
    def called(**values: object) -> None:
        flags = {name: values.pop(name) for name in _OPTIONS}
        command(**values, flags=flags)

    # Typer reads the options from both.
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {each.name: each.annotation for each in parameters}
    return called
