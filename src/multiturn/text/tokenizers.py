"""Byte-level BPE tokenizers: convert text to token ids and back.

They come from the hub's files, from the metadata of a GGUF file, from a GPT-2 vocabulary (such as
CodeGen's), or from training. Byte-level tokenizers decode any text exactly; see
`Tokenizer.changes` and `Tokenizer.missing_bytes` for the exceptions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from multiturn.core.errors import InputError, MissingDependencyError
from multiturn.core.files import write_atomically

if TYPE_CHECKING:
    import tokenizers

__all__ = ["END_OF_TEXT", "Tokenizer", "byte_letters", "library"]

END_OF_TEXT = "<|endoftext|>"

_LONG_TEXT = 8192
"""Characters; tokenizing so many takes about 8 ms."""


class Tokenizer:
    """A byte-level BPE tokenizer.

    Args:
        backend: a tokenizer of the `tokenizers` library.
        end_of_text: ids that end a text, the main one first.
        before: ids that `encode_prompt` adds before a prompt; `encode` does not add them.
        after: ids that `encode_prompt` adds after a prompt.
        document_end: the id after each document of training data; by default the first of
            `end_of_text`.
        bos_text: text of the token that begins a text, if the files name one.
        changes: how encoding and decoding changes a text, by name; see `text_changes`.
    """

    def __init__(
        self,
        backend: tokenizers.Tokenizer,
        *,
        end_of_text: Sequence[int] = (),
        before: Sequence[int] = (),
        after: Sequence[int] = (),
        document_end: int | None = None,
        bos_text: str | None = None,
        changes: Sequence[str] = (),
    ) -> None:
        self._backend = backend
        # Special tokens in plain text are ordinary text. The switch belongs to the backend, calls
        # may be concurrent, and a second backend would take a second to make.
        self._switching = Lock()
        self._bytes: dict[int, bytes] = {}
        self.end_of_text = tuple(end_of_text)
        self.before = tuple(before)
        self.after = tuple(after)
        self.document_end = next(iter(end_of_text), None) if document_end is None else document_end
        self.bos_text = bos_text
        self.changes = tuple(changes)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_switching": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _switching=Lock())

    @cached_property
    def size(self) -> int:
        """One more than the greatest id."""
        return max(self._backend.get_vocab(with_added_tokens=True).values()) + 1

    def encode(self, text: str, *, parse_special: bool = False) -> list[int]:
        """The ids of a text.

        Args:
            text: anything that UTF-8 can say.
            parse_special: encode the names of special tokens as those tokens.

        Raises:
            InputError: the text contains a lone surrogate, which UTF-8 cannot encode.
        """
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InputError(
                "the text contains a lone surrogate, which UTF-8 cannot encode",
                got=text[error.start : error.end].encode("unicode_escape").decode(),
                fix="remove it",
            ) from error
        with self._switching:
            self._backend.encode_special_tokens = not parse_special
            if len(text) < _LONG_TEXT:
                encoding = self._backend.encode(text, add_special_tokens=False)
            else:
                # A batch does not hold the GIL; a single text would stop all threads meanwhile.
                (encoding,) = self._backend.encode_batch_fast([text], add_special_tokens=False)
        return list(encoding.ids)

    def encode_prompt(self, text: str, *, parse_special: bool = False) -> list[int]:
        """The ids of a prompt, with the ids that the model expects around it.

        Does not repeat leading ids that a chat template has already written.
        """
        ids = self.encode(text, parse_special=parse_special)
        if not text:
            return ids
        before = list(self.before)
        if ids[: len(before)] == before:
            before = []
        return [*before, *ids, *self.after]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids. Invalid UTF-8 becomes U+FFFD.

        Raises:
            InputError: an id is not in the vocabulary.
        """
        return b"".join(self.token_bytes(token) for token in ids).decode("utf-8", "replace")

    def token_bytes(self, token: int) -> bytes:
        """The bytes of one id, possibly a part of a character.

        Raises:
            InputError: the id is not in the vocabulary.
        """
        found = self._bytes.get(token)
        if found is None:
            found = self._bytes[token] = self._bytes_of(token)
        return found

    def token_id(self, content: str) -> int | None:
        """The id of a token by its text, such as ``<|im_end|>``; None if there is none."""
        return self._backend.token_to_id(content)

    @cached_property
    def added(self) -> dict[int, tuple[str, bool]]:
        """Added tokens by id: their text, and whether they are special."""
        return {
            token: (entry.content, entry.special)
            for token, entry in self._backend.get_added_tokens_decoder().items()
        }

    @cached_property
    def vocabulary(self) -> dict[int, str]:
        """All tokens by id as in the files, with bytes as byte-level letters."""
        return {
            token: text for text, token in self._backend.get_vocab(with_added_tokens=True).items()
        }

    @cached_property
    def merges(self) -> list[str]:
        """The merges in order, as ``left right``."""
        model = json.loads(self._backend.to_str())["model"]
        return [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]

    def _bytes_of(self, token: int) -> bytes:
        if token in self.added:
            return self.added[token][0].encode("utf-8")
        text = self._backend.id_to_token(token) if 0 <= token < 2**32 else None
        if text is None:
            raise InputError(
                "the token id is not in the vocabulary", got=token, allowed=f"0 to {self.size - 1}"
            )
        return bytes(_BYTE_OF[letter] for letter in text)

    @cached_property
    def missing_bytes(self) -> frozenset[int]:
        """Bytes without a token in the vocabulary; `encode` drops them, as llama.cpp does.

        Empty for CodeGen, Qwen and every trained tokenizer. SmolLM2 lacks 21: six control
        characters, and lead bytes of invalid or very rare UTF-8.
        """
        single = set(self.vocabulary.values())
        return frozenset(byte for byte, letter in byte_letters().items() if letter not in single)

    def save(self, directory: Path) -> None:
        """Write ``tokenizer.json``, which is all that other libraries need.

        Raises:
            StorageError: the file cannot be written.
        """
        write_atomically(directory / "tokenizer.json", self.to_json())

    def to_json(self) -> str:
        """The content of ``tokenizer.json``."""
        return str(self._backend.to_str(pretty=True))


def byte_letters() -> dict[int, str]:
    """GPT-2's letters for bytes: printable bytes are themselves, others start at U+0100."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    moved = [byte for byte in range(256) if byte not in printable]
    letters = {byte: chr(byte) for byte in printable}
    return letters | {byte: chr(256 + index) for index, byte in enumerate(moved)}


_BYTE_OF = {letter: byte for byte, letter in byte_letters().items()}


def library() -> Any:
    """The `tokenizers` library.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import tokenizers
        import tokenizers.decoders
        import tokenizers.models
        import tokenizers.pre_tokenizers
        import tokenizers.trainers
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "tokenizers", extra="jax", purpose="tokenizing text"
        ) from error
    return tokenizers
