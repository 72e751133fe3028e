"""JAXFORMER: training decoders from a laptop to many hosts.

config      what a run is, as one tree of frozen dataclasses
step/       one step: loss, optimizer, state, accumulation
parallel/   the mesh, and several hosts
samples/    training sequences by global index: from text files, records, packed shards
run/        the loop: checkpoints, resume, faults, evaluation, metrics; `train.main`
"""

from multiturn.core.lazy import lazy_exports

__getattr__, __dir__ = lazy_exports(__name__, __file__)
