"""Tokenization of many texts.

`gigatoken` caches the tokens of each word and processes 32 MB a second on one core, where the
`tokenizers` library processes 1.1 (docs/decisions/0026-tokenizing.md). Both must give the same
tokens: every 200th document is tokenized by both, and a difference stops the build. Where
`gigatoken` is not installed, or does not support the kind of tokenizer, `tokenizers` does all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from multiturn.core.errors import InputError, MultiturnError
from multiturn.text.tokenizer_config import read_hub_settings
from multiturn.text.tokenizers import Tokenizer, library
from multiturn.text.tokenizers_files import from_hub_files, read_tokenizer_json

__all__ = ["Encoder"]

Numbers = np.ndarray[Any, Any]

_CHECK_EVERY = 200
_CHECK_BYTES = 1 << 16
"""A longer document is not checked, because that would take seconds."""
_CACHED_BYTES = 256 << 20
"""Bytes of text after which the cache of words is emptied, since it grows with every new word."""


class Encoder:
    """The tokenizer of a directory, for many texts. One process, one thread.

    Names of special tokens in a text are plain text, as everywhere in Multiturn.

    Args:
        directory: with ``tokenizer.json``.
        check: compare `gigatoken` with `tokenizers`.

    Raises:
        ModelFileError: the tokenizer cannot be read.
        InputError: the tokenizer has no end of text, or changes the text.
    """

    def __init__(self, directory: Path, *, check: bool = True) -> None:
        self.tokenizer: Tokenizer = from_hub_files(directory)
        if not self.tokenizer.end_of_text:
            raise InputError(
                "the tokenizer has no end of text, which must follow each document",
                got=str(directory),
                fix="give its directory a config.json with eos_token_id, or use another",
            )
        if self.tokenizer.changes:
            raise InputError(
                "the tokenizer changes the text, so that packed text cannot be restored",
                got="; ".join(self.tokenizer.changes),
                allowed="a tokenizer that changes nothing",
                fix="remove that from a copy of its tokenizer.json (a normalizer: "
                '"normalizer": null), or let the corpus train its own with NewTokenizer()',
            )
        end = self.tokenizer.document_end
        self.end_of_text: int = self.tokenizer.end_of_text[0] if end is None else end
        self._check = check
        self._seen = self._cached = 0
        plain = read_tokenizer_json(directory / "tokenizer.json", read_hub_settings(directory))
        self._backend = library().Tokenizer.from_str(json.dumps(plain))
        self._backend.encode_special_tokens = True
        # gigatoken would cut special tokens out of the text; here no token is special.
        plain["added_tokens"] = [
            token for token in plain.get("added_tokens", ()) if not token["special"]
        ]
        plain["post_processor"] = None
        self._plain = json.dumps(plain)
        self._fast = self._open_fast()

    @property
    def fast(self) -> bool:
        """Whether `gigatoken` is in use."""
        return self._fast is not None

    def encode(self, texts: Sequence[bytes]) -> Iterator[Numbers]:
        """The ids of each text, uint32 [n], without added tokens.

        Raises:
            MultiturnError: `gigatoken` and `tokenizers` differ.
        """
        if self._fast is None:
            for found in self._backend.encode_batch_fast(
                [text.decode("utf-8") for text in texts], add_special_tokens=False
            ):
                yield np.array(found.ids, np.uint32)
            return
        layout = self._fast.encode_batch(list(texts), parallel=False).layout
        offsets, ids = layout.offsets.data, layout.content.data
        self._cached += sum(map(len, texts))
        if self._cached >= _CACHED_BYTES:
            self._fast, self._cached = self._open_fast(), 0
        for number, text in enumerate(texts):
            found = ids[offsets[number] : offsets[number + 1]]
            if self._check and self._seen % _CHECK_EVERY == 0 and len(text) <= _CHECK_BYTES:
                self._compare(text, found)
            self._seen += 1
            yield found

    def _compare(self, text: bytes, found: Numbers) -> None:
        expected = self._backend.encode(text.decode("utf-8"), add_special_tokens=False).ids
        if found.tolist() != expected:
            raise MultiturnError(
                "gigatoken and tokenizers give different tokens for a text",
                got=text[:60],
                fix="uninstall gigatoken and build again, and report the text to its authors",
            )

    def _open_fast(self) -> Any:
        try:
            import gigatoken  # optional: it is only faster
        except ModuleNotFoundError:
            return None
        try:
            return gigatoken.Tokenizer.from_json(self._plain)
        except (RuntimeError, ValueError):
            return None  # an unsupported kind of tokenizer
