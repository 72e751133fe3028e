"""What stands around a prompt and what ends a text: both engines read it alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from multiturn.engines.llama_cpp import LlamaCppEngine, open_llama_cpp
from multiturn.engines.native.loader import open_native
from multiturn.hub.resolve_model import model_tokenizer

KEY = "tokenizer.ggml."
CONTROL, USER_DEFINED = 3, 4


def said(**entries: Any) -> dict[str, Any]:
    return {"metadata": {KEY + name: value for name, value in entries.items()}}


CASES: dict[str, dict[str, Any]] = {
    "nothing": said(),
    "a start": said(add_bos_token=True, bos_token_id=5),
    "a start and an end": said(add_bos_token=True, add_eos_token=True, bos_token_id=5),
    "an end": said(add_eos_token=True, eos_token_id=6),
    "no ids": {
        "without": [f"{KEY}{name}_token_id" for name in ("bos", "eos")],
        **said(add_bos_token=True, add_eos_token=True),
    },
    "switches not there": {"without": [f"{KEY}add_bos_token"], **said(bos_token_id=5)},
    "a space in front": said(add_space_prefix=True),
    "ids of turns and messages": said(eot_token_id=7, eom_token_id=8, eos_token_id=6),
    "ids beyond the vocabulary": said(eot_token_id=7000),
    "ends by their texts": {
        "tokens": {
            264: ("<|im_end|>", CONTROL), 265: ("</s>", CONTROL), 266: ("<|eom_id|>", CONTROL),
            267: ("<reponame>", CONTROL), 268: ("<|file_sep|>", CONTROL), 269: ("[PAD]", CONTROL),
            270: ("<|im_start|>", CONTROL), 271: ("<|fim_prefix|>", CONTROL),
            272: ("<end_of_turn>", USER_DEFINED),
        },
        **said(eos_token_id=264),
    },
    "ids of infilling": {
        "tokens": {265: ("<|fim_pad|>", CONTROL), 266: ("<|repo_name|>", CONTROL)},
        **said(fim_pad_token_id=3, fim_rep_token_id=4, fim_sep_token_id=5),
    },
}  # fmt: skip


def ends_at(engine: LlamaCppEngine, token: int) -> bool:
    answer = engine._server.complete(
        {"prompt": [9] * 9, "n_predict": 3, "temperature": 0, "logit_bias": [[token, 1e4]]}
    )
    return bool(answer["stop_type"] == "eos")


@pytest.mark.parametrize("name", CASES)
def test_prompts_and_ends_are_those_of_llama_cpp(tiny_gguf: Callable[..., Path], name: str) -> None:
    file = tiny_gguf(**CASES[name])
    tokenizer = model_tokenizer(file)
    with open_llama_cpp(file, threads=1, weights_sha256="0" * 64) as engine:
        for text in ("x", " x = 1\n", "  def f():"):
            assert tokenizer.encode_prompt(text) == engine._tokenize(text, False)
        suspects = {*tokenizer.end_of_text, *range(3, 13), *range(258, 274)}
        ends = {token for token in suspects if ends_at(engine, token)}
        bos, eos = engine.info.bos_token, engine.info.eos_token
    assert set(tokenizer.end_of_text) == ends
    with open_native(file, threads=1, dtype="float32") as ours:
        assert (ours.info.bos_token, bool(eos)) == (bos, bool(eos))
        assert ours.count_tokens("x") == len(tokenizer.encode_prompt("x"))
