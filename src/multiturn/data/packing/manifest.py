"""The manifest of a packed corpus, which describes its shards."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from multiturn.core.errors import StoreError
from multiturn.core.records import read_record
from multiturn.data.packing.shards import Shard

__all__ = ["MANIFEST", "SCHEMA", "Manifest", "read_manifest"]

MANIFEST = "manifest.json"
SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The description of the shards for their readers.

    Attributes:
        length: tokens in a row.
        vocab_size: all ids are smaller.
        end_of_text: the id after each document.
        dtype: of the tokens: ``<u2`` or ``<u4``.
        seed: of the recipe.
        fingerprint: of the recipe and of the documents.
        settings: of the stage, as plain data.
        shards: in order; the global numbers of rows count through all shards.
        schema: of this record.
    """

    length: int
    vocab_size: int
    end_of_text: int
    dtype: str
    seed: int
    fingerprint: str
    settings: object
    shards: tuple[Shard, ...]
    schema: int = SCHEMA


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a packed corpus.

    Args:
        folder: of the shards, or of the build they belong to.

    Raises:
        StoreError: there is no manifest, or it is broken or of another version.
    """
    path = folder / MANIFEST
    if not path.is_file():
        path = folder / "packed" / MANIFEST
    try:
        plain = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise StoreError(
            "no packed corpus in this folder",
            got=str(folder),
            fix="`multiturn data build RECIPE` makes one, of a recipe that has the stage Pack",
        ) from None
    except (OSError, ValueError) as error:
        raise StoreError(
            "the manifest of the corpus cannot be read", got=str(path), fix="build it again"
        ) from error
    if isinstance(plain, dict) and plain.get("schema") != SCHEMA:
        raise StoreError(
            "the shards are of another version",
            got=plain.get("schema"),
            allowed=str(SCHEMA),
            fix="build them again",
        )
    return read_record(plain, Manifest, where=path.name)
