"""The published training chain, NL -> Multi -> Mono, as configs.

Each stage is initialized from the weights of the stage before, with new optimizer state at step 0.
`HYPERPARAMETERS` has the values of the paper and its public code, each with its source:

    V   read in public code or configuration
    S   second-hand
    M   from memory: likely, to be checked before it is quoted
    P   this project's choice, where nothing is known
"""

from __future__ import annotations

from dataclasses import dataclass

from multiturn.jaxformer.config import (
    BatchConfig,
    CheckpointConfig,
    DataConfig,
    LoggingConfig,
    MeshConfig,
    PrecisionConfig,
    ScheduleConfig,
    TrainConfig,
)
from multiturn.models.config import CODEGEN_SIZES, CODEGEN_STAGES

__all__ = ["HYPERPARAMETERS", "Hyperparameter", "StageHyperparameters", "chain"]

_LENGTH = 2048


@dataclass(frozen=True, slots=True)
class Hyperparameter:
    """A value and the mark of its source (see the module)."""

    value: float
    mark: str


@dataclass(frozen=True, slots=True)
class StageHyperparameters:
    """The hyperparameters of one stage of one size."""

    peak: Hyperparameter
    end: Hyperparameter
    tokens: Hyperparameter
    """In one batch."""
    steps: Hyperparameter


def _v(value: float) -> Hyperparameter:
    return Hyperparameter(value, "V")


def _m(value: float) -> Hyperparameter:
    return Hyperparameter(value, "M")


def _s(value: float) -> Hyperparameter:
    return Hyperparameter(value, "S")


def _p(value: float) -> Hyperparameter:
    return Hyperparameter(value, "P")


HYPERPARAMETERS: dict[str, dict[str, StageHyperparameters]] = {
    "350m": {
        "nl": StageHyperparameters(_v(3.0e-4), _v(3.0e-5), _v(524_288), _v(350_000)),
        "multi": StageHyperparameters(_v(1.8e-4), _v(3.0e-5), _v(524_288), _v(150_000)),
        "mono": StageHyperparameters(_m(1.8e-4), _p(3.0e-5), _v(524_288), _v(150_000)),
    },
    "2b": {
        "nl": StageHyperparameters(_v(1.6e-4), _v(1.6e-5), _v(1_048_576), _m(350_000)),
        "multi": StageHyperparameters(_m(0.8e-4), _p(0.8e-5), _v(1_048_576), _m(150_000)),
        "mono": StageHyperparameters(_m(0.8e-4), _p(0.8e-5), _v(1_048_576), _m(150_000)),
    },
    "6b": {
        "nl": StageHyperparameters(_v(1.2e-4), _v(1.2e-5), _v(1_048_576), _m(350_000)),
        "multi": StageHyperparameters(_m(0.4e-4), _p(0.4e-5), _v(1_048_576), _m(150_000)),
        "mono": StageHyperparameters(_m(0.4e-4), _p(0.4e-5), _v(1_048_576), _m(150_000)),
    },
    "16b": {
        "nl": StageHyperparameters(_m(0.9e-4), _p(0.9e-5), _s(2_097_152), _m(350_000)),
        "multi": StageHyperparameters(_m(0.5e-4), _p(0.5e-5), _s(2_097_152), _m(150_000)),
        "mono": StageHyperparameters(_s(0.5e-4), _p(0.5e-5), _s(2_097_152), _m(150_000)),
    },
}
"""All warm up for 3,000 steps (V for 350M, M for the others). Adam's betas, weight decay 0.1,
gradient clipping at 1 and z-loss 1e-4 are the defaults of the config (V)."""

_CORPUS = {"nl": "pile", "multi": "bigquery", "mono": "bigpython"}


def chain(
    size: str,
    *,
    mesh: MeshConfig,
    accumulate: int = 1,
    precision: PrecisionConfig | None = None,
) -> dict[str, TrainConfig]:
    """The three stages of one size, by name.

    The data are packed shards in ``data/pile``, ``data/bigquery`` and ``data/bigpython``, each
    with its validation part in ``held_out``. The cosine decay ends with the run (P; the published
    code continues at the end learning rate).

    Args:
        size: one of `CODEGEN_SIZES`.
        mesh: for the size and the devices.
        accumulate: gradient accumulation steps.
        precision: bfloat16 with full rematerialization by default.
    """
    model = CODEGEN_SIZES[size]
    configs: dict[str, TrainConfig] = {}
    previous: str | None = None
    for stage in CODEGEN_STAGES:
        values = HYPERPARAMETERS[size][stage]
        steps = int(values.steps.value)
        out = f"runs/codegen-{size}-{stage}"
        configs[stage] = TrainConfig(
            name=f"codegen-{size}-{stage}",
            out=out,
            model=model,
            data=DataConfig(
                path=f"data/{_CORPUS[stage]}",
                kind="packed",
                held_out_path=f"data/{_CORPUS[stage]}/held_out",
            ),
            batch=BatchConfig(
                sequences=int(values.tokens.value) // _LENGTH,
                length=_LENGTH,
                accumulate=accumulate,
            ),
            steps=steps,
            schedule=ScheduleConfig(
                peak=values.peak.value,
                end=values.end.value,
                warmup_steps=3_000,
                decay_steps=steps,
            ),
            precision=precision or PrecisionConfig(compute="bfloat16", remat="full"),
            mesh=mesh,
            checkpoint=CheckpointConfig(every=1_000, keep_last=3, keep_every=10_000),
            watch=LoggingConfig(
                log_every=10, evaluate_every=1_000, prompts=("# Print hello world.\n",)
            ),
            start=previous,
        )
        previous = out
    return configs
