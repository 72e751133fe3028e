"""A model of 1.9M parameters that compresses Python better than gzip.

    multiturn train micro
    python bench/micro_against_gzip.py

Hardware: 2 CPU cores and a C++ compiler. Time: 14 minutes 45 seconds on busy cores.
Expected: fewer bits per byte than ``gzip -9`` on each validation file of the standard library, if
the model may adapt to a file as gzip does; docs/results/micro.md has the figures, and the four
files where the model without adaptation needs more.
Data: this machine's Python standard library without ``test`` and ``tests`` (13 MB). One file in 20,
by a hash of its name, is for validation; a vocabulary of 2,048 tokens is trained on the others.

All hyperparameters are this project's choice. 2,500 steps of 2,048 tokens are 1.25 epochs of the
corpus's 4M tokens. Sequences have 1,024 tokens because gzip looks back 32 KB, and a model with a
short context cannot repeat what it does not see. The native kernels make that affordable.
"""

import sysconfig

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
    watch=LoggingConfig(
        log_every=50, evaluate_every=500, prompts=("def read(path):\n", "class "), prompt_tokens=32
    ),
)
