"""The same training, computed in other ways: each must give the same figures.

One process with 8 virtual devices computes the variants, and each test holds one against
the plain step. float32 throughout, so the tolerances are those of another order of sums.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

PROGRAM = """
import json, sys
import jax, numpy as np
from multiturn.jaxformer.config import *
from multiturn.jaxformer.parallel.mesh import make_mesh
from multiturn.jaxformer.step.state import Batch, init_state, full_partition
from multiturn.jaxformer.step.train_step import make_train_step
from multiturn.models.config import codegen_config

model = codegen_config(layers=2, heads=4, head_dim=8, rotary_size=4, vocab_size=64, max_seq_len=32)
partition = full_partition(model)
schedule = ScheduleConfig(peak=1e-2, end=1e-3, warmup_steps=1, decay_steps=10)
draw = np.random.default_rng(0)
weights = jax.tree.map(
    lambda info: draw.normal(0, 0.05, info.shape).astype(np.float32), partition.specs
)

def batch(number):
    draw = np.random.default_rng(number)
    tokens = draw.integers(0, 64, (16, 17)).astype(np.int32)
    counted = (draw.random((16, 16)) < 0.7).astype(np.float32)
    segments = np.sort(draw.integers(0, 3, (16, 16)), axis=1).astype(np.int32)
    return Batch(tokens[:, :-1], tokens[:, 1:], counted, segments)

def train(mesh={"data": 1}, batch_settings={}, precision={}, unroll=1):
    sizes = MeshConfig(**{"data": 1, **mesh})
    count = sizes.data * sizes.fsdp * sizes.tensor * sizes.sequence
    made = make_mesh(sizes, jax.devices()[:count])
    step = make_train_step(
        partition, made, schedule=schedule, optimizer=OptimizerConfig(), unroll=unroll,
        batch=BatchConfig(sequences=16, length=16, **batch_settings),
        precision=PrecisionConfig(**{"compute": "float32", **precision}),
    )
    state = init_state(partition, step.optimizer, made, 0, parameters=weights)
    told = []
    for number in range(3):
        state, metrics = step.train(state, batch(number), None)
        told.append([float(metrics.loss), float(metrics.gradient_norm)])
    leaves = jax.tree.leaves(state)
    wide = all(leaf.dtype in ("float32", "int32") for leaf in leaves)
    split = min(
        leaf.addressable_shards[0].data.size / leaf.size
        for leaf in jax.tree.leaves(state.parameters)
    )
    flat = [np.asarray(leaf).ravel() for leaf in jax.tree.leaves(state.parameters)]
    return {"told": told, "weights": np.concatenate(flat).tolist(), "wide": wide, "split": split}

for name, settings in json.loads(sys.argv[1]).items():
    print(json.dumps([name, train(**settings)]), flush=True)
"""

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "accumulated": {"batch_settings": {"accumulate": 4}},
    "remat full": {"precision": {"remat": "full"}},
    "unrolled": {"unroll": True},
    "2 fsdp": {"mesh": {"fsdp": 2}},
    "4 data x tensor": {"mesh": {"data": 2, "tensor": 2}},
    "8 data x fsdp x tensor": {
        "mesh": {"data": 2, "fsdp": 2, "tensor": 2},
        "batch_settings": {"accumulate": 2},
        "precision": {"loss_bytes": 4096},
    },
}

MORE: dict[str, dict[str, Any]] = {
    "plain": {},
    "remat dots": {"precision": {"remat": "dots"}},
    "sliced": {"precision": {"loss_bytes": 4096}},
    "inside documents": {"batch_settings": {"inside_documents": True}},
    "bfloat16": {"precision": {"compute": "bfloat16"}},
    "8 data": {"mesh": {"data": 8}},
    "8 fsdp": {"mesh": {"fsdp": 8}},
    "4 tensor": {"mesh": {"tensor": 4}},
    "4 sequence": {"mesh": {"sequence": 4}},
    "8 fsdp x tensor x sequence": {
        "mesh": {"fsdp": 2, "tensor": 2, "sequence": 2},
        "precision": {"remat": "full"},
    },
}


def computed(program: Any, variants: dict[str, Any], timeout: float) -> dict[str, Any]:
    done = program(PROGRAM, json.dumps(variants), devices=8, timeout=timeout)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(line) for line in done.stdout.splitlines())


@pytest.fixture(scope="module")
def usual(program: Any) -> dict[str, Any]:
    return computed(program, VARIANTS, 280)


@pytest.fixture(scope="module")
def unusual(program: Any) -> dict[str, Any]:
    return computed(program, MORE, 1200)


def assert_same(one: Any, other: Any) -> None:
    np.testing.assert_allclose(one["told"], other["told"], rtol=3e-6)
    np.testing.assert_allclose(one["weights"], other["weights"], rtol=0, atol=5e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in VARIANTS if name != "plain"])
def test_same_as_plain(usual: dict[str, Any], name: str) -> None:
    assert_same(usual[name], usual["plain"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "share"),
    [("2 fsdp", 1 / 2), ("4 data x tensor", 1 / 2), ("8 data x fsdp x tensor", 1 / 4)],
)
def test_a_device_keeps_its_part_of_the_weights_alone(
    usual: dict[str, Any], name: str, share: float
) -> None:
    assert usual[name]["split"] == share


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [name for name in MORE if name not in ("plain", "bfloat16", "inside documents")],
)
def test_more_ways_are_the_same_as_plain(unusual: dict[str, Any], name: str) -> None:
    assert_same(unusual[name], unusual["plain"])


@pytest.mark.slow
def test_bfloat16_stays_near_and_keeps_float32_masters(unusual: dict[str, Any]) -> None:
    narrow, plain = unusual["bfloat16"], unusual["plain"]
    losses = np.asarray(narrow["told"])[:, 0], np.asarray(plain["told"])[:, 0]
    np.testing.assert_allclose(*losses, rtol=2e-3)
    assert narrow["told"] != plain["told"]
    assert narrow["wide"]


@pytest.mark.slow
def test_attention_inside_documents_changes_what_is_learned(unusual: dict[str, Any]) -> None:
    inside, plain = np.asarray(unusual["inside documents"]["told"]), unusual["plain"]["told"]
    assert np.abs(inside - plain).max() > 1e-5
