"""Parameters sharded over four devices compute what replicated ones do."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import jax, jax.numpy as jnp, numpy as np
from multiturn.models.arrays import initialize
from multiturn.models.config import named_config
from multiturn.models.decoder import forward
from multiturn.models.parameters import parameter_specs
from multiturn.models.sharding import TENSOR_PARALLEL, shardings

config = named_config("codegen-nano")
declared = parameter_specs(config)
mesh = jax.make_mesh((4,), ("model",), axis_types=(jax.sharding.AxisType.Auto,))
placed = shardings(declared, mesh, TENSOR_PARALLEL)
full = initialize(declared, 0)
split = initialize(declared, 0, shardings=placed)
assert len(split.layers.query.addressable_shards) == 4
assert split.layers.query.addressable_shards[0].data.shape[2] == config.heads // 4
tokens = jnp.arange(12).reshape(2, 6)
run = jax.jit(forward, static_argnums=2)
difference = np.abs(np.asarray(run(full, tokens, config)) - np.asarray(run(split, tokens, config)))
assert difference.max() < 1e-6, difference.max()
print("same")
"""


@pytest.mark.slow
def test_four_devices() -> None:
    """In a process of its own: the number of devices is set before JAX starts."""
    environment = {
        **os.environ,
        "XLA_FLAGS": "--xla_force_host_platform_device_count=4",
        "JAX_PLATFORMS": "cpu",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.stdout.strip() == "same", done.stderr[-2000:]
