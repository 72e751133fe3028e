"""Chains of short runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from multiturn.core.records import to_plain
from multiturn.jaxformer.config import TrainConfig

RECIPE = """
import json
from multiturn.core.records import read_record
from multiturn.jaxformer.config import TrainConfig

plain = json.loads({text!r})
corpora = {corpora!r}
configs = {{
    name: read_record(config, TrainConfig, where="recipe") for name, config in plain.items()
}}
"""


def staged(config: TrainConfig, runs: Path) -> dict[str, TrainConfig]:
    """Three stages of a run, each from the one before."""
    found: dict[str, TrainConfig] = {}
    previous: str | None = None
    for name in ("nl", "multi", "mono"):
        out = str(runs / name)
        found[name] = replace(config, name=name, out=out, start=previous)
        previous = out
    return found


def written(path: Path, stages: dict[str, TrainConfig], corpora: tuple[str, ...] = ()) -> Path:
    text = json.dumps({name: to_plain(config) for name, config in stages.items()})
    path.write_text(RECIPE.format(text=text, corpora=corpora))
    return path
