"""Which precision ``auto`` takes for a model: the faster of int8 and the file's own 4 bits.

Both compute the same numbers from a tensor that a file has in 4 bits. Packed as nibbles it is half
as many bytes to read, and takes more instructions to unpack, so the answer depends on the processor
and on the shapes. It is measured with blocks of the model itself, once on each machine.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from multiturn.engines.native.packing import pack
from multiturn.hub.checkpoints.reading import Checkpoint
from multiturn.hub.checkpoints.stored_arrays import stored_arrays
from multiturn.models.native.arrays import GGML_TYPES
from multiturn.models.native.decoder import NativeDecoder, Precision
from multiturn.models.native.library import load_library
from multiturn.models.native.measurements import Seconds, remembered_seconds
from multiturn.models.native.speed import step_seconds

__all__ = ["fastest_precision"]

_FOUR_BITS = frozenset({"Q4_0", "Q4_1", "Q4_K"})
_CANDIDATES: tuple[Precision, ...] = ("int8", "int4")
_OUTSIDE = frozenset({"embedding", "head", "head_bias"})
_MIN_WEIGHTS = 50_000_000
"""Of the measured blocks, so that most of them have to come from memory."""
_ROWS = (1, 4)
"""Sequences of the measured steps: one text, and the default number of candidates."""


def fastest_precision(checkpoint: Checkpoint, threads: int | None = None) -> Precision:
    """The precision for a model that is decoded on this machine.

    Args:
        checkpoint: of the model.
        threads: of the kernels.

    Raises:
        ModelFileError: a tensor cannot be read.
        EngineError: the kernels cannot be compiled here.
    """
    stored = sorted(
        (rule.name, checkpoint.tensors[rule.name].stored_as)
        for rule in checkpoint.layout.rules
        if rule.rows
    )
    if not any(kind in _FOUR_BITS for _, kind in stored):
        return "int8"
    question = {
        "library": load_library().path.name,
        "config": checkpoint.config,
        "stored": stored,
        "threads": threads,
    }
    seconds = remembered_seconds("precision", question, lambda: _measure(checkpoint, threads))
    return min(_CANDIDATES, key=lambda each: seconds[each])


def _measure(checkpoint: Checkpoint, threads: int | None) -> Seconds:
    """The seconds of decode steps in each precision, with the first blocks of the model."""
    config = checkpoint.config
    weights = sum(
        checkpoint.tensors[rule.name].size for rule in checkpoint.layout.rules if rule.layer == 0
    )
    layers = min(config.layers, -(-_MIN_WEIGHTS // weights))
    part = replace(
        checkpoint,
        config=replace(config, layers=layers, vocab_size=64, tie_embeddings=True, head_bias=False),
        layout=replace(
            checkpoint.layout,
            rules=tuple(
                rule
                for rule in checkpoint.layout.rules
                if not _OUTSIDE.intersection(rule.fields)
                and (rule.layer is None or rule.layer < layers)
            ),
        ),
    )
    arrays = list(stored_arrays(part, packable=GGML_TYPES))
    decoders = []
    try:
        for precision in _CANDIDATES:
            decoder = NativeDecoder(part.config, precision, threads=threads)
            decoders.append(decoder)
            decoder.set("embedding", None, np.ones((64, config.d_model), np.float32))
            pack(decoder, arrays)
        times = [step_seconds(decoders, rows) for rows in _ROWS]
    finally:
        for decoder in decoders:
            decoder.close()
    return {precision: sum(found) for precision, *found in zip(_CANDIDATES, *times, strict=True)}
