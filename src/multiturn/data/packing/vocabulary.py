"""The tokenizer of a packed corpus: one that is there, or one trained on the corpus itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from multiturn.core.errors import InputError, storage_errors
from multiturn.core.files import write_atomically
from multiturn.data.documents.files import count_documents, read_columns
from multiturn.data.hashing import seeded_hash
from multiturn.text.tokenizers import library
from multiturn.text.tokenizers_codegen import train_tokenizer

__all__ = ["TOKENIZER_FILES", "NewTokenizer", "copy_tokenizer", "hash_of_tokenizer", "train_on"]

TOKENIZER_FILES = ("tokenizer.json", "config.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTokenizer:
    """A byte-level BPE with CodeGen's rule for whitespace, trained on the corpus.

    Attributes:
        size: tokens in all, without `special`.
        documents: how many documents it is trained on, drawn from the whole corpus; all of
            them where there are fewer.
        special: special tokens after the others, such as those of `FillInTheMiddle`.
    """

    size: int = 32_768
    documents: int = 5_000
    special: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.documents < 1:
            raise InputError("NewTokenizer.documents is too small", got=self.documents)


def hash_of_tokenizer(directory: Path) -> str:
    """SHA-256 of the files that decide how text is cut.

    Raises:
        InputError: there is no ``tokenizer.json``.
    """
    path = directory.expanduser()
    if not (path / "tokenizer.json").is_file():
        raise InputError(
            "no tokenizer in this directory",
            got=str(directory),
            allowed="a directory with tokenizer.json",
            fix="name one, or let the corpus train its own with NewTokenizer()",
        )
    hasher = hashlib.sha256()
    for name in TOKENIZER_FILES:
        content = (path / name).read_bytes() if (path / name).is_file() else b""
        hasher.update(hashlib.sha256(content).digest())
    return hasher.hexdigest()


def copy_tokenizer(directory: Path, to: Path) -> None:
    """Keep the files of a tokenizer with the corpus."""
    for name in TOKENIZER_FILES:
        source = directory.expanduser() / name
        if source.is_file():
            write_atomically(to / name, source.read_bytes())


def train_on(files: Iterable[Path], settings: NewTokenizer, seed: int, to: Path) -> None:
    """Train a tokenizer on documents drawn from files; writes ``tokenizer.json``.

    Raises:
        InputError: the documents have too little in them for the size.
    """
    files = list(files)
    tokenizer = train_tokenizer(_drawn(files, settings.documents, seed), settings.size)
    with storage_errors(to, "keeping the tokenizer"):
        tokenizer.save(to)
    if settings.special:
        path = to / "tokenizer.json"
        lib = library()
        backend = lib.Tokenizer.from_file(str(path))
        backend.add_special_tokens(
            [lib.AddedToken(text, special=True) for text in settings.special]
        )
        write_atomically(path, json.dumps(json.loads(backend.to_str()), ensure_ascii=False))


def _drawn(files: list[Path], wanted: int, seed: int) -> Iterator[str]:
    """The same share of each file's documents."""
    total = sum(count_documents(path) for path in files)
    number = 0
    for path in files:
        for (content,) in read_columns(path, ["content"]):
            if seeded_hash(seed, number) * total < wanted << 64:
                yield content.decode("utf-8")
            number += 1
