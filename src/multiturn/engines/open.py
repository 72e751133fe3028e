"""Opens the engine for a model by its name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from multiturn.core.errors import (
    EngineError,
    InputError,
    MissingDependencyError,
    ModelFileError,
    StorageError,
)
from multiturn.engines.choice import choose_engine
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
        MissingDependencyError: a package that runs such models is not installed.
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
    options = _Options(path, adapter, context, threads, pinned, listen)
    if engine == "native":
        return _open_native(options)
    if engine == "jax":
        return _open_jax(options)
    if engine == "llama.cpp":
        return _open_llama_cpp(options)
    return _open_automatically(options)


@dataclass(frozen=True, slots=True)
class _Options:
    """What an engine is opened with."""

    path: Path
    adapter: Path | None
    context: int | None
    threads: int | None
    weights_sha256: str | None
    listen: NoticeListener

    @property
    def is_gguf(self) -> bool:
        """Whether llama.cpp may read the files."""
        return not self.path.is_dir() and not (self.adapter is not None and self.adapter.is_dir())


def _open_automatically(options: _Options) -> Engine:
    """See `EngineName` and `choose_engine`."""
    choice = choose_engine(is_gguf=options.is_gguf)
    if choice.engine == "jax":
        return _open_jax(options)
    if choice.engine == "llama.cpp":
        return _open_llama_cpp(options)
    in_llama = options.is_gguf and find_spec("xllamacpp") is not None
    try:
        return _open_native(options)
    except (ModelFileError, EngineError, MissingDependencyError, StorageError):
        # A kind of file that only llama.cpp reads; or no kernels here.
        if in_llama:
            return _open_llama_cpp(options)
        if find_spec("jax") is None:
            raise
    return _open_jax(options)


def _open_native(options: _Options) -> Engine:
    with _extra("native", "running this model natively"):
        from multiturn.engines.native.loader import open_native
    return open_native(
        options.path,
        context=options.context,
        threads=options.threads,
        weights_sha256=options.weights_sha256,
        adapter=options.adapter,
        listen=options.listen,
    )


def _open_jax(options: _Options) -> Engine:
    with _extra("jax", "running this model in JAX"):
        from multiturn.engines.jax.loader import open_jax
    return open_jax(
        options.path,
        context=options.context,
        weights_sha256=options.weights_sha256,
        adapter=options.adapter,
        listen=options.listen,
    )


def _open_llama_cpp(options: _Options) -> Engine:
    if options.path.is_dir():
        raise InputError(
            "llama.cpp runs GGUF files, and this is a checkpoint's directory",
            got=str(options.path),
            fix="leave the engine at auto, or export the checkpoint to GGUF",
        )
    return open_llama_cpp(
        options.path,
        context=options.context,
        threads=options.threads,
        weights_sha256=options.weights_sha256,
        adapter=options.adapter,
    )


@contextmanager
def _extra(extra: str, purpose: str) -> Iterator[None]:
    """Name the extra that has a missing package."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("multiturn"):
            raise
        raise MissingDependencyError(error.name, extra=extra, purpose=purpose) from error
