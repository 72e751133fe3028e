"""Opens the engine for a model by its name."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from multiturn.core.errors import InputError, MissingDependencyError
from multiturn.engines.llama_cpp import open_llama_cpp
from multiturn.engines.model_name import RemoteModel, ScriptedModel, read_model_name
from multiturn.engines.notices import NoticeListener, ignore_notice
from multiturn.engines.protocol import ENGINES, Engine, EngineName
from multiturn.engines.scripted import ScriptedEngine, read_script
from multiturn.hub.downloads import pull
from multiturn.hub.progress import ProgressListener, silent
from multiturn.hub.registry import REGISTRY
from multiturn.hub.weights_hash import weights_sha256_with_adapter

__all__ = ["open_engine"]


def open_engine(
    model: str,
    *,
    directory: Path | None = None,
    context: int | None = None,
    threads: int | None = None,
    engine: EngineName = "auto",
    progress: ProgressListener = silent,
    listen: NoticeListener = ignore_notice,
) -> Engine:
    """Load a model.

    Args:
        model: see `read_model_name`. A known name is downloaded if needed; ``scripted:FILE`` is
            the scripted engine; docs/http-engine.md describes servers; the adapter of
            ``MODEL+ADAPTER`` is a PEFT directory or a GGUF file.
        directory: of downloaded models; the user's own by default.
        context: tokens of the context window; by default what suits the model.
        threads: of the computation; by default one for each CPU this process may use.
        engine: see `EngineName`.
        progress: called with the progress of the download.
        listen: called from another thread with notices of the engine, one line each.

    Raises:
        InputError: an option is out of range, or the script is invalid.
        UnknownNameError, HubError, StorageError: the model's file is not available.
        MissingDependencyError: the package that runs such models is not installed.
        EngineError: the model could not be loaded, or no server answers.
    """
    name = read_model_name(model)
    if isinstance(name, ScriptedModel):
        script, settings = read_script(name.path)
        if context is not None:
            settings = replace(settings, context_window=context)
        return ScriptedEngine(script, settings=settings, model=model)
    if isinstance(name, RemoteModel):
        # httpx takes 0.2 s to import, half of what a command does before it begins.
        from multiturn.engines.http.open import open_http
        from multiturn.engines.http.settings import HttpSettings

        return open_http(name.address, settings=HttpSettings(context=context), listen=listen)
    if engine not in ENGINES:
        raise InputError("unknown engine", got=engine, allowed=", ".join(ENGINES))
    adapter, pinned = name.adapter, None
    if isinstance(name.model, Path):
        path = name.model
    else:
        path = pull(name.model, directory=directory, progress=progress)
        pinned = REGISTRY[name.model].sha256
    if pinned is not None and adapter is not None:
        pinned = weights_sha256_with_adapter(pinned, adapter)
    if engine == "auto":
        as_gguf = not path.is_dir() and not (adapter is not None and adapter.is_dir())
        in_llama = as_gguf and find_spec("xllamacpp") is not None
        engine = "llama.cpp" if in_llama or find_spec("jax") is None else "jax"
    if engine == "jax" or path.is_dir():
        return _open_jax(path, engine, context, pinned, adapter, listen)
    return open_llama_cpp(
        path, context=context, threads=threads, weights_sha256=pinned, adapter=adapter
    )


def _open_jax(
    path: Path,
    engine: EngineName,
    context: int | None,
    pinned: str | None,
    adapter: Path | None,
    listen: NoticeListener,
) -> Engine:
    if engine == "llama.cpp" and find_spec("jax") is not None:
        raise InputError(
            "llama.cpp runs GGUF files, and this is a checkpoint's directory",
            got=str(path),
            fix="leave the engine at auto, or export the checkpoint to GGUF",
        )
    try:
        from multiturn.engines.jax.loader import open_jax
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("multiturn"):
            raise
        raise MissingDependencyError(
            error.name, extra="jax", purpose="running this model natively"
        ) from error
    return open_jax(
        path,
        context=context,
        weights_sha256=pinned,
        adapter=adapter,
        listen=listen,
    )
