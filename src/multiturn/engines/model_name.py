"""Parses the name by which a person selects a model, in all its forms."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from multiturn.core.errors import ModelFileError, MultiturnError
from multiturn.engines.http.address import read_addresses
from multiturn.hub.downloads import locate
from multiturn.hub.registry import REGISTRY

__all__ = ["ModelName", "ScriptedModel", "RemoteModel", "LocalModel", "read_model_name"]

_SCRIPTED = "scripted:"
_SERVERS = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model that an engine loads.

    Attributes:
        model: a name of the registry, or an existing path: a checkpoint's directory or a file.
        adapter: the path of a LoRA adapter.
    """

    model: str | Path
    adapter: Path | None = None

    @property
    def place(self) -> Path | None:
        """The path of the model; None where it has to be downloaded."""
        return self.model if isinstance(self.model, Path) else locate(self.model)


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """A model on a server, by its address."""

    address: str


@dataclass(frozen=True, slots=True)
class ScriptedModel:
    """The scripted engine, with the file of its script."""

    path: Path


ModelName = LocalModel | RemoteModel | ScriptedModel


def read_model_name(said: str) -> ModelName:
    """Parse the name of a model. Loads nothing, and uses no network.

    Args:
        said: a known name; or the path of a GGUF file or of a checkpoint's directory; or one of
            these as ``MODEL+ADAPTER``; or ``scripted:FILE``; or ``http://HOST:PORT/v1#MODEL``.
            A path may contain plus signs.

    Raises:
        InputError: the name is empty, or an invalid address.
        UnknownNameError: no model has this name.
        ModelFileError: there is no model at the path, or no such adapter.
    """
    if said.startswith(_SCRIPTED):
        return ScriptedModel(Path(said.removeprefix(_SCRIPTED)).expanduser())
    if said.startswith(_SERVERS):
        read_addresses(said)  # validates it
        return RemoteModel(said)
    base, plus, last = said.rpartition("+")
    if not plus or not base or _place(said) is not None:
        return _weights(said, None)
    adapter = _place(last)
    if adapter is not None:
        return _weights(base, adapter)
    try:
        _weights(base, None)
    except MultiturnError:
        return _weights(said, None)  # a mistyped path with a plus sign
    raise ModelFileError(
        "no such adapter", got=last, fix="name a PEFT directory or a GGUF file after the +"
    )


def _weights(said: str, adapter: Path | None) -> LocalModel:
    """A model and its adapter; a known name has priority over a path, as in `hub.pull`."""
    if said in REGISTRY:
        return LocalModel(said, adapter)
    place = _place(said)
    if place is None or not place.is_dir():
        place = locate(said)  # raises where it is no known name either
    return LocalModel(place or said, adapter)


def _place(said: str) -> Path | None:
    """The path, where something exists there."""
    try:
        path = Path(said).expanduser()
        return path if said and path.exists() else None
    except (OSError, RuntimeError, ValueError):  # too long, no permission, "~unknown"
        return None
