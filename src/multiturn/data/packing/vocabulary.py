"""The tokenizer of a packed corpus: an existing one, or one trained on the corpus."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multiturn.core.errors import InputError, storage_errors
from multiturn.core.files import write_atomically
from multiturn.data.build.resumable import ResumableTask
from multiturn.data.documents.files import count_documents, read_columns
from multiturn.data.hashing import seeded_hash
from multiturn.text.tokenizers import library
from multiturn.text.tokenizers_codegen import train_tokenizer

__all__ = ["TOKENIZER_FILES", "NewTokenizer", "TokenizerTask", "hash_of_tokenizer"]

TOKENIZER_FILES = ("tokenizer.json", "config.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTokenizer:
    """A byte-level BPE with CodeGen's rule for whitespace, trained on the corpus.

    Attributes:
        size: tokens in all, without `special`.
        documents: number of documents for training, drawn from the corpus; all documents where
            there are fewer.
        special: special tokens after the others, such as those of `FillInTheMiddle`.
    """

    size: int = 32_768
    documents: int = 5_000
    special: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.documents < 1:
            raise InputError("NewTokenizer.documents is too small", got=self.documents)


def hash_of_tokenizer(directory: Path) -> str:
    """SHA-256 of the files of a tokenizer.

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


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerTask(ResumableTask[bool]):
    """Stores a tokenizer with the corpus: copies it, or trains it on documents of the corpus.

    Attributes:
        settings: the directory to copy from, or how to train.
        files: of documents.
        seed: of the choice of documents.
        folder: of the packed corpus; the tokenizer goes to ``tokenizer`` below it.
    """

    settings: Path | NewTokenizer
    files: tuple[Path, ...]
    seed: int
    folder: Path

    @property
    def outputs(self) -> tuple[Path, ...]:
        """See `ResumableTask`."""
        return (self._tokenizer / "tokenizer.json",)

    @property
    def marker(self) -> Path:
        """See `ResumableTask`."""
        return self.folder / "work" / "tokenizer.json"

    @property
    def _tokenizer(self) -> Path:
        return self.folder / "tokenizer"

    def run(self) -> bool:
        """Write the tokenizer.

        Raises:
            InputError: the documents have too little text for the size.
        """
        with storage_errors(self._tokenizer, "storing the tokenizer"):
            self._tokenizer.mkdir(parents=True, exist_ok=True)
        if isinstance(self.settings, Path):
            for name in TOKENIZER_FILES:
                source = self.settings.expanduser() / name
                if source.is_file():
                    write_atomically(self._tokenizer / name, source.read_bytes())
        else:
            self._train(self.settings)
        return True

    def to_plain(self, result: bool) -> dict[str, object]:
        """See `ResumableTask`."""
        del result
        return {}

    def from_plain(self, plain: Mapping[str, Any]) -> bool:
        """See `ResumableTask`."""
        del plain
        return True

    def _train(self, settings: NewTokenizer) -> None:
        texts = _drawn(self.files, settings.documents, self.seed)
        tokenizer = train_tokenizer(texts, settings.size)
        with storage_errors(self._tokenizer, "storing the tokenizer"):
            tokenizer.save(self._tokenizer)
        if settings.special:
            path = self._tokenizer / "tokenizer.json"
            lib = library()
            backend = lib.Tokenizer.from_file(str(path))
            backend.add_special_tokens(
                [lib.AddedToken(text, special=True) for text in settings.special]
            )
            write_atomically(path, json.dumps(json.loads(backend.to_str()), ensure_ascii=False))


def _drawn(files: tuple[Path, ...], number_wanted: int, seed: int) -> Iterator[str]:
    """The texts of the same share of each file's documents."""
    total = sum(count_documents(path) for path in files)
    number = 0
    for path in files:
        for (content,) in read_columns(path, ["content"]):
            if seeded_hash(seed, number) * total < number_wanted << 64:
                yield content.decode("utf-8")
            number += 1
