"""What a person calls a model, taken apart: the one place that knows all the forms."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from multiturn.core.errors import ModelFileError, MultiturnError
from multiturn.engines.http.address import read_addresses
from multiturn.hub.pull import locate
from multiturn.hub.registry import REGISTRY

__all__ = ["ModelName", "ScriptedModel", "RemoteModel", "LocalModel", "read_model_name"]

_SCRIPTED = "scripted:"
_SERVERS = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model that an engine loads.

    Attributes:
        model: a name of the registry; or a path that is there, a checkpoint's directory or a
            file.
        adapter: a LoRA adapter that is added to it, which is there.
    """

    model: str | Path
    adapter: Path | None = None

    @property
    def place(self) -> Path | None:
        """Where the model is on this machine; None where it has to be fetched."""
        return self.model if isinstance(self.model, Path) else locate(self.model)


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """A model that a server has, by its address."""

    address: str


@dataclass(frozen=True, slots=True)
class ScriptedModel:
    """The engine that reads its lines from a file."""

    path: Path


ModelName = LocalModel | RemoteModel | ScriptedModel


def read_model_name(said: str) -> ModelName:
    """Take apart what a person calls a model. Loads nothing, and uses no network.

    Args:
        said: a known name; or the path of a GGUF file or of a checkpoint's directory; or one of
            these as ``MODEL+ADAPTER``; or ``scripted:FILE``; or ``http://HOST:PORT/v1#MODEL``.
            A path may have plus signs of its own.

    Raises:
        InputError: it is empty, or not an address of a server.
        UnknownNameError: no model has this name.
        ModelFileError: a path leads to no model, or there is no such adapter.
    """
    if said.startswith(_SCRIPTED):
        return ScriptedModel(Path(said.removeprefix(_SCRIPTED)).expanduser())
    if said.startswith(_SERVERS):
        read_addresses(said)  # refuses what is none, and one with a password
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
        return _weights(said, None)  # neither is there: a mistaken path with a plus sign in it
    raise ModelFileError(
        "no such adapter", got=last, fix="name a PEFT directory or a GGUF file after the +"
    )


def _weights(said: str, adapter: Path | None) -> LocalModel:
    """A model without its adapter: a name wins over a path, as in `hub.pull`."""
    if said in REGISTRY:
        return LocalModel(said, adapter)
    place = _place(said)
    if place is None or not place.is_dir():
        place = locate(said)  # a file; or refused, since it is no name either
    return LocalModel(place or said, adapter)


def _place(said: str) -> Path | None:
    """What is at a path; None where nothing is."""
    try:
        path = Path(said).expanduser()
        return path if said and path.exists() else None
    except (OSError, RuntimeError, ValueError):  # too long, not allowed, "~nobody"
        return None
