"""From what a person calls a model to an engine that runs it."""

from __future__ import annotations

from pathlib import Path

from multiturn.core.errors import InputError
from multiturn.engines.protocol import Engine
from multiturn.engines.scripted import ScriptedEngine, read_script

__all__ = ["open_engine"]

SCRIPTED = "scripted:"


def open_engine(
    model: str,
    *,
    directory: Path | None = None,
    context: int | None = None,
    threads: int | None = None,
) -> Engine:
    """Load a model.

    Args:
        model: a known name, which is pulled first if need be; or the path of a GGUF file;
            or ``scripted:FILE``, for the engine that reads its lines from a script.
        directory: where models are kept; the user's own place by default.
        context: tokens of the context window; by default what suits the model.
        threads: threads to decode with; by default one for each CPU this process may use.

    Raises:
        InputError: an option is out of range, or the script is not one.
        UnknownNameError, HubError, StorageError: the model's file could not be had.
        MissingDependencyError: the package that runs such models is not installed.
        EngineError: the model could not be loaded.
    """
    if model.startswith(SCRIPTED):
        path = Path(model.removeprefix(SCRIPTED)).expanduser()
        script, settings = read_script(path)
        return ScriptedEngine(script, settings=settings, model=model)
    del directory, context, threads
    raise InputError("only scripted engines can be opened yet", got=model)
