"""A directory of text files as training data, tokenized and packed in memory.

It is for corpora that fit in memory, such as a project or the standard library. Larger corpora
are built with the `data` package and read from shards.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np

from multiturn.core.errors import InputError, UnknownNameError
from multiturn.jaxformer.datasets.packed import TokenizedDocument
from multiturn.text.languages import language_of_file
from multiturn.text.tokenizers import Tokenizer

__all__ = [
    "TextFile",
    "in_validation_split",
    "find_text_files",
    "validation_group",
    "tokenize_files",
]


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file's path relative to the directory, and its text."""

    name: str
    text: str


def find_text_files(
    directory: Path, pattern: str, *, exclude: Sequence[str] = (), max_bytes: int = 2**20
) -> list[TextFile]:
    """The matching files, sorted by name, without duplicates.

    Files are left out if their relative path matches a pattern of `exclude`, or if they are not
    UTF-8, empty, or larger than `max_bytes`.

    Raises:
        InputError: the directory does not exist, or no file matches.
    """
    if not directory.is_dir():
        raise InputError("no such directory of text files", got=str(directory))
    found, seen = [], set()
    for path in sorted(directory.glob(pattern)):
        name = path.relative_to(directory).as_posix()
        if any(fnmatch(name, left_out) for left_out in exclude):
            continue
        if not path.is_file() or not 0 < path.stat().st_size <= max_bytes:
            continue
        content = path.read_bytes()
        digest = hashlib.sha256(content).digest()
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            continue
        if digest not in seen:
            seen.add(digest)
            found.append(TextFile(name, text))
    if not found:
        raise InputError(
            "no text file matches",
            got=f"{directory}/{pattern}",
            allowed=f"UTF-8 files of 1 to {max_bytes} bytes",
            fix="look at data.path and data.pattern",
        )
    return found


def in_validation_split(name: str, share: float) -> bool:
    """Whether the file belongs to the validation split, by a hash of its name.

    Example:
        >>> sum(in_validation_split(f"file{number}.py", 0.25) for number in range(1000))
        258
    """
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def validation_group(name: str) -> str:
    """The language of a file, from its extension, or ``text``."""
    try:
        return language_of_file(name).key
    except UnknownNameError:
        return "text"


def tokenize_files(files: Iterable[TextFile], tokenizer: Tokenizer) -> Iterator[TokenizedDocument]:
    """The tokens of each file with the end of text, two files at a time."""
    end = list(tokenizer.end_of_text[:1])

    def one(file: TextFile) -> TokenizedDocument:
        ids = tokenizer.encode(file.text) + end
        return TokenizedDocument(
            file.name, np.asarray(ids, np.int32), len(file.text.encode("utf-8"))
        )

    with ThreadPoolExecutor(max_workers=2) as pool:
        yield from pool.map(one, files)
