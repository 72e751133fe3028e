"""A model of 1.9M parameters that compresses Python better than gzip.

    multiturn train micro
    python bench/micro_against_gzip.py

Hardware: 2 CPU cores and a C++ compiler. Time: 14 minutes 45 seconds on busy ones.
Expected: fewer bits a byte on held-out files of the standard library than ``gzip -9`` of
each of them, if the model may adapt to a file as gzip does; docs/results/micro.md has the
figures, and the four files where the model as it was trained needs more.
Data: this machine's Python standard library without ``test`` and ``tests`` (13 MB), every
20th file held out by a hash of its name; a vocabulary of 2,048 tokens trained on the others.

All figures are this project's choice. 2,500 steps of 2,048 tokens read the corpus's 4M tokens
once and a quarter. Sequences are long, 1,024 tokens, because gzip looks back 32 KB: what a
short window cannot see, a model cannot repeat. The native kernels make that affordable.
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
        layers=4, heads=5, head_dim=32, rotary_size=16, vocab_size=2048, max_seq_len=1024
    ),
    data=DataConfig(
        path=sysconfig.get_path("stdlib"),
        exclude=("site-packages/*", "dist-packages/*", "test/*", "*/test/*", "*/tests/*"),
        tokenizer="train:2048",
        held_out=0.05,
    ),
    batch=BatchConfig(sequences=2, length=1024),
    steps=2_500,
    schedule=ScheduleConfig(peak=3e-3, end=3e-5, warmup_steps=100, decay_steps=2_500),
    optimizer=OptimizerConfig(b2=0.99),
    precision=PrecisionConfig(compute="float32", kernels="native"),
    checkpoint=CheckpointConfig(every=500),
    watch=WatchConfig(
        log_every=50, evaluate_every=500, prompts=("def read(path):\n", "class "), prompt_tokens=32
    ),
)
