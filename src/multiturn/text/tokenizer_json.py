"""What a `tokenizer.json` does to a text besides cutting it, and how it is put right.

A tokenizer file keeps more than the rule by which text is cut. Some of it belongs to how its
maker trained (truncation, padding, dropout) and is switched off, as transformers does for the
first two. Some of it changes the text (normalizers, a space in front, tokens that swallow
blanks): a prompt is cut as the model's maker wanted it and the change is named, while a corpus
is not packed with such a tokenizer, since its text could not be given back.
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
"""Pre-tokenizers that cut a text and leave every character of it, and the setting under which
one leaves characters out."""


def without_training_settings(content: Mapping[str, Any]) -> Json:
    """The file's content with truncation, padding and dropout switched off.

    A normalizer that does nothing is taken out: the library fails over an empty ``Prepend``.
    """
    model = {**_mapping(content.get("model"))}
    if "dropout" in model:
        model["dropout"] = None
    normalizer = content.get("normalizer")
    if all(_rests(step) for step in _steps(normalizer)):
        normalizer = None
    return {
        **content, "truncation": None, "padding": None, "normalizer": normalizer, "model": model
    }  # fmt: skip


def check_byte_level(name: str, content: Mapping[str, Any]) -> None:
    """See that the file describes a byte-level BPE, the kind that is read.

    Args:
        name: of the file, for the messages.
        content: of the file.

    Raises:
        ModelFileError: it is of another kind; the message names what is other.
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
    """How a text that was cut and put together again differs from what it was.

    Args:
        content: of a file that `check_byte_level` passed.

    Returns:
        Each change by name, such as ``NFC`` or ``a space in front``; empty where any text comes
        back as it was.
    """
    found = [
        str(step.get("type"))
        for step in _steps(content.get("normalizer"))
        if step.get("type") != "ByteLevel" and not _rests(step)
    ]
    for step in _steps(content.get("pre_tokenizer")):
        kind = str(step.get("type"))
        if kind not in _SPLITTERS or "removed" in [
            str(step.get(setting)).lower() for setting in _SPLITTERS.get(kind, ())
        ]:
            found.append(f"{kind}, which leaves characters out")
        elif step.get("add_prefix_space"):
            found.append("a space in front")
    for token in content.get("added_tokens") or ():
        if not isinstance(token, Mapping):
            continue
        sides = [side for side in ("lstrip", "rstrip") if token.get(side)]
        if sides and not token.get("special"):
            found.append(f"the token {token.get('content')!r} swallows blanks ({sides[0]})")
    return tuple(dict.fromkeys(found))


def _rests(step: Mapping[str, Any]) -> bool:
    """Whether a normalizer is one whose switches are all off."""
    if step.get("type") == "BertNormalizer":
        switches = ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase")
        return not any(step.get(switch) for switch in switches)
    if step.get("type") == "Strip":
        return not (step.get("strip_left") or step.get("strip_right"))
    return step.get("type") == "Prepend" and not step.get("prepend")


def _steps(part: Any) -> Iterator[Mapping[str, Any]]:
    """The steps of a normalizer or pre-tokenizer, sequences laid open."""
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
        f"{name} is no byte-level BPE, the only kind that is read here",
        got=got,
        fix="run the model as a GGUF file with the llama.cpp engine",
    )
