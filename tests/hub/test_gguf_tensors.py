"""Dequantization against the `gguf` package, block by block, bit for bit."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest

from multiturn.core.errors import ModelFileError
from multiturn.hub.formats.ggml_types import GGML_TYPES
from multiturn.hub.formats.gguf_tensors import READABLE_TYPES, dequantize, read_gguf_tensors

KINDS = {kind.name: kind for kind in GGML_TYPES.values()}


def test_all_the_promised_types() -> None:
    promised = {
        "F32",
        "F16",
        "BF16",
        "Q8_0",
        "Q4_0",
        "Q4_1",
        "Q5_0",
        "Q5_1",
        "Q4_K",
        "Q5_K",
        "Q6_K",
    }
    assert set(READABLE_TYPES) == promised


@pytest.mark.parametrize("name", READABLE_TYPES)
def test_random_blocks_as_the_gguf_package_reads_them(name: str) -> None:
    """Every bit pattern of the codes; scales are kept finite."""
    kind = KINDS[name]
    blocks = np.random.default_rng(5).integers(0, 256, (3_000, kind.block_bytes), np.uint8)
    scales = {"Q6_K": (208,), "Q4_K": (0, 2), "Q5_K": (0, 2)}.get(name, (0, 2))
    if name in ("Q4_0", "Q5_0", "Q8_0"):
        scales = (0,)
    if name in ("F32", "F16", "BF16"):
        values = np.random.default_rng(5).normal(size=3_000).astype(np.float32)
        kinds = gguf.GGMLQuantizationType
        raw = gguf.quants.quantize(values[None], kinds[name])
        blocks = np.ascontiguousarray(raw).view(np.uint8).reshape(-1, kind.block_bytes)
    else:
        for at in scales:  # the exponent's top bit cleared: no infinities
            blocks[:, at + 1] &= 0xBF
    expected = gguf.quants.dequantize(
        blocks.reshape(1, -1), gguf.GGMLQuantizationType[name]
    ).reshape(-1)
    got = dequantize(blocks.reshape(-1), name, kind.block_bytes)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, expected)


def test_more_blocks_than_are_done_at_once() -> None:
    blocks = np.random.default_rng(1).integers(0, 256, ((1 << 15) + 7, 34), np.uint8)
    blocks[:, 1] &= 0xBF
    whole = dequantize(blocks.reshape(-1), "Q8_0", 34)
    tail = dequantize(blocks[-7:].reshape(-1), "Q8_0", 34)
    assert whole.size == len(blocks) * 32
    np.testing.assert_array_equal(whole[-tail.size :], tail)


def write(path: Path, kind: str = "Q8_0") -> Path:
    writer = gguf.GGUFWriter(path, "llama")
    values = np.random.default_rng(2).normal(size=(4, 64)).astype(np.float32)
    number = gguf.GGMLQuantizationType[kind]
    writer.add_tensor("a.weight", gguf.quants.quantize(values, number), raw_dtype=number)
    writer.add_tensor("b.weight", values)
    for step in ("header", "kv_data", "tensors"):
        getattr(writer, f"write_{step}_to_file")()
    writer.close()
    return path


def test_a_file_is_read_by_name_and_shape(tmp_path: Path) -> None:
    _, tensors = read_gguf_tensors(write(tmp_path / "m.gguf"))
    assert {name: (t.shape, t.stored_as) for name, t in tensors.items()} == {
        "a.weight": ((4, 64), "Q8_0"),
        "b.weight": ((4, 64), "F32"),
    }
    np.testing.assert_allclose(tensors["a.weight"].read(), tensors["b.weight"].read(), atol=0.02)


def test_an_unread_format_names_the_tensor(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    number = gguf.GGMLQuantizationType.Q2_K
    writer.add_tensor("odd.weight", np.zeros((2, 84), np.uint8), raw_dtype=number)
    for step in ("header", "kv_data", "tensors"):
        getattr(writer, f"write_{step}_to_file")()
    writer.close()
    with pytest.raises(ModelFileError, match=r"'odd.weight'.*Q2_K"):
        read_gguf_tensors(path)


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "m.gguf")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelFileError, match=r"b\.weight"):
        read_gguf_tensors(path)
