"""The llama.cpp engine of this project: the continuations of a request one after another."""

from __future__ import annotations

from typing import Any

from multiturn.engines.llama_cpp import open_llama_cpp
from peers.hub_directory import tokenizer_of
from peers.jobs import Model, Setting
from peers.own_engine import EngineRun

TITLE = "multiturn, llama.cpp engine"
PACKAGES = ("xllamacpp",)


def settings(_model: Model, _count: int) -> list[Setting]:
    """As it is opened by default."""
    return [Setting(name="default", options={})]


def environment(_setting: Setting) -> dict[str, str]:
    """Nothing beyond the usual."""
    return {}


def prepare(_model: Model) -> dict[str, Any]:
    """It reads the GGUF file itself."""
    return {}


def load(model: Model, _setting: Setting, threads: int) -> EngineRun:
    """Open the engine."""
    return EngineRun(open_llama_cpp(model.gguf, threads=threads), tokenizer_of(model.gguf))
