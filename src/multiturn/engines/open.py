"""From what a person calls a model to an engine that runs it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from multiturn.engines.llama_cpp import open_llama_cpp
from multiturn.engines.protocol import Engine
from multiturn.engines.scripted import ScriptedEngine, read_script
from multiturn.hub.progress import ProgressListener, silent
from multiturn.hub.pull import pull
from multiturn.hub.registry import find_model, single_file_models

__all__ = ["open_engine"]

SCRIPTED = "scripted:"


def open_engine(
    model: str,
    *,
    directory: Path | None = None,
    context: int | None = None,
    threads: int | None = None,
    progress: ProgressListener = silent,
) -> Engine:
    """Load a model.

    Args:
        model: a known name, which is pulled first if need be; or the path of a GGUF file;
            or ``scripted:FILE``, for the engine that reads its lines from a script.
        directory: where models are kept; the user's own place by default.
        context: tokens of the context window; by default what suits the model.
        threads: threads to decode with; by default one for each CPU this process may use.
        progress: is told how the pull goes.

    Raises:
        InputError: an option is out of range, or the script is not one.
        UnknownNameError, HubError, StorageError: the model's file could not be had.
        MissingDependencyError: the package that runs such models is not installed.
        EngineError: the model could not be loaded.
    """
    if model.startswith(SCRIPTED):
        path = Path(model.removeprefix(SCRIPTED)).expanduser()
        script, settings = read_script(path)
        if context is not None:
            settings = replace(settings, context_window=context)
        return ScriptedEngine(script, settings=settings, model=model)
    path = pull(model, directory=directory, progress=progress)
    pinned = find_model(model).sha256 if model in single_file_models() else None
    return open_llama_cpp(path, context=context, threads=threads, weights_sha256=pinned)
