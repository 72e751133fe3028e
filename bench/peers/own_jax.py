"""The JAX engine of this project."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from multiturn.engines.jax.loader import open_jax
from multiturn.text.tokenizers_files import from_hub_files
from peers.jobs import Model, Setting
from peers.own_engine import EngineRun

TITLE = "multiturn, JAX engine"
PACKAGES = ("jax",)


def settings(_model: Model, _count: int) -> list[Setting]:
    """XLA in float32."""
    return [Setting(name="float32", options={"dtype": "float32"})]


def environment(_setting: Setting) -> dict[str, str]:
    """Nothing beyond the usual."""
    return {}


def instructions() -> str:
    """XLA compiles for what CPUID says."""
    return "as CPUID says"


def prepare(model: Model) -> dict[str, Any]:
    """The directory once more, but with no token that ends a text."""
    place = _place(model)
    if not place.exists():
        work = place.with_suffix(".part")
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        for file in model.directory.iterdir():
            (work / file.name).symlink_to(file)
        config = json.loads((model.directory / "config.json").read_text("utf-8"))
        (work / "config.json").unlink()
        (work / "config.json").write_text(json.dumps({**config, "eos_token_id": []}), "utf-8")
        work.rename(place)
    return {}


def load(model: Model, setting: Setting, _threads: int) -> EngineRun:
    """Open the engine with its usual 64 slots."""
    place = _place(model)
    engine = open_jax(place, **setting.options)
    return EngineRun(engine, from_hub_files(place))


def _place(model: Model) -> Path:
    return model.directory.with_name(f"{model.directory.name}.endless")
