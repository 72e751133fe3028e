"""Training of decoders, from a laptop to many hosts; named for the paper's library, JAXFORMER.

config, training_chain,
recipes                  what a run is: a tree of frozen dataclasses, made by recipes
datasets/                random-access training sequences: text files, records, packed shards
step/                    the train step: chunked cross-entropy, gradient accumulation, optimizer
parallel/                the device mesh, and distributed training
run/                     the loop: prefetch, checkpoints, resume, loss spikes, validation, metrics
lora/                    LoRA fine-tuning, and exports of runs
plan/                    memory and time of a run on devices that are not here
"""

from multiturn.core.lazy import lazy_exports

__getattr__, __dir__ = lazy_exports(__name__, __file__)
