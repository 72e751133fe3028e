"""Models with golden figures from the independent reference."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from multiturn.hub.checkpoints.reading import Checkpoint, load_parameters, open_checkpoint
from multiturn.models.config import DecoderConfig
from multiturn.models.parameters import Parameters

GOLDEN = Path(__file__).parent.parent / "golden"


@dataclass(frozen=True)
class Golden:
    """A model that transformers made, with what transformers computed from it."""

    checkpoint: Checkpoint
    parameters: Parameters
    prompt: list[int]
    logits: np.ndarray[Any, Any]
    greedy: list[int]

    @property
    def config(self) -> DecoderConfig:
        return self.checkpoint.config


def load_golden(name: str) -> Golden:
    directory = GOLDEN / name
    expected = json.loads((directory / "expected.json").read_text())
    checkpoint = open_checkpoint(directory)
    return Golden(
        checkpoint,
        load_parameters(checkpoint, "float32"),
        expected["prompt"],
        np.load(directory / "logits.npy"),
        expected["greedy"],
    )


@pytest.fixture(scope="session", params=["codegen", "codegen-pickle", "llama", "qwen2"])
def golden(request: pytest.FixtureRequest) -> Golden:
    return load_golden(request.param)


@pytest.fixture(scope="session", params=["codegen", "llama"])
def family(request: pytest.FixtureRequest) -> Golden:
    """One model of each family, where more would show nothing new."""
    return load_golden(request.param)
