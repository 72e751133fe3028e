"""Reads the hub's tokenizer files: `tokenizer.json`, or `vocab.json` and `merges.txt`."""

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
    """Read the tokenizer in a model directory of the hub.

    Reads ``tokenizer.json``, or ``vocab.json`` and ``merges.txt`` with an optional
    ``added_tokens.json``; and the files of `HubSettings`. Turns off the truncation, padding and
    dropout of a ``tokenizer.json``.

    Raises:
        ModelFileError: the files are missing or broken, or not a byte-level BPE.
    """
    settings = read_hub_settings(directory)
    changes: tuple[str, ...] = ()
    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    file = directory / "tokenizer.json"
    if file.exists():
        content = read_tokenizer_json(file, settings)
        backend = _guarded(file, lambda: library().Tokenizer.from_str(json.dumps(content)))
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
            "the directory has a SentencePiece tokenizer, which is not supported"
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
    """The content of a ``tokenizer.json``, with the settings beside it applied.

    Raises:
        ModelFileError: it is broken, or not a byte-level BPE.
    """
    content = _guarded(file, lambda: json.loads(file.read_text("utf-8")))
    if not isinstance(content, dict):
        raise ModelFileError(
            f"{file.name} cannot be read: it is not a JSON object", fix="download the file again"
        )
    content = without_training_settings(content)
    check_byte_level(file.name, content)
    cut = content.get("pre_tokenizer")
    if settings.tokenizer and isinstance(cut, dict) and "add_prefix_space" in cut:
        # As in transformers, the setting beside the file overrides the one in it.
        prefix = settings.tokenizer.get("add_prefix_space")
        content["pre_tokenizer"] = {**cut, "add_prefix_space": bool(prefix)}
    return content


def add_in_order(
    backend: tokenizers.Tokenizer, texts: Sequence[str], ids: Mapping[str, int]
) -> None:
    """Add tokens and check that each gets the expected id."""
    lib = library()
    backend.add_tokens([lib.AddedToken(text, normalized=False) for text in texts])
    for text in texts:
        if backend.token_to_id(text) != ids[text]:
            raise ModelFileError(
                "an added token does not follow the vocabulary",
                got=text,
                allowed=f"id {backend.token_to_id(text)}",
            )


def from_gpt2_files(vocabulary: Path, merges: Path) -> tokenizers.Tokenizer:
    """The library's tokenizer of a GPT-2 vocabulary; adds only the end-of-text token.

    Raises:
        ModelFileError: the files are missing, broken, or do not belong together.
    """
    lib = library()
    ids = _read_ids(vocabulary)
    lines = _guarded(merges, lambda: merges.read_text("utf-8")).split("\n")
    pairs = [tuple(line.split(" ")) for line in lines if line and not line.startswith("#version")]
    if any(len(pair) != 2 for pair in pairs):
        raise ModelFileError(f"{merges.name}: a line is not two tokens separated by a space")
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
    valid = isinstance(ids, dict) and all(type(token) is int for token in ids.values())
    first = min(ids.values(), default=0) if valid else 0
    if not valid or sorted(ids.values()) != list(range(first, first + len(ids))):
        raise ModelFileError(f"{file.name} does not number its tokens consecutively")
    numbered: dict[str, int] = ids
    return numbered


def _guarded(file: Path, read: Any) -> Any:
    """Call `read`; the library raises bare `Exception` for broken files."""
    try:
        return read()
    except Exception as error:
        raise ModelFileError(
            f"{file.name} cannot be read: {error}", got=str(file), fix="download the file again"
        ) from error
