"""A real quantized model computes here what it computes in llama.cpp."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np

from multiturn.hub.checkpoints.reading import load_parameters, open_checkpoint
from multiturn.hub.exports.certificate import check_with_llama_cpp
from multiturn.hub.formats.gguf import ArrayInfo, read_array, read_gguf_header
from multiturn.models.decoder import forward
from multiturn.text.tokenizers_gguf import from_gguf_metadata

TEXTS = (
    "import numpy as np\n\n# Assign the list [1, 2, 3] to x\nx = np.array([1, 2, 3])\nprint(x",
    "def fibonacci(n):\n    if n < 2:\n        return n\n    return fibonacci(n - 1) + fib",
)


def test_the_small_model(smollm2: Path) -> None:
    """Within what llama.cpp's rounding of activations to 8 bits makes (decision 0010)."""
    header = read_gguf_header(smollm2)
    tokenizer = from_gguf_metadata(
        {
            key: read_array(header, key) if isinstance(value, ArrayInfo) else value
            for key, value in header.metadata.items()
        }
    )
    rows = [tokenizer.encode(text) for text in TEXTS]
    length = min(map(len, rows))
    tokens = np.array([row[:length] for row in rows], np.int32)
    checkpoint = open_checkpoint(smollm2)
    parameters = load_parameters(checkpoint)

    def source(ids: np.ndarray) -> np.ndarray:
        return np.asarray(jax.jit(forward, static_argnums=2)(parameters, ids, checkpoint.config))

    agreement = check_with_llama_cpp(smollm2, source, tokens)
    assert agreement is not None
    assert agreement.positions == 4
    assert agreement.argmax_agreement >= 0.75
    assert agreement.greatest_difference < 2
