"""The engine of a benchmark run, with the hash of its weights."""

from __future__ import annotations

from dataclasses import replace

from rich.console import Console

from multiturn.apps.cli.app_context import open_model
from multiturn.apps.cli.error_report import note
from multiturn.apps.cli.settings import Settings
from multiturn.engines.http.open import open_http
from multiturn.engines.http.settings import HttpSettings
from multiturn.engines.model_name import RemoteModel, ScriptedModel, read_model_name
from multiturn.engines.protocol import Engine, EngineInfo
from multiturn.hub.weights_hash import weights_sha256, weights_sha256_with_adapter

__all__ = ["info_with_hash", "open_bench_engine"]


def open_bench_engine(settings: Settings, console: Console) -> Engine:
    """Load the model of `settings`, or connect to its server.

    Raises:
        MultiturnError: as `open_engine` and `open_http` do.
    """
    name = read_model_name(settings.model)
    if isinstance(name, RemoteModel):
        # Nothing is streamed to the user, so an interrupted request can simply be repeated.
        http = HttpSettings(live=False, context=settings.context)
        return open_http(name.address, settings=http, listen=note)
    return open_model(settings, settings.model, console)


def info_with_hash(engine: Engine, model: str) -> EngineInfo:
    """The engine's info, with the hash of the model's files if the engine gives none.

    Raises:
        MultiturnError: as `read_model_name` does.
    """
    info, name = engine.info, read_model_name(model)
    if isinstance(name, ScriptedModel):
        info = replace(info, model=name.path.name)  # a record holds no paths
        return replace(info, weights_sha256=info.weights_sha256 or weights_sha256(name.path))
    if isinstance(name, RemoteModel) or info.weights_sha256 is not None:
        return info
    path = name.place
    if path is None:
        return info
    weights = weights_sha256(path)
    if name.adapter is not None:
        weights = weights_sha256_with_adapter(weights, name.adapter)
    return replace(info, weights_sha256=weights)
