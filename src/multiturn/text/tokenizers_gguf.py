"""The tokenizer of a GGUF file, which splits text like llama.cpp."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from multiturn.core.errors import InputError, ModelFileError
from multiturn.text.tokenizers import Tokenizer, byte_letters, library

__all__ = ["GGUF_PRE_TOKENIZERS", "cut_of", "from_gguf_metadata"]

GGUF_PRE_TOKENIZERS = ("gpt-2", "qwen2", "smollm")
"""The supported values of ``tokenizer.ggml.pre``."""

_QWEN2_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_NORMAL, _CONTROL, _USER_DEFINED = 1, 3, 4  # tokenizer.ggml.token_type


def from_gguf_metadata(metadata: Mapping[str, Any]) -> Tokenizer:
    """Read the tokenizer of a GGUF file, which splits text like llama.cpp.

    Like llama.cpp it does not normalize, while the hub's Qwen2 tokenizer applies NFC.

    Args:
        metadata: the file's metadata, including the lists ``tokenizer.ggml.tokens``, ``.merges``
            and ``.token_type``.

    Raises:
        ModelFileError: the tokenizer is of another kind, or its lists are inconsistent.
    """
    lib = library()
    _expect(metadata, "tokenizer.ggml.model", ("gpt2",))
    cut = _expect(metadata, "tokenizer.ggml.pre", GGUF_PRE_TOKENIZERS)
    tokens, merges, kinds = (
        metadata.get(f"tokenizer.ggml.{name}") for name in ("tokens", "merges", "token_type")
    )
    if tokens is None or merges is None or kinds is None or len(kinds) != len(tokens):
        raise ModelFileError(
            "the model file's tokenizer is incomplete", fix="download the file again"
        )
    ordinary = {text: token for token, text in enumerate(tokens) if kinds[token] == _NORMAL}
    pairs = [tuple(merge.split(" ", 1)) for merge in merges]
    missing = [pair for pair in pairs if len(pair) != 2 or "".join(pair) not in ordinary]
    if missing:
        raise ModelFileError(
            "a merge of the model file's tokenizer matches no token", got=missing[0]
        )
    strange = sorted(set("".join(ordinary)) - set(byte_letters().values()))
    if strange:
        raise ModelFileError("a token of the model file is not byte-level", got=strange[0])
    # Control tokens get their ids from the vocabulary.
    by_name = {text: token for token, text in enumerate(tokens)}
    backend = lib.Tokenizer(lib.models.BPE(vocab=by_name, merges=pairs))
    backend.pre_tokenizer = _pre_tokenizer(cut)
    backend.decoder = lib.decoders.ByteLevel()
    backend.add_special_tokens(
        [
            lib.AddedToken(text, special=True, normalized=False)
            for token, text in enumerate(tokens)
            if kinds[token] == _CONTROL
        ]
    )
    backend.add_tokens(
        [
            lib.AddedToken(text, normalized=False)
            for token, text in enumerate(tokens)
            if kinds[token] == _USER_DEFINED
        ]
    )
    bos, eos = (_special(metadata, name, len(tokens), _DEFAULT_SPECIAL) for name in ("bos", "eos"))
    bos_id = metadata.get("tokenizer.ggml.bos_token_id")
    return Tokenizer(
        backend,
        end_of_text=_ends(metadata, tokens, eos),
        before=[bos] if bos is not None and _flag(metadata, "add_bos_token") else (),
        after=[eos] if eos is not None and _flag(metadata, "add_eos_token") else (),
        bos_text="" if bos_id is None or bos is None else tokens[bos],
    )


_DEFAULT_SPECIAL = 11
"""The default token that begins and ends a text, as in llama.cpp (GPT-2's full stop)."""
_ENDS = frozenset(
    (
        *("<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>"),
        *("<|calls|>", "<end_of_turn>", "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>"),
        *("[EOT]", "[EOS]", "<|end_of_text|>", "<end_of_utterance>", "<eos>", "<turn|>"),
        *("<|tool_response>", "<\uff5cend\u2581of\u2581sentence\uff5c>", "[e~["),
    )
)
"""Tokens at which llama.cpp ends a text, regardless of the file."""
_ENDS_OF_INFILLING = {
    "fim_pad": ("<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"),
    "fim_rep": ("<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"),
    "fim_sep": ("<|file_sep|>",),
}
"""Infilling tokens at which llama.cpp ends a text, and their texts if the file gives no id."""


def _ends(metadata: Mapping[str, Any], tokens: Sequence[str], eos: int | None) -> list[int]:
    """The ids at which llama.cpp ends a text; the file's own comes first."""
    size = len(tokens)
    ends = [eos, *(_special(metadata, name, size) for name in ("eot", "eom"))]
    by_text = {text: token for token, text in enumerate(tokens)}
    for name, texts in _ENDS_OF_INFILLING.items():
        found = _special(metadata, name, size)
        if found is None:
            found = next((by_text[text] for text in texts if text in by_text), None)
        ends.append(found)
    ends += sorted(by_text[text] for text in _ENDS & by_text.keys())
    return list(dict.fromkeys(token for token in ends if token is not None))


def _special(
    metadata: Mapping[str, Any], name: str, size: int, default: int | None = None
) -> int | None:
    """The id of a special token; ids outside the vocabulary are ignored."""
    named = metadata.get(f"tokenizer.ggml.{name}_token_id")
    for token in (named, default):
        if type(token) is int and 0 <= token < size:
            return token
    return None


def _flag(metadata: Mapping[str, Any], name: str) -> bool:
    return metadata.get(f"tokenizer.ggml.{name}") is True


def cut_of(tokenizer: Tokenizer) -> str:
    """llama.cpp's name for the tokenizer's pre-tokenizer: one of `GGUF_PRE_TOKENIZERS`.

    Raises:
        InputError: it is none of them.
    """
    found = _without_offsets(json.loads(tokenizer.to_json())["pre_tokenizer"])
    for cut in GGUF_PRE_TOKENIZERS:
        empty = library().Tokenizer(library().models.BPE())
        empty.pre_tokenizer = _pre_tokenizer(cut)
        if _without_offsets(json.loads(empty.to_str())["pre_tokenizer"]) == found:
            return cut
    raise InputError(
        "llama.cpp does not support the pre-tokenizer of this model",
        allowed=", ".join(GGUF_PRE_TOKENIZERS),
        fix="export to another format",
    )


def _without_offsets(value: Any) -> Any:
    """Remove settings of offsets, which do not change the tokens."""
    if isinstance(value, dict):
        return {key: _without_offsets(item) for key, item in value.items() if key != "trim_offsets"}
    return [_without_offsets(item) for item in value] if isinstance(value, list) else value


def _pre_tokenizer(cut: str) -> Any:
    lib = library()
    byte_level = lib.pre_tokenizers.ByteLevel
    if cut == "qwen2":
        words = lib.pre_tokenizers.Split(lib.Regex(_QWEN2_WORDS), behavior="isolated")
        plain = byte_level(add_prefix_space=False, use_regex=False)
        return lib.pre_tokenizers.Sequence([words, plain])
    gpt2 = byte_level(add_prefix_space=False, use_regex=True)
    if cut == "smollm":
        digits = lib.pre_tokenizers.Digits(individual_digits=True)
        return lib.pre_tokenizers.Sequence([digits, gpt2])
    return gpt2


def _expect(metadata: Mapping[str, Any], key: str, allowed: tuple[str, ...]) -> str:
    value = metadata.get(key)
    if value not in allowed:
        raise ModelFileError(
            f"the model file's {key} is not supported",
            got=value,
            allowed=", ".join(allowed),
            fix="run it with the llama.cpp engine",
        )
    return str(value)
