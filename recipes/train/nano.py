"""A model of 0.1M parameters, to see that training works on a machine.

    multiturn train nano

Hardware: 2 CPU cores. Time: half a minute, most of it compiling.
Expected: the loss falls from 6.2 to about 4.
Data: the Python standard library's `email` and `json` packages, with a vocabulary of 512
tokens trained on them. All hyperparameters are this project's choice.
"""

import sysconfig

from multiturn.jaxformer.config import (
    BatchConfig,
    CheckpointConfig,
    DataConfig,
    LoggingConfig,
    PrecisionConfig,
    ScheduleConfig,
    TrainConfig,
)
from multiturn.models.config import codegen_config

config = TrainConfig(
    name="nano",
    out="runs/nano",
    model=codegen_config(
        layers=2, heads=4, head_dim=8, rotary_size=4, vocab_size=512, max_seq_len=256
    ),
    data=DataConfig(
        path=sysconfig.get_path("stdlib"),
        pattern="[ej][ms][ao][in]*/*.py",
        tokenizer="train:512",
        held_out=0.1,
    ),
    batch=BatchConfig(sequences=16, length=128),
    steps=200,
    schedule=ScheduleConfig(peak=5e-3, end=5e-4, warmup_steps=20, decay_steps=200),
    precision=PrecisionConfig(compute="float32"),
    checkpoint=CheckpointConfig(every=100),
    watch=LoggingConfig(log_every=20, evaluate_every=100),
)
