"""llama.cpp loads models of every head size, and says why where it loads one not."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from multiturn.core.errors import EngineError
from multiturn.engines.llama_cpp import open_llama_cpp
from multiturn.engines.native.loader import open_native
from multiturn.engines.protocol import Request, generate
from multiturn.hub.formats.gguf import read_gguf_header
from multiturn.hub.llama_options import quantized_cache_fits

pytestmark = pytest.mark.real

PROMPT = "def f(x):\n    return np"

SHAPES: dict[str, dict[str, Any]] = {
    "32 divides": {"width": 128},
    "16": {},
    "4": {"width": 16},
    "80, two heads a key": {"width": 320, "kv_heads": 2},
    "22, three heads": {"width": 66, "heads": 3},
    "12, one head": {"width": 12, "heads": 1},
    "8, seven heads of a narrower stream": {"width": 24, "heads": 7, "kv_heads": 1, "head_size": 8},
    "with biases": {"architecture": "qwen2", "width": 60, "heads": 5, "kv_heads": 5},
    "tied": {"width": 72, "heads": 6, "kv_heads": 2, "tied": True, "vocabulary": 301},
    "a short window": {"context": 48},
}


@pytest.mark.parametrize("name", SHAPES)
def test_every_head_size_writes_what_the_other_engine_writes(
    tiny_gguf: Callable[..., Path], name: str
) -> None:
    file = tiny_gguf(**SHAPES[name])
    request = Request(prompt=PROMPT, max_tokens=10, temperature=0)
    with open_llama_cpp(file, threads=1) as engine:
        (theirs,) = generate(engine, request)
    with open_native(file, threads=1, dtype="float32") as engine:
        (ours,) = generate(engine, request)
    assert theirs.tokens == ours.tokens and len(ours.tokens) == 10


@pytest.mark.parametrize("width", [64, 320])
def test_an_unquantized_cache_gives_the_same_with_and_without_what_was_read_before(
    tiny_gguf: Callable[..., Path], width: int
) -> None:
    file = tiny_gguf(width=width, layers=3)
    assert not quantized_cache_fits(read_gguf_header(file))
    with open_llama_cpp(file, threads=2) as engine:
        text = "import numpy as np\n" * 3
        for part in ("def f(x):\n", "    return x + 1\n    import", "x = [1, 2, 3]\nfor y in x:"):
            text += part
            results = []
            for session in ("one", None):
                request = Request(
                    prompt=text, max_tokens=9, temperature=0.9, seed=5, logprobs=True,
                    session=session,
                )  # fmt: skip
                (done,) = generate(engine, request)
                results.append((done.tokens, done.logprobs))
            assert results[0] == results[1]
            text += done.text


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown architecture": (
        {"architecture": "ignore_notice"},
        "unknown model architecture: 'ignore_notice'",
    ),
    "rotary of another size": ({"rotary": 8}, "invalid n_rot: 8, expected 16"),
    "a failed assertion while it computes": (
        {"width": 60, "heads": 4, "rotary": 15, "head_size": 15},
        "n_dims % 2 == 0",
    ),
    "a failed assertion while it builds": (
        {"width": 60, "heads": 5, "kv_heads": 2},
        "GGML_ASSERT(ggml_can_mul_mat",
    ),
    "a tensor too few": (
        {"metadata": {".block_count": 3}},
        "tensor 'blk.2.attn_norm.weight' not found",
    ),
    "a tensor of another shape": ({"metadata": {".feed_forward_length": 32}}, "wrong shape"),
    "unknown pre-tokenizer": (
        {"metadata": {"tokenizer.ggml.pre": "ignore_notice"}},
        "unknown pre-tokenizer type: 'ignore_notice'",
    ),
    "unknown tokenizer": (
        {"metadata": {"tokenizer.ggml.model": "odd"}},
        "unknown tokenizer: 'odd'",
    ),
    "a key that is missing": ({"without": [".block_count"]}, "llama.block_count"),
    "unknown scaling": ({"metadata": {".rope.scaling.type": "odd"}}, "GGML_ASSERT"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_loading_is_what_llama_cpp_says_in_one_line(
    tiny_gguf: Callable[..., Path], capfd: pytest.CaptureFixture[str], name: str
) -> None:
    options, message = FAULTS[name]
    with pytest.raises(EngineError, match=re.escape(message)) as caught:
        open_llama_cpp(tiny_gguf(**options), threads=1)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600
    assert capfd.readouterr() == ("", "")  # and nothing of its dump gets through


def test_a_fault_of_a_model_that_is_vouched_for_is_told_too(
    tiny_gguf: Callable[..., Path],
) -> None:
    """No trial before, since its bytes are known; the reason is looked for afterwards."""
    with pytest.raises(EngineError, match="invalid n_rot: 8, expected 16"):
        open_llama_cpp(tiny_gguf(rotary=8), threads=1, weights_sha256="0" * 64)


def test_blocks_are_held_against_all_sizes_of_a_header(tiny_gguf: Callable[..., Path]) -> None:
    def fits(**options: Any) -> bool:
        return quantized_cache_fits(read_gguf_header(tiny_gguf(**options)))

    assert fits(width=128)
    assert not fits(width=128, head_size=24)
    assert fits(width=60, head_size=64)
    assert not fits(width=128, metadata={".attention.value_length": 48})
    assert not fits(width=128, metadata={".attention.key_length_swa": 40})
    assert not fits(width=128, without=[".attention.head_count"])
