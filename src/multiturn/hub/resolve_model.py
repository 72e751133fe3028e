"""Resolves a model's name or path to its files and its tokenizer."""

from __future__ import annotations

from pathlib import Path

from multiturn.hub.downloads import pull
from multiturn.hub.formats.gguf import read_array, read_gguf_header
from multiturn.hub.registry import REGISTRY
from multiturn.text.tokenizers import Tokenizer
from multiturn.text.tokenizers_files import from_hub_files
from multiturn.text.tokenizers_gguf import from_gguf_metadata

__all__ = ["resolve_model", "model_tokenizer"]


def resolve_model(name_or_path: str) -> Path:
    """The GGUF file or checkpoint directory of a model; a known name is downloaded if necessary.

    Raises:
        UnknownNameError, HubError, StorageError: the model's files are not available.
        ModelFileError: the path does not exist.
    """
    place = Path(name_or_path).expanduser()
    if name_or_path not in REGISTRY and place.is_dir():
        return place
    return pull(name_or_path)


def model_tokenizer(place: Path) -> Tokenizer:
    """The tokenizer of a model, from its GGUF file or its directory.

    Raises:
        ModelFileError: the model has no readable tokenizer.
    """
    if place.is_dir():
        return from_hub_files(place)
    header = read_gguf_header(place)
    lists = {
        key: read_array(header, key)
        for key in (f"tokenizer.ggml.{name}" for name in ("tokens", "merges", "token_type"))
        if key in header.metadata
    }
    return from_gguf_metadata(header.metadata | lists)
