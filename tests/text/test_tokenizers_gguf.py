"""GGUF tokenizers cut text exactly as llama.cpp does."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multiturn.core.errors import ModelFileError
from multiturn.hub.formats.gguf import ArrayInfo, read_array, read_gguf_header
from multiturn.hub.llama_cpp_library import import_xllamacpp
from multiturn.text.tokenizers import Tokenizer
from multiturn.text.tokenizers_gguf import from_gguf_metadata

TEXTS = [
    "",
    "def f(x):\n    return x  # 12345\n\n\n",
    "if x == 1:\n\tprint('ok')\n\t\tpass",
    "  \t\t mixed",
    "ünïcödé 日本語 🎉👩‍👩‍👧 é e\u0301 𝒳²³ ⅷ ½ ٣",
    "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n",
    "it's I'LL we'Re 'tis",
    "\r\n\r\n x\r\n",
    "   leading and trailing   ",
    "\x00\x01\u200b\u00a0\u3000 x",
    "a" * 60,
    "123 4567 8.9e-10",
]
Cut = Callable[[str, bool], list[int]]


def metadata(path: Path) -> dict[str, Any]:
    header = read_gguf_header(path)
    return {
        key: read_array(header, key) if isinstance(value, ArrayInfo) else value
        for key, value in header.metadata.items()
        if key.startswith("tokenizer.")
    }


@pytest.fixture(scope="module")
def ours(smollm2: Path) -> Tokenizer:
    return from_gguf_metadata(metadata(smollm2))


@pytest.fixture(scope="module")
def theirs(smollm2: Path) -> Cut:
    """llama.cpp's own tokenizer."""
    xllamacpp = import_xllamacpp()
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(smollm2)
    parameters.n_ctx = 256
    parameters.n_parallel = 1
    parameters.warmup = False
    parameters.verbosity = -1
    server = xllamacpp.Server(parameters)

    def cut(text: str, parse_special: bool) -> list[int]:
        asked = {"content": text, "add_special": False, "parse_special": parse_special}
        request = urllib.request.Request(
            server.listening_address + "/tokenize",
            data=json.dumps(asked).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=300) as answer:
            return list(json.load(answer)["tokens"])

    return cut


@pytest.mark.parametrize("parse_special", [False, True])
@pytest.mark.parametrize("text", TEXTS)
def test_same_ids_as_llama_cpp(
    ours: Tokenizer, theirs: Cut, text: str, parse_special: bool
) -> None:
    assert ours.encode(text, parse_special=parse_special) == theirs(text, parse_special)


@given(st.text(max_size=40))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_same_ids_for_any_text(ours: Tokenizer, theirs: Cut, text: str) -> None:
    cut = ours.encode(text)
    if ours.missing_bytes.isdisjoint(text.encode()):
        assert ours.decode(cut) == text
        # Where a byte has no token, transformers joins what stands around it, and llama.cpp not.
        if "\x00" not in text:  # llama.cpp's server ends a text there in some builds
            assert cut == theirs(text, False)


def test_this_vocabulary_lacks_some_bytes(ours: Tokenizer) -> None:
    assert 0xF1 in ours.missing_bytes
    assert ours.missing_bytes.isdisjoint(range(0x20, 0x7F))


def test_ends_and_specials(ours: Tokenizer) -> None:
    # <|im_end|>, <reponame> and <|endoftext|>, at all of which llama.cpp ends a text.
    assert ours.end_of_text == (2, 4, 0)
    assert (ours.before, ours.after) == ((), ())
    assert ours.token_id("<|im_start|>") == 1
    assert ours.size == 49152


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tokenizer.ggml.model", "llama"),
        ("tokenizer.ggml.pre", "unheard-of"),
        ("tokenizer.ggml.merges", None),
        ("tokenizer.ggml.merges", ["zzzz qqqq"]),
        ("tokenizer.ggml.token_type", [1]),
    ],
)
def test_what_is_not_understood_is_refused(smollm2: Path, key: str, value: object) -> None:
    with pytest.raises(ModelFileError):
        from_gguf_metadata({**metadata(smollm2), key: value})
