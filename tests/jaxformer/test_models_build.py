"""`multiturn models build`: a stage of a chain becomes a model with a name."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from multiturn.core.errors import ModelFileError
from multiturn.engines.open import open_engine
from multiturn.hub.checkpoints.reading import load_parameters, open_checkpoint
from multiturn.hub.downloads import locate, model_state, pull
from multiturn.hub.entries import ModelEntry, TrainedHere
from multiturn.hub.registry import REGISTRY
from multiturn.hub.store import FileState
from multiturn.jaxformer.config import CheckpointConfig, TrainConfig
from multiturn.jaxformer.run.weights import load_run
from tests.jaxformer.chains import staged, written

pytestmark = pytest.mark.real

ENTRY = """
import sys
from multiturn.hub.entries import ModelEntry, TrainedHere
from multiturn.hub.registry import REGISTRY

REGISTRY["small"] = ModelEntry(
    name="small", description="for tests", licence="CC0-1.0", file="small.gguf",
    trained=TrainedHere("chain.py", "multi"),
)
from multiturn.apps.cli.main import entry
entry()
"""


def called(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", ENTRY, *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=900,
    )


@pytest.mark.timeout(1200)
def test_one_command_trains_up_to_the_stage_and_keeps_the_model(
    tiny: TrainConfig, tmp_path: Path, compiled: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = staged(replace(tiny, steps=3, checkpoint=CheckpointConfig(every=3)), tmp_path / "runs")
    written(tmp_path / "chain.py", stages)
    refused = called(tmp_path, "models", "pull", "small")
    assert refused.returncode != 0
    assert "fix: multiturn models build small" in refused.stderr

    done = called(tmp_path, "models", "build", "small", **compiled)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "stage 2 of 3, multi" in done.stderr
    assert not stages["mono"].directory.exists()

    entry = ModelEntry(
        name="small",
        description="for tests",
        licence="CC0-1.0",
        file="small.gguf",
        trained=TrainedHere("chain.py", "multi"),
    )
    monkeypatch.setitem(REGISTRY, "small", entry)
    kept = pull("small")
    assert str(kept) == done.stdout.strip()
    assert model_state(entry).state is FileState.VERIFIED
    # The file holds the weights of that stage, rounded once.
    ours, _ = load_run(stages["multi"].directory)
    theirs = load_parameters(open_checkpoint(kept), "float32")
    table = np.asarray(ours.embedding, np.float32)
    assert np.array_equal(np.asarray(theirs.embedding), table.astype(np.float16))
    with open_engine("small") as engine:
        assert engine.info.model == "multi"

    # A second build trains nothing, and one that was damaged is made again.
    kept.write_bytes(kept.read_bytes()[:-1] + b"!")
    with pytest.raises(ModelFileError, match=r"damaged.*multiturn models build small"):
        locate("small")
    again = called(tmp_path, "models", "build", "small", **compiled)
    assert again.returncode == 0, again.stderr[-3000:]
    assert again.stderr.count("finished before") == 2
    assert locate("small") == kept
