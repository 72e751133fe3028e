"""The peers there are. Each is a small module of this package with the functions of `Peer`."""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import Any, Protocol, cast

from peers.jobs import Job, Model, Setting

PEERS = ("native", "llama", "llama-server", "openvino", "transformers", "ctranslate2", "jax")
"""The first is the one to be held against the others. ``llama``, llama.cpp with one sequence after
another, and ``jax`` are engines of this project too."""

_MODULES = {
    "native": "peers.own_native",
    "jax": "peers.own_jax",
    "llama": "peers.own_llama",
    "llama-server": "peers.llama_server",
    "transformers": "peers.with_transformers",
    "ctranslate2": "peers.with_ctranslate2",
    "openvino": "peers.with_openvino",
}


class Running(Protocol):
    """A loaded model."""

    def run(self, job: Job) -> list[int]:
        """Do the job; how many tokens were written after each prompt."""
        ...


class Peer(Protocol):
    """What the module of a peer holds. Its package is only imported inside the functions."""

    TITLE: str
    PACKAGES: tuple[str, ...]
    """Distributions it needs; those of `versions` in a result."""

    def settings(self, model: Model, count: int) -> list[Setting]:
        """The settings worth trying for `count` sequences, the likeliest first.

        None where it cannot take the model.
        """
        ...

    def environment(self, setting: Setting) -> dict[str, str]:
        """Variables that must be set before its package is imported."""
        ...

    def instructions(self) -> str:
        """The vector instructions that it uses, in its own words."""
        ...

    def prepare(self, model: Model) -> dict[str, Any]:
        """Convert the weights, unless that is done already; what is worth recording of it."""
        ...

    def load(self, model: Model, setting: Setting, threads: int) -> Running:
        """Load the model."""
        ...


def find(name: str) -> Peer:
    """The peer of a name of `PEERS`; or of a module that can be imported, by ``a.b``."""
    return cast(Peer, importlib.import_module(_MODULES.get(name, name)))


def missing_packages(peer: Peer) -> list[str]:
    """Those of its packages that are not installed."""
    return [name for name in peer.PACKAGES if _version(name) is None]


def versions(peer: Peer) -> dict[str, str]:
    """The versions of its packages."""
    return {name: _version(name) or "not there" for name in peer.PACKAGES}


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
