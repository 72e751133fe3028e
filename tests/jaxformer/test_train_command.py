"""`multiturn train`, as a person calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from multiturn.core.records import to_plain
from multiturn.jaxformer.config import TrainConfig

pytestmark = pytest.mark.real

ENTRY = "from multiturn.apps.cli.main import entry; entry()"

RECIPE = """
import json
from multiturn.core.records import read_record
from multiturn.jaxformer.config import TrainConfig
config = read_record(json.loads({text!r}), TrainConfig, where="recipe")
"""


@pytest.fixture
def recipe(tiny: TrainConfig, tmp_path: Path) -> Path:
    path = tmp_path / "tiny.py"
    path.write_text(RECIPE.format(text=json.dumps(to_plain(tiny))))
    return path


def call(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-c",
            "from multiturn.apps.cli.main import entry; entry()",
            "train",
            *map(str, arguments),
        ],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=280,
    )


def test_trains_logs_evaluates_and_goes_on(
    recipe: Path, tiny: TrainConfig, compiled: dict[str, str]
) -> None:
    prompts = ["watch.prompts=['def ']", "watch.prompt_tokens=3"]
    done = call(recipe, "steps=6", *prompts, **compiled)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "tiny: 0.0M parameters" in done.stderr
    assert "tokens/s  MFU " in done.stderr
    assert "validation, python: loss " in done.stderr
    assert " bits per byte" in done.stderr
    assert "'def ' -> " in done.stderr
    done = call(recipe, "steps=8", "optimizer.decay=0.2", **compiled)
    assert done.returncode == 0, done.stderr
    assert "changed since step 6: optimizer.decay: 0.1 -> 0.2" in done.stderr
    text = (tiny.directory / "metrics.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 6, 6, 8, 8]
    assert {"loss", "rate", "tokens_per_second", "model_flops_utilisation"} <= set(lines[0])
    assert {"held_out/python/perplexity", "samples"} <= set(lines[3])
    assert json.loads((tiny.directory / "config.json").read_text())["steps"] == 8


def test_shows_the_config_and_trains_nothing(recipe: Path, tiny: TrainConfig) -> None:
    done = call("run", recipe, "steps=3", "--show")
    assert json.loads(done.stdout)["steps"] == 3
    assert not tiny.directory.exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nothing.py"], "no such recipe"),
        (["RECIPE", "stesp=3"], "did you mean steps?"),
        (["RECIPE", "mesh.tensor=3"], "does not fit"),
        (["RECIPE", "data.path=/no/where"], "no such directory of text files"),
        (["RECIPE", "model.vocab_size=300"], "vocabulary of the data is larger than the model's"),
        (["RECIPE", "out=/proc/run"], "making the run's directory failed"),
    ],
)
def test_mistakes_are_one_line(recipe: Path, arguments: list[str], told: str) -> None:
    done = call(*[recipe if part == "RECIPE" else part for part in arguments])
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ")
    assert told in done.stderr


@pytest.fixture
def small_disk(disk_of: Callable[[str], Path]) -> Path:
    """A real file system of 6 MB."""
    return disk_of("6m")


def test_a_disk_that_fills_up(recipe: Path, small_disk: Path, compiled: dict[str, str]) -> None:
    settings = [f"out={small_disk}/run", "checkpoint.keep_last=1", "watch.log_every=1000000"]
    process = subprocess.Popen(
        [sys.executable, "-c", ENTRY, "train", recipe, "steps=1000000", *settings],
        env={**os.environ, **compiled},
        stderr=subprocess.PIPE,
        text=True,
    )
    saved = small_disk / "run" / "checkpoints"
    limit = time.monotonic() + 200
    while time.monotonic() < limit and not [
        path for path in saved.glob("*") if path.name.isdigit()
    ]:
        time.sleep(0.01)
    with (small_disk / "filler").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 2
    # Libraries below may say more of it; the last word is one clear line.
    assert told.splitlines()[-1].startswith("error: saving a checkpoint failed, no space left")
    (small_disk / "filler").unlink()
    done = call(recipe, "steps=1", *settings, **compiled)
    assert done.returncode == 0, done.stderr
    assert "resumed at step" in done.stderr
