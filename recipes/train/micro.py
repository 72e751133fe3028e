"""A model of 1.9M parameters that compresses Python better than gzip.

    multiturn train micro
    python bench/micro_against_gzip.py

Hardware: 2 CPU cores. Time: about 10 minutes on quiet ones, estimated from the processor
time of a shorter run (0.47 seconds a step on a busy machine).
Expected: fewer bits a byte on held-out files of the standard library than ``gzip -9`` of
each of them; docs/results/micro.md has what was run.
Data: this machine's Python standard library without ``test`` and ``tests`` (13 MB), every
20th file held out by a hash of its name; a vocabulary of 2,048 tokens trained on the others.

All figures are this project's choice. With about 4e13 floating-point operations to spend
(10 minutes at 70 GFLOP/s), 20 tokens a parameter would want 0.6M parameters and 12M tokens;
the corpus has 4M, so the model is two or three times as large and reads it once and a bit.
"""

import sysconfig

from multiturn.jaxformer.config import (
    BatchConfig,
    CheckpointConfig,
    DataConfig,
    OptimizerConfig,
    PrecisionConfig,
    ScheduleConfig,
    TrainConfig,
    WatchConfig,
)
from multiturn.models.config import codegen_config

config = TrainConfig(
    name="micro",
    out="runs/micro",
    model=codegen_config(
        layers=4, heads=5, head_size=32, rotary_size=16, vocab_size=2048, context=256
    ),
    data=DataConfig(
        path=sysconfig.get_path("stdlib"),
        exclude=("site-packages/*", "dist-packages/*", "test/*", "*/test/*", "*/tests/*"),
        tokenizer="train:2048",
        held_out=0.05,
    ),
    batch=BatchConfig(sequences=8, length=256),
    steps=2_500,
    schedule=ScheduleConfig(peak=4e-3, end=1e-4, warmup_steps=100, decay_steps=2_500),
    optimizer=OptimizerConfig(b2=0.99),
    precision=PrecisionConfig(compute="float32"),
    checkpoint=CheckpointConfig(every=500),
    watch=WatchConfig(
        log_every=50, evaluate_every=500, prompts=("def read(path):\n", "class "), prompt_tokens=32
    ),
)
