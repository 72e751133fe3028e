"""The llama.cpp engine of this project: the continuations of a request one after another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from multiturn.engines.llama_cpp import open_llama_cpp
from peers.hub_directory import tokenizer_of
from peers.jobs import Job, Model, Setting
from peers.own_engine import EngineRun

TITLE = "llama.cpp, one after another"
PACKAGES = ("xllamacpp",)

_MAX_SEQUENCES = 4


def settings(_model: Model, _count: int) -> list[Setting]:
    """As it is opened by default."""
    return [Setting(name="default", options={})]


def environment(_setting: Setting) -> dict[str, str]:
    """Nothing beyond the usual."""
    return {}


def instructions() -> str:
    """What the wheel's one library was compiled for, as it says."""
    from multiturn.hub.llama_cpp_library import import_xllamacpp

    return str(import_xllamacpp().get_system_info()).strip()


def prepare(_model: Model) -> dict[str, Any]:
    """It reads the GGUF file itself."""
    return {}


def load(model: Model, _setting: Setting, threads: int) -> EngineRun:
    """Open the engine."""
    engine = open_llama_cpp(model.gguf, threads=threads)
    return _OneAfterAnother(engine, tokenizer_of(model.gguf))


class _OneAfterAnother(EngineRun):
    def run(self, job: Job) -> list[int]:
        """Continue the first prompts only: more of them take longer and are no slower."""
        return super().run(replace(job, prompts=job.prompts[:_MAX_SEQUENCES]))
