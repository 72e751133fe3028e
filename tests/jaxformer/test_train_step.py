"""One step: the loss and its gradient, accumulation, remat, precision, the optimizer."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from multiturn.jaxformer.config import (
    OptimizerConfig,
    ScheduleConfig,
)
from multiturn.jaxformer.step.loss import next_token_loss, num_chunks, token_losses
from multiturn.jaxformer.step.optimizer import learning_rate, make_optimizer
from multiturn.jaxformer.step.state import Batch
from multiturn.models.config import DecoderConfig, codegen_config, llama_config
from multiturn.models.decoder import forward, hidden_states
from multiturn.models.parameters import named_arrays, parameter_specs

pytestmark = pytest.mark.real

CODEGEN = codegen_config(
    layers=2, heads=4, head_dim=8, rotary_size=4, vocab_size=64, max_seq_len=32
)
TIED = llama_config(
    vocab_size=64, layers=2, d_model=32, heads=4, kv_heads=2, mlp_dim=64, tie_embeddings=True
)
SCHEDULE = ScheduleConfig(peak=1e-2, end=1e-3, warmup_steps=2, decay_steps=10)
ROWS, LENGTH = 8, 16


def random_batch(seed: int, *, share: float = 0.7) -> Batch:
    draw = np.random.default_rng(seed)
    tokens = draw.integers(0, 64, (ROWS, LENGTH + 1)).astype(np.int32)
    weights = (draw.random((ROWS, LENGTH)) < share).astype(np.float32)
    segments = np.sort(draw.integers(0, 3, (ROWS, LENGTH)), axis=1).astype(np.int32)
    return Batch(tokens[:, :-1], tokens[:, 1:], weights, segments)


def a_model(config: DecoderConfig) -> Any:
    """Parameters of the right shapes; drawn by numpy, which has nothing to compile."""
    draw = np.random.default_rng(0)
    return jax.tree.map(
        lambda info: jnp.asarray(draw.normal(0, 0.05, info.shape), jnp.float32),
        parameter_specs(config),
    )


def plain_loss(parameters: Any, batch: Batch, config: DecoderConfig, z_loss: float) -> Any:
    """The definition, with whole logits and JAX's own gradient."""
    logits = forward(parameters, jnp.asarray(batch.tokens), config)
    log_z = jax.nn.logsumexp(logits, axis=-1)
    entropy = log_z - jnp.take_along_axis(logits, batch.targets[..., None], axis=-1)[..., 0]
    return jnp.sum(batch.loss_mask * (entropy + z_loss * log_z**2))


