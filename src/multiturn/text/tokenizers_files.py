"""Tokenizers in the hub's files: `tokenizer.json`, or GPT-2's `vocab.json` and `merges.txt`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multiturn.core.errors import ModelFileError
from multiturn.text.tokenizer_config import HubSettings, read_hub_settings
from multiturn.text.tokenizer_json import (
    check_byte_level,
    text_changes,
    without_training_settings,
)
from multiturn.text.tokenizers import END_OF_TEXT, Tokenizer, library

if TYPE_CHECKING:
    import tokenizers

__all__ = ["add_in_order", "from_gpt2_files", "from_hub_files", "read_tokenizer_json"]


def from_hub_files(directory: Path) -> Tokenizer:
    """The tokenizer in a directory of the hub.

    Reads ``tokenizer.json``, or ``vocab.json`` and ``merges.txt`` with
    ``added_tokens.json`` if there; and what `HubSettings` reads beside them. Truncation,
    padding and dropout that a ``tokenizer.json`` keeps are switched off.

    Raises:
        ModelFileError: the files are missing or broken, or no byte-level BPE.
    """
    settings = read_hub_settings(directory)
    changes: tuple[str, ...] = ()
    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    whole = directory / "tokenizer.json"
    if whole.exists():
        content = read_tokenizer_json(whole, settings)
        backend = _guarded(whole, lambda: library().Tokenizer.from_str(json.dumps(content)))
        changes = text_changes(content)
        before, after = settings.around(content.get("post_processor"), backend.token_to_id)
    elif (directory / "vocab.json").exists() and (directory / "merges.txt").exists():
        backend = from_gpt2_files(directory / "vocab.json", directory / "merges.txt")
        extra = directory / "added_tokens.json"
        if extra.exists():
            added = _read_ids(extra)
            add_in_order(backend, sorted(added, key=lambda text: added[text]), added)
    else:
        sentencepiece = (directory / "tokenizer.model").exists()
        raise ModelFileError(
            "the directory has a tokenizer of sentencepiece, which is not read"
            if sentencepiece
            else "no tokenizer in the directory",
            got=str(directory / "tokenizer.model" if sentencepiece else directory),
            allowed="tokenizer.json, or vocab.json and merges.txt",
            fix="run the model as a GGUF file with the llama.cpp engine" if sentencepiece else None,
        )
    ends = settings.ends(backend.token_to_id)
    default = backend.token_to_id(END_OF_TEXT)
    if not ends and default is not None:
        ends = (default,)
    return Tokenizer(
        backend,
        end_of_text=ends,
        before=before,
        after=after,
        document_end=settings.document_end(),
        bos_text=settings.token_text("bos_token"),
        changes=changes,
    )


def read_tokenizer_json(file: Path, settings: HubSettings) -> dict[str, Any]:
    """The content of a ``tokenizer.json`` as it is used, the settings beside it followed.

    Raises:
        ModelFileError: it is broken, or no byte-level BPE.
    """
    content = _guarded(file, lambda: json.loads(file.read_text("utf-8")))
    if not isinstance(content, dict):
        raise ModelFileError(
            f"{file.name} cannot be read: it holds no JSON object", fix="fetch the file again"
        )
    content = without_training_settings(content)
    check_byte_level(file.name, content)
    cut = content.get("pre_tokenizer")
    if settings.tokenizer and isinstance(cut, dict) and "add_prefix_space" in cut:
        # As transformers: the setting beside the file wins over the one in it.
        said = settings.tokenizer.get("add_prefix_space")
        content["pre_tokenizer"] = {**cut, "add_prefix_space": bool(said)}
    return content


def add_in_order(
    backend: tokenizers.Tokenizer, texts: Sequence[str], ids: Mapping[str, int]
) -> None:
    """Add tokens and see that each got the id it must have."""
    lib = library()
    backend.add_tokens([lib.AddedToken(text, normalized=False) for text in texts])
    for text in texts:
        if backend.token_to_id(text) != ids[text]:
            raise ModelFileError(
                "an added token does not fit after the vocabulary",
                got=text,
                allowed=f"id {backend.token_to_id(text)}",
            )


def from_gpt2_files(vocabulary: Path, merges: Path) -> tokenizers.Tokenizer:
    """The library's tokenizer of a GPT-2 vocabulary, with no added tokens but the end of text.

    Raises:
        ModelFileError: the files are missing, broken, or do not belong together.
    """
    lib = library()
    ids = _read_ids(vocabulary)
    lines = _guarded(merges, lambda: merges.read_text("utf-8")).split("\n")
    pairs = [tuple(line.split(" ")) for line in lines if line and not line.startswith("#version")]
    if any(len(pair) != 2 for pair in pairs):
        raise ModelFileError(f"{merges.name}: a line is not two tokens with a space between")
    backend: tokenizers.Tokenizer = _guarded(
        merges, lambda: lib.Tokenizer(lib.models.BPE(vocab=ids, merges=pairs))
    )
    backend.pre_tokenizer = lib.pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = lib.decoders.ByteLevel()
    if END_OF_TEXT in ids:
        backend.add_special_tokens([lib.AddedToken(END_OF_TEXT, special=True)])
    return backend


def _read_ids(file: Path) -> dict[str, int]:
    ids: Any = _guarded(file, lambda: json.loads(file.read_text("utf-8")))
    whole = isinstance(ids, dict) and all(type(token) is int for token in ids.values())
    first = min(ids.values(), default=0) if whole else 0
    if not whole or sorted(ids.values()) != list(range(first, first + len(ids))):
        raise ModelFileError(f"{file.name} does not number its tokens one after another")
    numbered: dict[str, int] = ids
    return numbered


def _guarded(file: Path, read: Any) -> Any:
    """What `read` gives; the library raises bare `Exception` for broken files."""
    try:
        return read()
    except Exception as error:
        raise ModelFileError(
            f"{file.name} cannot be read: {error}", got=str(file), fix="fetch the file again"
        ) from error
