"""LoRA on programs of bioinformatics in turns: qwen2.5-coder-0.5b becomes a model of one domain.

    multiturn data build bioinformatics
    python recipes/data/bioinformatics_functions.py corpora/bioinformatics runs/functions.jsonl
    python -m recipes.data.bioinformatics_turns runs/turns --variants 12
    mkdir -p runs/domain
    cat runs/turns/train.jsonl runs/functions.jsonl > runs/domain/train.jsonl
    cp runs/turns/held_out.jsonl runs/domain/
    multiturn train lora_bioinformatics
    multiturn export runs/lora-bioinformatics --to gguf-lora

Hardware: 2 CPU cores, 6 GB of memory; bfloat16 is fast where the processor has AMX. Time: 13 to 20
seconds a step there, 25 on one core.
Expected: the validation loss, on the code of unseen templates, falls from 0.76 to 0.45; what is
gained and lost is in docs/results/domain.md.
Data: programs in turns that the recipe `bioinformatics_turns` writes and checks, and functions of
the corpus `bioinformatics`. The loss is on the code and on what ends it, and attention stays inside
a record.

Rank, alpha and learning rate are this project's choice (docs/results/domain.md has what was tried);
the targets are all matrices of a block, as recommended by Dettmers et al., arXiv 2305.14314.
"""

from multiturn.hub.checkpoints.reading import open_checkpoint
from multiturn.hub.resolve_model import resolve_model
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
from multiturn.models.lora import LORA_TARGETS, LoraConfig

MODEL = "qwen2.5-coder-0.5b"
STEPS = 160

config = TrainConfig(
    name="lora-bioinformatics",
    out="runs/lora-bioinformatics",
    model=open_checkpoint(resolve_model(MODEL)).config,
    start=MODEL,
    lora=LoraConfig(rank=16, alpha=32.0, targets=tuple(LORA_TARGETS)),
    data=DataConfig(
        path="runs/domain/train.jsonl",
        held_out_path="runs/domain/held_out.jsonl",
        kind="records",
        tokenizer=MODEL,
    ),
    batch=BatchConfig(sequences=4, length=512, inside_documents=True),
    steps=STEPS,
    schedule=ScheduleConfig(peak=3e-4, end=3e-5, warmup_steps=8, decay_steps=STEPS),
    optimizer=OptimizerConfig(decay=0.0, z_loss=0.0),
    # One chunk of the loss reads the output head once; with small chunks that is most of a step.
    # XLA stores what 24 blocks save on one core: to compute it again takes less time (15 seconds a
    # step instead of 25) and 5 GB instead of 12.
    precision=PrecisionConfig(compute="bfloat16", remat="full", loss_bytes=2**30),
    checkpoint=CheckpointConfig(every=20),
    watch=LoggingConfig(log_every=2, evaluate_every=80, evaluate_sequences=16),
)
