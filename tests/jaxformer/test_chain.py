"""`multiturn train chain`: stages in order, each from the one before, stopped and resumed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from multiturn.core.errors import InputError
from multiturn.jaxformer.config import CheckpointConfig, TrainConfig, WatchConfig
from multiturn.jaxformer.family import FAMILY_CORPORA, FAMILY_SIZES, family_chain
from multiturn.jaxformer.recipes import load_chain, load_recipe
from multiturn.models.plan import plan_of
from tests.jaxformer.chains import staged, written

pytestmark = pytest.mark.real

ENTRY = "from multiturn.apps.cli.main import entry; entry()"

READ = """
import hashlib, sys
from pathlib import Path
import jax, numpy as np
from multiturn.jaxformer.run.weights import load_run

for place in sys.argv[1:]:
    parameters, config = load_run(Path(place))
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(parameters):
        digest.update(np.asarray(leaf).tobytes())
    print(digest.hexdigest())
"""


def started(recipe: Path, *settings: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", ENTRY, "train", "chain", str(recipe), *settings],
        env={**os.environ, **environment},
        cwd=recipe.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(recipe: Path, *settings: str, **environment: str) -> str:
    process = started(recipe, *settings, **environment)
    _, told = process.communicate(timeout=1800)
    assert process.returncode == 0, told[-3000:]
    return told


def killed_when(due: Callable[[], bool], recipe: Path, **environment: str) -> None:
    """Start the chain, and kill it at the moment that is asked for."""
    process = started(recipe, **environment)
    while process.poll() is None and not due():
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    _, told = process.communicate()
    assert process.returncode == -signal.SIGKILL, told[-3000:]


def logged(config: TrainConfig, step: int) -> bool:
    """Whether a run has logged a step."""
    metrics = config.directory / "metrics.jsonl"
    return metrics.exists() and f'"step": {step},' in metrics.read_text()


def weights(program: Any, stages: dict[str, TrainConfig]) -> list[str]:
    done = program(READ, *[str(config.directory) for config in stages.values()])
    assert done.returncode == 0, done.stderr[-2000:]
    return list(done.stdout.split())


@pytest.mark.timeout(1800)
def test_killed_in_a_stage_the_chain_ends_bit_equal(
    tiny: TrainConfig, tmp_path: Path, compiled: dict[str, str], program: Any
) -> None:
    config = replace(
        tiny,
        steps=8,
        checkpoint=CheckpointConfig(every=3),
        watch=WatchConfig(log_every=1, peak_flops=1e11),
    )
    whole, broken = staged(config, tmp_path / "whole"), staged(config, tmp_path / "broken")
    told = finished(written(tmp_path / "whole.py", whole), **compiled)
    assert told.index("stage 1 of 3, nl") < told.index("stage 3 of 3, mono")
    recipe = written(tmp_path / "broken.py", broken)
    # In the second stage, once it has a checkpoint.
    killed_when((broken["multi"].directory / "checkpoints" / "3").exists, recipe, **compiled)
    told = finished(recipe, **compiled)
    assert "stage 1 of 3, nl: finished before" in told
    assert "resumed at step " in told or "stage 2 of 3, multi: finished before" in told
    assert weights(program, broken) == weights(program, whole)
    assert len(set(weights(program, whole))) == 3
    # Nothing is left to do, and each stage says how it is used.
    told = finished(recipe, **compiled)
    assert told.count("finished before; use it: multiturn export") == 3


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_smallest_of_the_family_killed_at_random_steps_ends_bit_equal(
    tmp_path: Path, program: Any
) -> None:
    """The real shape, batch, kernels and stages; fewer steps, and this project's own code."""
    source = Path(__file__).parents[2] / "src" / "multiturn"
    (tmp_path / "mine.py").write_text(
        "from pathlib import Path\n"
        "from multiturn.data.packing.stage import Pack\n"
        "from multiturn.data.packing.vocabulary import NewTokenizer\n"
        "from multiturn.data.recipe import CorpusRecipe\n"
        "from multiturn.data.sources.directory import Directory\n"
        "recipe = CorpusRecipe(\n"
        "    name='mine',\n"
        f"    sources=(Directory(path=Path({str(source)!r}), label='code', licence='MIT'),),\n"
        "    steps=(),\n"
        "    stages=(Pack(tokenizer=NewTokenizer(size=4096), length=512),),\n"
        ")\n"
    )
    environment = {"JAX_PLATFORMS": "cpu"}

    def short(runs: Path) -> dict[str, TrainConfig]:
        return {
            name: replace(
                config,
                data=replace(config.data, path=str(tmp_path / "corpora" / "mine" / "packed")),
                steps=14,
                schedule=replace(config.schedule, warmup_steps=4, decay_steps=14),
                checkpoint=CheckpointConfig(every=4),
                watch=WatchConfig(log_every=1, peak_flops=1e11),
            )
            for name, config in family_chain("1m", runs=str(runs)).items()
        }

    whole, broken = short(tmp_path / "whole"), short(tmp_path / "broken")
    # The corpus is built by the first call, since the recipe names it.
    told = finished(written(tmp_path / "whole.py", whole, ("mine.py",)), **environment)
    assert "building the corpus mine.py" in told
    recipe = written(tmp_path / "broken.py", broken)
    draw = random.Random()
    for stage, config in broken.items():
        step = draw.randint(1, 13)
        print(f"killed in {stage} at step {step}")
        killed_when(partial(logged, config, step), recipe, **environment)
    finished(recipe, **environment)
    assert weights(program, broken) == weights(program, whole)


