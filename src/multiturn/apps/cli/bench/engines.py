"""The engine of a run, with the fingerprint of what it has loaded."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from multiturn.apps.cli.opening import open_model
from multiturn.apps.cli.settings import Settings
from multiturn.engines.http.open import open_http
from multiturn.engines.http.settings import HttpSettings
from multiturn.engines.open import SCRIPTED, SERVERS
from multiturn.engines.protocol import Engine, EngineInfo
from multiturn.hub.registry import find_model

__all__ = ["check_known", "info_with_hash", "open_bench_engine"]


def open_bench_engine(settings: Settings, console: Console) -> Engine:
    """Load the model of `settings`, or meet the server that has it.

    A benchmark writes many texts at once, so ``auto`` takes the native sampler where it is
    installed, for every kind of model.

    Raises:
        MultiturnError: as `open_engine` and `open_http` do.
    """
    if settings.model.startswith(SERVERS):
        # Nobody reads along, so a server that breaks off may simply be asked again.
        http = HttpSettings(live=False, context=settings.context)
        return open_http(settings.model, settings=http)
    if settings.engine == "auto" and find_spec("jax") is not None:
        settings = replace(settings, engine="jax")
    engine = open_model(settings, settings.model, console)
    if "cpu xla" in engine.info.engine:
        from multiturn.models.native.build import native_status

        status = native_status()
        if not status.works:
            console.print(f"{status.found}; fix: {status.fix}")
    return engine


def check_known(model: str) -> None:
    """Find a misspelt name before another model has run for hours.

    Raises:
        UnknownNameError: it is neither a path that is there nor a known name.
    """
    elsewhere = model.startswith((*SERVERS, SCRIPTED))
    if not elsewhere and not Path(model).expanduser().exists():
        find_model(model)


def info_with_hash(engine: Engine, model: str) -> EngineInfo:
    """What the engine says of itself, with the hash of the model's files where it is not told.

    That of a checkpoint's directory is the hash of its files' names and hashes; that of a
    script, of the script.
    """
    info = engine.info
    path = Path(model.removeprefix(SCRIPTED)).expanduser()
    if model.startswith(SCRIPTED):
        info = replace(info, model=path.name)  # a record holds no paths
    if info.weights_sha256 is not None or not path.exists():
        return info
    if path.is_dir():
        files = sorted(each for each in path.iterdir() if each.is_file())
        listed = "".join(f"{_hash(file)}  {file.name}\n" for file in files)
        return replace(info, weights_sha256=hashlib.sha256(listed.encode()).hexdigest())
    return replace(info, weights_sha256=_hash(path))


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
