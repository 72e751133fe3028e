"""LoRA on multi-turn records: smollm2-135m learns to turn prompts into code.

    multiturn data records runs/records
    multiturn train lora_turns

Hardware: 2 CPU cores, 3 GB of memory. Time: 18 minutes on a busy machine, 7.4 of CPU.
Expected: the validation loss, on the code of unseen problems, falls; docs/results/ has a log.
Data: two cases of each of this project's own problems, with four fifths of the problems for
training. The loss is on the code and on what ends it, and attention stays inside a record.

Rank, alpha and learning rate are this project's choice; the targets are all matrices of a block,
as recommended by Dettmers et al., arXiv 2305.14314.
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

MODEL = "smollm2-135m"

config = TrainConfig(
    name="lora-turns",
    out="runs/lora-turns",
    model=open_checkpoint(resolve_model(MODEL)).config,
    start=MODEL,
    lora=LoraConfig(rank=8, alpha=16.0, targets=tuple(LORA_TARGETS)),
    data=DataConfig(
        path="runs/records/train.jsonl",
        held_out_path="runs/records/held_out.jsonl",
        kind="records",
        tokenizer=MODEL,
    ),
    batch=BatchConfig(sequences=2, length=256, inside_documents=True),
    steps=88,
    schedule=ScheduleConfig(peak=1e-3, end=1e-4, warmup_steps=10, decay_steps=88),
    optimizer=OptimizerConfig(decay=0.0, z_loss=0.0),
    precision=PrecisionConfig(compute="float32"),
    checkpoint=CheckpointConfig(every=44),
    watch=LoggingConfig(log_every=10, evaluate_every=44, evaluate_sequences=64),
)
