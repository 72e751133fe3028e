"""Tokenizers in the hub's files: `tokenizer.json`, or GPT-2's `vocab.json` and `merges.txt`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multiturn.core.errors import ModelFileError
from multiturn.text.tokenizers import END_OF_TEXT, Tokenizer, library

if TYPE_CHECKING:
    import tokenizers

__all__ = ["add_in_order", "from_gpt2_files", "from_hub_files"]


def from_hub_files(directory: Path) -> Tokenizer:
    """The tokenizer in a directory of the hub.

    Reads ``tokenizer.json``, or ``vocab.json`` and ``merges.txt`` with
    ``added_tokens.json`` if there. The end-of-text ids are those of ``config.json``,
    else the token ``<|endoftext|>``.

    Raises:
        ModelFileError: the files are missing or broken, or no byte-level BPE.
    """
    whole = directory / "tokenizer.json"
    if whole.exists():
        backend = _guarded(whole, lambda: library().Tokenizer.from_file(str(whole)))
        model = json.loads(backend.to_str())
        if model["model"]["type"] != "BPE" or "ByteLevel" not in json.dumps(model["decoder"]):
            raise ModelFileError(f"{whole.name} is no byte-level BPE", got=model["model"]["type"])
    elif (directory / "vocab.json").exists() and (directory / "merges.txt").exists():
        backend = from_gpt2_files(directory / "vocab.json", directory / "merges.txt")
        extra = directory / "added_tokens.json"
        if extra.exists():
            added = _read_ids(extra)
            add_in_order(backend, sorted(added, key=lambda text: added[text]), added)
    else:
        raise ModelFileError(
            "no tokenizer in the directory",
            got=str(directory),
            allowed="tokenizer.json, or vocab.json and merges.txt",
        )
    return Tokenizer(backend, end_of_text=_hub_end(directory, backend))


def _hub_end(directory: Path, backend: tokenizers.Tokenizer) -> list[int]:
    config = directory / "config.json"
    if config.exists():
        said = _guarded(config, lambda: json.loads(config.read_text("utf-8"))).get("eos_token_id")
        ends = said if isinstance(said, list) else [said]
        if all(isinstance(token, int) for token in ends):
            return ends
    end = backend.token_to_id(END_OF_TEXT)
    return [] if end is None else [end]


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
