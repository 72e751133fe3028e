"""The training chain of this project's own family: NL -> Multi -> Mono, at sizes for a laptop.

The published chain (`training_chain`) needs weeks of accelerators. This one has the same
architecture and the same three stages, each initialized from the weights of the stage before with
new optimizer state, at sizes that two CPU cores train in hours. All sizes see the same tokens in
the same order, so they differ in size and learning rate alone.

docs/results/family/plan.md has the budget and the reasons for each choice here.
"""

from __future__ import annotations

from dataclasses import dataclass

from multiturn.core.errors import UnknownNameError
from multiturn.jaxformer.config import (
    BatchConfig,
    CheckpointConfig,
    DataConfig,
    LoggingConfig,
    OptimizerConfig,
    PrecisionConfig,
    ScheduleConfig,
    TrainConfig,
)
from multiturn.models.config import CODEGEN_STAGES, DecoderConfig, codegen_config

__all__ = ["FAMILY_CORPORA", "FAMILY_SIZES", "FamilySize", "family_chain"]

FAMILY_CORPORA = (
    "local-nl",
    "local-multi",
    "local-python",
    "family-tokenizer",
    "family-nl",
    "family-multi",
    "family-python",
)
"""The data recipes of the family, in the order in which they are built."""

_CORPUS = {"nl": "family-nl", "multi": "family-multi", "mono": "family-python"}
_STEPS = {"nl": 750, "multi": 1_125, "mono": 1_125}
_WARMUP = 60
_LENGTH = 512
_LATER_RATE = 0.6
"""Peak learning rate of Multi and Mono, as a share of that of NL: the published 350M has 1.8e-4
after 3.0e-4."""
_PROMPTS = (
    "# Print the sum of the list.\nnumbers = [1, 2, 3]\n",
    "def read_lines(path):\n",
    "This module provides ",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilySize:
    """The shape and the training of one size.

    Attributes:
        layers: number of blocks.
        heads: of 32 dimensions each; a multiple of 4, as programs that read CodeGen need.
        peak: the peak learning rate of the NL stage.
        keep_every: steps between the checkpoints that stay, from which the curves are measured.
    """

    layers: int
    heads: int
    peak: float
    keep_every: int

    @property
    def model(self) -> DecoderConfig:
        """The architecture.

        The context is the paper's, since rotary embeddings have no weights; but rows have 512
        tokens, and the models have not seen longer texts.
        """
        return codegen_config(
            layers=self.layers,
            heads=self.heads,
            head_dim=32,
            rotary_size=16,
            vocab_size=4_096,
            max_seq_len=2_048,
        )


FAMILY_SIZES: dict[str, FamilySize] = {
    "1m": FamilySize(layers=5, heads=4, peak=4e-3, keep_every=125),
    "3m": FamilySize(layers=4, heads=8, peak=2e-3, keep_every=125),
    "10m": FamilySize(layers=6, heads=12, peak=1.4e-3, keep_every=125),
}
"""By name, which is the number of parameters without embeddings and output head."""


def family_chain(
    size: str, *, corpora: str = "corpora", runs: str = "runs"
) -> dict[str, TrainConfig]:
    """The three stages of one size, by name.

    Args:
        size: one of `FAMILY_SIZES`.
        corpora: the folder of the built corpora.
        runs: the folder of the runs.

    Raises:
        UnknownNameError: there is no such size.
    """
    if size not in FAMILY_SIZES:
        raise UnknownNameError("size of the family", size, FAMILY_SIZES)
    of_size = FAMILY_SIZES[size]
    configs: dict[str, TrainConfig] = {}
    previous: str | None = None
    for stage in CODEGEN_STAGES:
        steps = _STEPS[stage]
        peak = of_size.peak * (1 if previous is None else _LATER_RATE)
        out = f"{runs}/family-{size}-{stage}"
        configs[stage] = TrainConfig(
            name=f"family-{size}-{stage}",
            out=out,
            model=of_size.model,
            data=DataConfig(path=f"{corpora}/{_CORPUS[stage]}/packed", kind="packed"),
            batch=BatchConfig(sequences=8, length=_LENGTH),
            steps=steps,
            schedule=ScheduleConfig(
                peak=peak, end=peak / 10, warmup_steps=_WARMUP, decay_steps=steps
            ),
            optimizer=OptimizerConfig(b2=0.99),
            precision=PrecisionConfig(compute="bfloat16", kernels="native"),
            checkpoint=CheckpointConfig(every=50, keep_last=2, keep_every=of_size.keep_every),
            watch=LoggingConfig(log_every=10, prompts=_PROMPTS, prompt_tokens=32, spike=3.0),
            start=previous,
        )
        previous = out
    return configs
