"""Rotary scaling as llama.cpp and transformers read it, or refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from multiturn.core.errors import MissingDependencyError, ModelFileError
from multiturn.hub.checkpoints.configs import describe_hub
from multiturn.hub.checkpoints.reading import load_parameters, open_checkpoint
from multiturn.hub.exports.certificate import check_with_llama_cpp
from multiturn.hub.exports.export import _source_logits
from multiturn.hub.llama_cpp_library import import_xllamacpp

GOLDEN = Path(__file__).parent.parent / "golden"


def meta(**entries: Any) -> dict[str, Any]:
    return {"metadata": {f".rope.{key}": value for key, value in entries.items()}}


# By a GGUF file: what positions are divided by. llama.cpp has the last word below.
STRETCHES: dict[str, tuple[dict[str, Any], float]] = {
    "no scaling": ({}, 1),
    "a factor without a type": (meta(**{"scaling.factor": 4.0}), 4),
    "the older key": (meta(scale_linear=4.0), 4),
    "both keys": (meta(**{"scaling.factor": 2.0, "scale_linear": 4.0}), 2),
    "both keys, the newer 0": (meta(**{"scaling.factor": 0.0, "scale_linear": 4.0}), 1),
    "none, with a factor": (meta(**{"scaling.type": "none", "scaling.factor": 4.0}), 1),
    "none, with the older key": (meta(**{"scaling.type": "none", "scale_linear": 4.0}), 1),
    "linear": (meta(**{"scaling.type": "linear", "scaling.factor": 4.0}), 4),
    "linear, with the older key": (meta(**{"scaling.type": "linear", "scale_linear": 3.0}), 3),
    "linear without a factor": (meta(**{"scaling.type": "linear"}), 1),
    "a factor below one": (meta(**{"scaling.factor": 0.5}), 0.5),
    "the length before": (
        meta(**{"scaling.factor": 4.0, "scaling.original_context_length": 64}),
        4,
    ),
    "no base": ({"without": [".rope.freq_base"]}, 1),
    "no size": ({"without": [".rope.dimension_count"], "head_size": 24}, 1),
    "qwen2": ({"architecture": "qwen2", **meta(**{"scaling.factor": 4.0})}, 4),
}


@pytest.mark.parametrize("name", STRETCHES)
def test_a_gguf_file_is_scaled_as_llama_cpp_scales_it(
    tiny_gguf: Callable[..., Path], name: str
) -> None:
    try:
        import_xllamacpp()
    except MissingDependencyError:
        pytest.skip("llama.cpp is not installed")
    options, stretch = STRETCHES[name]
    file = tiny_gguf(**options)
    checkpoint = open_checkpoint(file)
    assert checkpoint.config.rotary.scaling == stretch
    parameters = load_parameters(checkpoint)
    tokens = np.random.default_rng(0).integers(0, 256, (2, 48)).astype(np.int32)
    agreement = check_with_llama_cpp(
        file, partial(_source_logits, parameters, checkpoint.config), tokens
    )
    assert agreement is not None and agreement.within and agreement.argmax_agreement == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (meta(**{"scaling.type": "yarn", "scaling.factor": 4.0}), "got 'yarn'"),
        (meta(**{"scaling.type": "longrope", "scaling.factor": 4.0}), "got 'longrope'"),
        (meta(**{"scaling.attn_factor": 1.5}), "attention factor"),
        (meta(**{"scaling.factor": -2.0}), "above 0"),
        (meta(**{"scaling.factor": "4"}), "is not a number"),
        ({"tensors": {"rope_freqs.weight": np.ones(8)}}, "rope_freqs.weight"),
        ({"tensors": {"rope_factors_long.weight": np.ones(8)}}, "rope_factors_long.weight"),
        ({"rotary": 8}, "partial rotary"),
    ],
)
def test_what_is_not_computed_is_refused(
    tiny_gguf: Callable[..., Path], options: dict[str, Any], told: str
) -> None:
    with pytest.raises(ModelFileError, match=told) as caught:
        open_checkpoint(tiny_gguf(**options))
    assert "\n" not in str(caught.value)


LINEAR = {"type": "linear", "factor": 4.0}
HUB: list[tuple[dict[str, Any], float]] = [
    ({}, 1),
    ({"rope_scaling": None}, 1),
    ({"rope_scaling": {}}, 1),
    ({"rope_scaling": LINEAR}, 4),
    ({"rope_scaling": {"rope_type": "linear", "factor": 4}}, 4),
    ({"rope_scaling": {"rope_type": "linear", **LINEAR}}, 4),
    ({"rope_scaling": {"rope_type": "default"}}, 1),
    ({"rope_scaling": {"type": "default", "factor": 4.0}}, 1),
    ({"rope_scaling": {"factor": 4.0}}, 1),  # transformers 5; 4 does not load it
    ({"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}}, 2),
    ({"rope_parameters": {"rope_type": "default", "rope_theta": 1e4}}, 1),
    ({"rope_parameters": {"rope_type": "default"}, "rope_scaling": LINEAR}, 4),
]


def hub_config(**changes: Any) -> dict[str, Any]:
    values = json.loads((GOLDEN / "llama" / "config.json").read_text())
    for name in ("rope_scaling", "rope_parameters"):
        values.pop(name, None)
    return values | changes


@pytest.mark.parametrize(("changes", "stretch"), HUB)
def test_a_hub_checkpoint_is_scaled_as_transformers_scales_it(
    changes: dict[str, Any], stretch: float
) -> None:
    described = describe_hub(hub_config(**changes), Path("model"), None)
    assert described.config.rotary.scaling == stretch


def test_the_base_stands_in_either_place() -> None:
    for changes in (
        {"rope_theta": 5e5},
        {"rope_parameters": {"rope_theta": 5e5}},
        {"rope_theta": 5e5, "rope_scaling": LINEAR},
        {"rope_parameters": {"rope_theta": 5e5}, "rope_theta": None},
    ):
        described = describe_hub(hub_config(**{"rope_theta": None, **changes}), Path("m"), None)
        assert described.config.rotary.base == 5e5


@pytest.mark.parametrize("kind", ["dynamic", "yarn", "llama3", "longrope", "su", "mrope", 7])
@pytest.mark.parametrize("place", ["rope_scaling", "rope_parameters"])
@pytest.mark.parametrize("name", ["type", "rope_type"])
def test_other_scalings_are_refused_by_name(kind: object, place: str, name: str) -> None:
    scaling = {name: kind, "factor": 4.0, "original_max_position_embeddings": 16}
    with pytest.raises(ModelFileError, match=f"rope_type.*{kind}") as caught:
        describe_hub(hub_config(**{place: scaling}), Path("model"), None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rope_scaling": {"type": "linear"}}, "'factor' is missing"),
        ({"rope_scaling": {"type": "linear", "factor": "4"}}, "'factor' is not a number"),
        ({"rope_scaling": {"type": "linear", "factor": 0}}, "above 0"),
        ({"rope_scaling": {"type": "linear", "rope_type": "default", "factor": 2}}, "contradict"),
        ({"rope_scaling": [4.0]}, "not a mapping"),
        ({"rope_parameters": {"full_attention": {"rope_type": "default"}}}, "each kind of layer"),
        ({"partial_rotary_factor": 0.5}, "partial rotary"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ModelFileError, match=told):
        describe_hub(hub_config(**changes), Path("model"), None)