@pytest.mark.parametrize("config", [CODEGEN, TIED], ids=["head with bias", "tied head"])
def test_sliced_loss_and_gradient_are_those_of_the_definition(config: DecoderConfig) -> None:
    parameters = a_model(config)
    batch = random_batch(1)

    def sliced(parameters: Any) -> tuple[Any, Any]:
        hidden = hidden_states(parameters, jnp.asarray(batch.tokens), config)
        return next_token_loss(
            parameters,
            hidden,
            jnp.asarray(batch.targets),
            jnp.asarray(batch.loss_mask),
            z_loss=0.01,
            chunks=4,
        )

    (total, entropy), gradient = jax.jit(jax.value_and_grad(sliced, has_aux=True))(parameters)
    plain = jax.jit(jax.value_and_grad(lambda p: plain_loss(p, batch, config, 0.01)))
    expected, expected_gradient = plain(parameters)
    np.testing.assert_allclose(total, expected, rtol=1e-6)
    np.testing.assert_allclose(entropy, plain_loss(parameters, batch, config, 0.0), rtol=1e-6)
    for mine, theirs in zip(
        jax.tree.leaves(gradient), jax.tree.leaves(expected_gradient), strict=True
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


def test_the_undifferentiated_loss_and_the_loss_of_each_token_agree() -> None:
    parameters = a_model(CODEGEN)
    batch = random_batch(1)
    hidden = hidden_states(parameters, jnp.asarray(batch.tokens), CODEGEN)
    targets, weights = jnp.asarray(batch.targets), jnp.asarray(batch.loss_mask)
    each = token_losses(parameters, hidden, targets, chunks=4)
    total, entropy = next_token_loss(parameters, hidden, targets, weights, chunks=4)
    np.testing.assert_allclose(jnp.sum(each * weights), entropy, rtol=1e-6)
    np.testing.assert_allclose(total, entropy, rtol=1e-6)
    logits = jax.nn.log_softmax(forward(parameters, jnp.asarray(batch.tokens), CODEGEN))
    expected = -np.take_along_axis(np.asarray(logits), batch.targets[..., None], axis=-1)[..., 0]
    np.testing.assert_allclose(each, expected, rtol=1e-5, atol=1e-5)


def test_slices_divide_the_length_and_keep_the_logits_small() -> None:
    for rows, length, vocab in ((1, 2048, 51200), (4, 24, 1000), (1, 7, 10**9)):
        chunks = num_chunks(rows, length, vocab, max_bytes=2**20)
        assert length % chunks == 0
        assert chunks == length or rows * length * vocab * 4 / chunks <= 2**20
    assert num_chunks(1, 2048, 100) == 1


def test_attention_inside_documents_sees_nothing_of_other_documents() -> None:
    parameters = a_model(CODEGEN)
    tokens = jnp.asarray(random_batch(0).tokens[:1])
    segments = jnp.asarray([[0] * 6 + [1] * 10])
    read = jax.jit(hidden_states, static_argnums=2)
    packed = read(parameters, tokens, CODEGEN, segments=segments)
    alone = read(parameters, tokens[:, 6:], CODEGEN)
    # Rotary positions tell distances alone, so that a document may begin anywhere.
    np.testing.assert_allclose(packed[:, 6:], alone, atol=2e-5)
    open_to_all = read(parameters, tokens, CODEGEN)
    assert np.abs(open_to_all[:, 6:] - alone).max() > 1e-3


def test_decay_pulls_at_matrices_alone_also_with_stacked_layers() -> None:
    """The published code's "more than one dimension" would decay stacked scales and biases."""
    for config in (CODEGEN, TIED):
        declared = dict(named_arrays(parameter_specs(config)))
        decayed = {name for name, spec in declared.items() if spec.decay}
        assert decayed == {
            name for name in declared if not any(part in name for part in ("norm", "bias"))
        }
    specs = parameter_specs(CODEGEN)
    updates = make_optimizer(OptimizerConfig(decay=0.1), SCHEDULE, specs)
    parameters = a_model(CODEGEN)
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    state = updates.init(parameters)
    for _ in range(2):  # The rate of the very first step is 0.
        change, state = updates.update(zeros, state, parameters)
    rate = float(learning_rate(SCHEDULE)(1))
    moved = dict(named_arrays(change))
    np.testing.assert_allclose(moved["layers.up"], -rate * 0.1 * parameters.layers.up, rtol=1e-5)
    for name, spec in named_arrays(specs):
        assert np.any(np.asarray(moved[name])) == spec.decay, name


def test_optimizer_is_adamw_under_a_clip() -> None:
    """Against the formulas, in numpy, for one matrix and three steps."""
    config = OptimizerConfig(decay=0.1, clip=0.5)
    updates = make_optimizer(config, SCHEDULE, {"up": parameter_specs(CODEGEN).layers.up})
    weight = {"up": jnp.asarray(np.random.default_rng(0).normal(size=(3, 4)), jnp.float32)}
    mine, state = weight, updates.init(weight)
    theirs = np.asarray(weight["up"], np.float64)
    mean = square = np.zeros_like(theirs)
    for number in range(3):
        gradient = np.random.default_rng(number + 1).normal(size=(3, 4))
        change, state = updates.update({"up": jnp.asarray(gradient, jnp.float32)}, state, mine)
        mine = optax.apply_updates(mine, change)
        gradient *= min(1.0, 0.5 / np.linalg.norm(gradient))
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        rate = [0.0, 0.005, 0.01][number]
        step = (mean / (1 - 0.9 ** (number + 1))) / (
            np.sqrt(square / (1 - 0.999 ** (number + 1))) + 1e-8
        )
        theirs = theirs - rate * (step + 0.1 * theirs)
    np.testing.assert_allclose(mine["up"], theirs, rtol=1e-5)


def test_rate_warms_up_falls_as_a_cosine_and_stays() -> None:
    rate = learning_rate(ScheduleConfig(peak=1.0, end=0.1, warmup_steps=10, decay_steps=110))
    assert [float(rate(step)) for step in (0, 5, 10)] == pytest.approx([0.0, 0.5, 1.0])
    assert float(rate(60)) == pytest.approx(0.55)
    assert [float(rate(step)) for step in (110, 500)] == pytest.approx([0.1, 0.1])
