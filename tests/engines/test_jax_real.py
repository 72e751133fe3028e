"""The JAX engine with a real model, and sharded over several devices."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from multiturn.core.errors import InputError
from multiturn.engines.jax.loader import open_jax
from multiturn.engines.open import open_engine
from multiturn.engines.protocol import Request, generate
from multiturn.hub.checkpoints.reading import load_parameters, open_checkpoint
from multiturn.models.decoder import forward
from multiturn.models.generate import generate_reference

GOLDEN = Path(__file__).parent.parent / "golden"
PROMPTS = ["# Assign 1 to x\n", "def fibonacci(n):\n", "import numpy as np\n\n# The mean of y\n"]


@pytest.mark.slow
def test_a_real_model_generates_what_the_reference_does(smollm2: Path) -> None:
    checkpoint = open_checkpoint(smollm2)
    parameters = load_parameters(checkpoint, "float32")
    with open_jax(smollm2, dtype="float32", slots=4) as engine:
        for prompt in PROMPTS:
            (done,) = generate(engine, Request(prompt=prompt, temperature=0, max_tokens=20))
            ids = engine._tokenizer.encode(prompt)
            expected = generate_reference(parameters, checkpoint.config, ids, max_tokens=20)
            assert list(done.tokens) == expected[: len(done.tokens)]
            assert len(done.tokens) == 20 or done.tokens[-1] in engine._tokenizer.end_of_text
        text = PROMPTS[1] + "    return n\n"
        ids = engine._tokenizer.encode(text)
        logits = forward(parameters, jnp.asarray([ids]), checkpoint.config)[0]
        logprobs = np.asarray(jax.nn.log_softmax(logits))[np.arange(len(ids) - 1), ids[1:]]
        found = engine.score(text)
        assert list(found.tokens) == ids
        np.testing.assert_allclose(found.logprobs[1:], logprobs, atol=1e-3)


def test_a_directory_is_run_natively_and_llama_cpp_says_why_not() -> None:
    with pytest.raises(InputError, match=r"directory.*fix"):
        open_engine(str(GOLDEN / "llama"), engine="llama.cpp")
    with pytest.raises(InputError, match=r"auto, native, llama\.cpp, jax"):
        open_engine(str(GOLDEN / "llama"), engine="vllm")  # type: ignore[arg-type]


PROGRAM = """
import sys
import jax, jax.numpy as jnp
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_own_engines import INFO, MIXED, ascii_tokenizer
from multiturn.engines.jax.backend import XlaBackend
from multiturn.engines.jax.engine import JaxEngine
from multiturn.engines.protocol import generate
from multiturn.hub.checkpoints.reading import load_parameters, open_checkpoint
from multiturn.models.parameters import parameter_specs
from multiturn.models.sharding import TENSOR_PARALLEL, shardings

checkpoint = open_checkpoint(Path(sys.argv[1]))
full = load_parameters(checkpoint, "float32")
mesh = jax.make_mesh((2,), ("model",), axis_types=(jax.sharding.AxisType.Auto,))
split = jax.device_put(full, shardings(parameter_specs(checkpoint.config), mesh, TENSOR_PARALLEL))
assert len(split.layers.query.addressable_shards) == 2
said = []
for parameters, over in ((full, None), (split, mesh)):
    backend = XlaBackend(
        checkpoint.config, mesh=over, decode_batch_sizes=(4,), prefill_chunk_size=16
    )
    with JaxEngine(backend, parameters, ascii_tokenizer(), INFO) as engine:
        said.append([[one.tokens for one in generate(engine, asked)] for asked in MIXED])
assert said[0] == said[1], said
print("same")
"""


@pytest.mark.slow
@pytest.mark.parametrize("family", ["codegen", "llama"])
def test_split_over_two_devices_it_writes_the_same(family: str) -> None:
    """In a process of its own: the number of devices is set before JAX starts."""
    environment = {
        **os.environ,
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "JAX_PLATFORMS": "cpu",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(GOLDEN / family), str(Path(__file__).parent)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.stdout.strip() == "same", done.stderr[-2000:]
