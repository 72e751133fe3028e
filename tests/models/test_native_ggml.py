"""Tensors of GGUF files in the kernels, against the gguf package's own reading of them."""

from __future__ import annotations

import numpy as np
import pytest

from multiturn.models.config import llama_config
from multiturn.models.native.arrays import GGML_TYPES, array_shapes
from multiturn.models.native.compilers import find_compiler
from multiturn.models.native.decoder import NativeDecoder, Precision

gguf = pytest.importorskip("gguf")

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(find_compiler() is None, reason="no C++ compiler here"),
]

CONFIG = llama_config(
    vocab_size=70, layers=1, d_model=256, heads=4, head_dim=64, mlp_dim=256, tie_embeddings=True
)
SCALES = {"Q4_1": (0, 2), "Q5_1": (0, 2), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,)}
"""Where the float16 scales of a block are, if there is not just one at its beginning."""
QUANTIZED = {each.name: number for number, each in GGML_TYPES.items() if each.block > 1}


def random_rows(type_name: str, rows: int, inputs: int) -> np.ndarray:
    """Any codes, with scales of ordinary size and either sign."""
    kind = GGML_TYPES[QUANTIZED[type_name]]
    random = np.random.default_rng(3)
    blocks = random.integers(0, 256, (rows * inputs // kind.block, kind.bytes), dtype=np.uint8)
    for at in SCALES.get(type_name, (0,)):
        scales = (0.01 * random.standard_normal(len(blocks))).astype(np.float16)
        blocks[:, at : at + 2] = scales[:, None].view(np.uint8)
    return blocks.reshape(rows, -1)


def unembedding(type_name: str, precision: Precision, hidden: np.ndarray) -> np.ndarray:
    """The logits of a decoder whose embedding, also its head, has a quantized type."""
    decoder = NativeDecoder(CONFIG, precision, threads=2)
    rows = random_rows(type_name, CONFIG.vocab_size, CONFIG.d_model)
    for (name, layer), shape in array_shapes(CONFIG).items():
        if name == "embedding":
            decoder.set(name, layer, rows.reshape(-1), ggml_type=QUANTIZED[type_name])
        else:
            decoder.set(name, layer, np.zeros(shape.inputs_first, np.float32))
    logits = decoder.unembed(hidden)
    decoder.close()
    return logits


@pytest.mark.parametrize("type_name", QUANTIZED)
def test_every_type_is_read_as_the_gguf_package_reads_it(type_name: str) -> None:
    rows = random_rows(type_name, CONFIG.vocab_size, CONFIG.d_model)
    kind = gguf.GGMLQuantizationType[type_name]
    weights = gguf.quants.dequantize(rows, kind).astype(np.float64)
    hidden = np.random.default_rng(4).standard_normal((7, CONFIG.d_model)).astype(np.float32)
    wanted = hidden @ weights.T
    size = np.abs(wanted).max()
    limits: dict[Precision, float] = {"float32": 2e-6, "bfloat16": 0.01, "int8": 0.02, "int4": 0.02}
    found = {each: unembedding(type_name, each, hidden) for each in limits}
    for precision, limit in limits.items():
        assert np.abs(found[precision] - wanted).max() < limit * size, precision
    np.testing.assert_array_equal(found["int4"], found["int8"])
    # Activations that 8 bits hold exactly leave only the rounding of products of scales.
    exact = np.zeros_like(hidden)
    exact[:, ::32] = 127
    exact[:, 5::32] = -3
    gap = np.abs(unembedding(type_name, "int8", exact) - exact @ weights.T).max()
    limit = 0.01 if type_name == "Q6_K" else 5e-4  # Q6_K alone is rounded again
    assert gap < limit * np.abs(exact @ weights.T).max()


def test_int4_keeps_four_bits_in_memory() -> None:
    sizes = {}
    for precision in ("int8", "int4"):
        decoder = NativeDecoder(CONFIG, precision, threads=1)
        rows = random_rows("Q4_0", CONFIG.vocab_size, CONFIG.d_model)
        decoder.set("embedding", None, rows.reshape(-1), ggml_type=QUANTIZED["Q4_0"])
        sizes[precision] = decoder.bytes
        decoder.close()
    panels = 2 * (CONFIG.d_model // 32)
    assert sizes == {"int8": panels * (128 + 2048), "int4": panels * (128 + 1024)}
