"""From what a person calls a model to an engine that runs it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from multiturn.core.errors import InputError, MissingDependencyError, ModelFileError
from multiturn.engines.http.open import open_http
from multiturn.engines.http.settings import HttpSettings
from multiturn.engines.llama_cpp import open_llama_cpp
from multiturn.engines.protocol import Engine
from multiturn.engines.scripted import ScriptedEngine, read_script
from multiturn.hub.progress import ProgressListener, silent
from multiturn.hub.pull import pull
from multiturn.hub.registry import REGISTRY, find_model, single_file_models

__all__ = ["ENGINES", "SCRIPTED", "SERVERS", "EngineName", "open_engine"]

EngineName = Literal["auto", "llama.cpp", "jax"]
"""``auto`` is llama.cpp for GGUF files, which is quickest for one text at a time, where it is
installed; and jax, the native sampler, for checkpoint directories and where it is not."""

ENGINES: tuple[EngineName, ...] = ("auto", "llama.cpp", "jax")

SCRIPTED = "scripted:"
SERVERS = ("http://", "https://")


def open_engine(
    model: str,
    *,
    directory: Path | None = None,
    context: int | None = None,
    threads: int | None = None,
    engine: EngineName = "auto",
    progress: ProgressListener = silent,
) -> Engine:
    """Load a model.

    Args:
        model: a known name, which is pulled first if need be; or the path of a GGUF file or
            of a checkpoint's directory; or ``scripted:FILE``, for the engine that reads its
            lines from a script; or the address of a server, ``http://HOST:PORT/v1#MODEL``
            (docs/http-engine.md). ``MODEL+ADAPTER`` adds a LoRA adapter, a PEFT directory or a
            GGUF file, to the weights.
        directory: where models are kept; the user's own place by default.
        context: tokens of the context window; by default what suits the model.
        threads: threads to decode with; by default one for each CPU this process may use.
        engine: see `EngineName`.
        progress: is told how the pull goes.

    Raises:
        InputError: an option is out of range, or the script is not one.
        UnknownNameError, HubError, StorageError: the model's file could not be had.
        MissingDependencyError: the package that runs such models is not installed.
        EngineError: the model could not be loaded, or no server answers.
    """
    if model.startswith(SCRIPTED):
        path = Path(model.removeprefix(SCRIPTED)).expanduser()
        script, settings = read_script(path)
        if context is not None:
            settings = replace(settings, context_window=context)
        return ScriptedEngine(script, settings=settings, model=model)
    if model.startswith(SERVERS):
        return open_http(model, settings=HttpSettings(context=context))
    if engine not in ENGINES:
        raise InputError("unknown engine", got=engine, allowed=", ".join(ENGINES))
    model, adapter = _with_adapter(model)
    place = Path(model).expanduser()
    if model not in REGISTRY and place.is_dir():
        path = place
    else:
        path = pull(model, directory=directory, progress=progress)
    pinned = find_model(model).sha256 if model in single_file_models() else None
    if pinned is not None and adapter is not None:
        pinned = _hash_of_both(pinned, adapter)
    if engine == "auto":
        as_gguf = not path.is_dir() and not (adapter is not None and adapter.is_dir())
        in_llama = as_gguf and find_spec("xllamacpp") is not None
        engine = "llama.cpp" if in_llama or find_spec("jax") is None else "jax"
    if engine == "jax" or path.is_dir():
        return _open_jax(path, engine, context, threads, pinned, adapter)
    return open_llama_cpp(
        path, context=context, threads=threads, weights_sha256=pinned, adapter=adapter
    )


def _with_adapter(model: str) -> tuple[str, Path | None]:
    """A model and its adapter, where both are named; a plus sign may be part of a path too."""
    base, plus, last = model.rpartition("+")
    if not plus or not base or Path(model).expanduser().exists():
        return model, None
    adapter = Path(last).expanduser()
    if not adapter.exists():
        raise ModelFileError(
            "no such adapter", got=last, fix="name a PEFT directory or a GGUF file after the +"
        )
    return base, adapter


def _hash_of_both(weights: str, adapter: Path) -> str:
    """One hash that stands for the weights with the adapter."""
    digest = hashlib.sha256(weights.encode())
    for file in sorted(adapter.iterdir()) if adapter.is_dir() else [adapter]:
        if file.suffix in (".gguf", ".safetensors", ".json"):
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _open_jax(
    path: Path,
    engine: EngineName,
    context: int | None,
    threads: int | None,
    pinned: str | None,
    adapter: Path | None,
) -> Engine:
    if engine == "llama.cpp" and find_spec("jax") is not None:
        raise InputError(
            "llama.cpp runs GGUF files, and this is a checkpoint's directory",
            got=str(path),
            fix="leave the engine at auto, or export the checkpoint to GGUF",
        )
    try:
        from multiturn.engines.jax.opening import open_jax
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("multiturn"):
            raise
        raise MissingDependencyError(
            error.name, extra="jax", purpose="running this model natively"
        ) from error
    return open_jax(path, context=context, threads=threads, weights_sha256=pinned, adapter=adapter)