def test_what_is_no_chain_and_what_differs_between_stages_is_told(
    tiny: TrainConfig, tmp_path: Path
) -> None:
    recipe = written(tmp_path / "chain.py", staged(tiny, tmp_path))
    assert list(load_chain(str(recipe), ["seed=3"]).stages) == ["nl", "multi", "mono"]
    assert {c.seed for c in load_chain(str(recipe), ["seed=3"]).stages.values()} == {3}
    for setting in ("out=x", "start=y", "name=z"):
        with pytest.raises(InputError, match="differs between the stages of a chain"):
            load_chain(str(recipe), [setting])
    with pytest.raises(InputError, match=r"family-1m:nl, .*multiturn train chain family-1m"):
        load_recipe("family-1m")
    with pytest.raises(InputError, match="the recipe is not a chain"):
        load_chain("nano")
    single = written(tmp_path / "wrong.py", staged(tiny, tmp_path))
    single.write_text(single.read_text().replace("corpora = ()", "corpora = 'mine'"))
    with pytest.raises(InputError, match="corpora are not a tuple of names"):
        load_chain(str(single))


@pytest.mark.parametrize("size", FAMILY_SIZES)
def test_the_family_has_its_sizes_and_one_order_of_data(size: str) -> None:
    stages = load_chain(f"family-{size}").stages
    assert stages == family_chain(size)
    assert load_chain(f"family-{size}").corpora == FAMILY_CORPORA
    model = stages["nl"].model
    blocks = plan_of(size, model).parameters - (2 * model.d_model + 1) * model.vocab_size
    assert blocks == pytest.approx(float(size.removesuffix("m")) * 1e6, rel=0.07)
    assert model.heads % 4 == 0
    assert [stage.start for stage in stages.values()] == [
        None, stages["nl"].out, stages["multi"].out,
    ]  # fmt: skip
    others = [family_chain(other) for other in FAMILY_SIZES]
    for name, stage in stages.items():
        assert {other[name].batch for other in others} == {stage.batch}
        assert {other[name].steps for other in others} == {stage.steps}
        assert {other[name].data for other in others} == {stage.data}
        assert stage.steps % stage.checkpoint.keep_every == 0
