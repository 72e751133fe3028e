"""What a `tokenizer.json` does to a text besides tokenizing it.

A tokenizer file may hold settings of its training (truncation, padding, dropout), which are turned
off; transformers does so for the first two. It may also change the text (normalizers, a prefix
space, tokens that strip blanks). Prompts are tokenized with these changes, which are reported;
corpora are not packed with such a tokenizer, because decoding would not restore the text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from multiturn.core.errors import ModelFileError

__all__ = ["check_byte_level", "text_changes", "without_training_settings"]

Json = dict[str, Any]

_SPLITTERS = {
    "ByteLevel": (),
    "Digits": (),
    "FixedLength": (),
    "Punctuation": ("behavior",),
    "Split": ("behavior",),
    "UnicodeScripts": (),
}
"""Pre-tokenizers that split a text without removing characters, and their settings that may remove
some."""


def without_training_settings(content: Mapping[str, Any]) -> Json:
    """The file's content with truncation, padding and dropout turned off.

    Removes a normalizer that does nothing, because the library fails on an empty ``Prepend``.
    """
    model = {**_mapping(content.get("model"))}
    if "dropout" in model:
        model["dropout"] = None
    normalizer = content.get("normalizer")
    if all(_does_nothing(step) for step in _steps(normalizer)):
        normalizer = None
    return {
        **content, "truncation": None, "padding": None, "normalizer": normalizer, "model": model
    }  # fmt: skip


def check_byte_level(name: str, content: Mapping[str, Any]) -> None:
    """Check that the file describes a byte-level BPE, the only supported kind.

    Args:
        name: of the file, for errors.
        content: of the file.

    Raises:
        ModelFileError: it is of another kind, which the message names.
    """
    model = _mapping(content.get("model"))
    kind = model.get("type", "BPE" if "merges" in model else None)
    if kind != "BPE":
        _refuse(name, kind)
    for setting in ("continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(setting):
            _refuse(name, f"{setting} {model[setting]!r}")
    steps = [*_steps(content.get("pre_tokenizer")), *_steps(content.get("normalizer"))]
    kinds = [step.get("type") for step in steps]
    if "ByteLevel" not in kinds:
        found = ", ".join(str(kind) for kind in kinds) or "none"
        extra = " with byte_fallback" if model.get("byte_fallback") else ""
        _refuse(name, f"BPE{extra} whose pre-tokenizer is {found}")
    if "Metaspace" in kinds:
        _refuse(name, "BPE with Metaspace")


def text_changes(content: Mapping[str, Any]) -> tuple[str, ...]:
    """How encoding and decoding changes a text.

    Args:
        content: of a file that passed `check_byte_level`.

    Returns:
        The names of the changes, such as ``NFC``; empty if every text is restored exactly.
    """
    found = [
        str(step.get("type"))
        for step in _steps(content.get("normalizer"))
        if step.get("type") != "ByteLevel" and not _does_nothing(step)
    ]
    for step in _steps(content.get("pre_tokenizer")):
        kind = str(step.get("type"))
        if kind not in _SPLITTERS or "removed" in [
            str(step.get(setting)).lower() for setting in _SPLITTERS.get(kind, ())
        ]:
            found.append(f"{kind}, which removes characters")
        elif step.get("add_prefix_space"):
            found.append("a prefix space")
    for token in content.get("added_tokens") or ():
        if not isinstance(token, Mapping):
            continue
        sides = [side for side in ("lstrip", "rstrip") if token.get(side)]
        if sides and not token.get("special"):
            found.append(f"the token {token.get('content')!r} strips blanks ({sides[0]})")
    return tuple(dict.fromkeys(found))


def _does_nothing(step: Mapping[str, Any]) -> bool:
    """Whether all switches of a normalizer are off."""
    if step.get("type") == "BertNormalizer":
        switches = ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase")
        return not any(step.get(switch) for switch in switches)
    if step.get("type") == "Strip":
        return not (step.get("strip_left") or step.get("strip_right"))
    return step.get("type") == "Prepend" and not step.get("prepend")


def _steps(part: Any) -> Iterator[Mapping[str, Any]]:
    """The steps of a normalizer or pre-tokenizer, with sequences flattened."""
    if not isinstance(part, Mapping):
        return
    if part.get("type") == "Sequence":
        for inner in part.get("normalizers") or part.get("pretokenizers") or ():
            yield from _steps(inner)
    else:
        yield part


def _mapping(part: Any) -> Mapping[str, Any]:
    return part if isinstance(part, Mapping) else {}


def _refuse(name: str, got: object) -> None:
    raise ModelFileError(
        f"{name} is not a byte-level BPE, the only supported kind",
        got=got,
        fix="run the model as a GGUF file with the llama.cpp engine",
    )
