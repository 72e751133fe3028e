"""Byte-level BPE tokenizers: text to the ids a model reads, and back.

They come from the hub's files, from the metadata of a GGUF file, from a GPT-2 vocabulary
(CodeGen's own), or are trained. All of them are byte-level, so any text survives the way
there and back, but see `Tokenizer.changes` and `Tokenizer.missing_bytes`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multiturn.core.errors import InputError, MissingDependencyError
from multiturn.core.files import write_atomically

if TYPE_CHECKING:
    import tokenizers

__all__ = ["END_OF_TEXT", "Tokenizer", "byte_letters", "library"]

END_OF_TEXT = "<|endoftext|>"


class Tokenizer:
    """A byte-level BPE tokenizer.

    Args:
        backend: of the `tokenizers` library.
        end_of_text: ids after which a model has nothing more to say, the main one first.
        before: ids that a model wants in front of every prompt; `encode` does not add them.
        after: ids that it wants behind one.
        document_end: the id after each document of training data; the first of `end_of_text`
            where it is None.
        bos_text: text of the token that begins a text, where one is named, added or not.
        changes: how a text that was cut and put together again differs from what it was, by
            name; see `text_changes`.
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
        # Special tokens in plain text are text: a second instance has the switch the other
        # way, since the switch belongs to the instance and calls may run side by side.
        self._parsing = backend
        self._plain = library().Tokenizer.from_str(backend.to_str())
        self._plain.encode_special_tokens = True
        self.end_of_text = tuple(end_of_text)
        self.before = tuple(before)
        self.after = tuple(after)
        self.document_end = next(iter(end_of_text), None) if document_end is None else document_end
        self.bos_text = bos_text
        self.changes = tuple(changes)

    @property
    def size(self) -> int:
        """One more than the greatest id."""
        return max(self._parsing.get_vocab(with_added_tokens=True).values()) + 1

    def encode(self, text: str, *, parse_special: bool = False) -> list[int]:
        """The ids of a text.

        Args:
            text: anything that UTF-8 can say.
            parse_special: read the names of special tokens in it as those tokens.

        Raises:
            InputError: a lone surrogate, which no UTF-8 text contains.
        """
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InputError(
                "the text holds half a character, which UTF-8 cannot say",
                got=text[error.start : error.end].encode("unicode_escape").decode(),
                fix="remove it",
            ) from error
        backend = self._parsing if parse_special else self._plain
        return list(backend.encode(text, add_special_tokens=False).ids)

    def encode_prompt(self, text: str, *, parse_special: bool = False) -> list[int]:
        """The ids of a prompt, with what the model wants around it.

        What a chat template has written in front itself is not put there twice.
        """
        ids = self.encode(text, parse_special=parse_special)
        if not text:
            return ids
        before = list(self.before)
        if ids[: len(before)] == before:
            before = []
        return [*before, *ids, *self.after]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids; bytes that are no UTF-8 become U+FFFD.

        Raises:
            InputError: an id that stands for nothing.
        """
        return b"".join(self.token_bytes(token) for token in ids).decode("utf-8", "replace")

    def token_bytes(self, token: int) -> bytes:
        """The bytes one id stands for; possibly a part of a character.

        Raises:
            InputError: an id that stands for nothing.
        """
        try:
            return self._bytes[token]
        except KeyError:
            raise InputError(
                "a token id that stands for nothing", got=token, allowed=f"0 to {self.size - 1}"
            ) from None

    def token_id(self, content: str) -> int | None:
        """The id of an added token by its text, such as ``<|im_end|>``."""
        return self._parsing.token_to_id(content)

    @cached_property
    def added(self) -> dict[int, tuple[str, bool]]:
        """Added tokens by id: their text, and whether they are special."""
        return {
            token: (entry.content, entry.special)
            for token, entry in self._parsing.get_added_tokens_decoder().items()
        }

    @cached_property
    def vocabulary(self) -> dict[int, str]:
        """All tokens by id as their files spell them, bytes as the byte-level letters."""
        return {
            token: text for text, token in self._parsing.get_vocab(with_added_tokens=True).items()
        }

    @cached_property
    def merges(self) -> list[str]:
        """The merges in order, as ``left right``."""
        model = json.loads(self._parsing.to_str())["model"]
        return [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]

    @cached_property
    def _bytes(self) -> dict[int, bytes]:
        letters = {letter: byte for byte, letter in byte_letters().items()}
        found = {}
        for token, text in self.vocabulary.items():
            if token in self.added:
                found[token] = self.added[token][0].encode("utf-8")
            else:
                found[token] = bytes(letters[letter] for letter in text)
        return found

    @cached_property
    def missing_bytes(self) -> frozenset[int]:
        """Bytes the vocabulary has no token for; `encode` loses them, as llama.cpp does.

        Empty for CodeGen's, Qwen's and every trained tokenizer. SmolLM2's lacks 21: six
        control characters, and lead bytes of invalid or very rare UTF-8.
        """
        single = set(self.vocabulary.values())
        return frozenset(byte for byte, letter in byte_letters().items() if letter not in single)

    def save(self, directory: Path) -> None:
        """Write ``tokenizer.json``, which is all that the usual libraries need."""
        write_atomically(directory / "tokenizer.json", self.to_json())

    def to_json(self) -> str:
        """The content of ``tokenizer.json``."""
        return str(self._parsing.to_str(pretty=True))


def byte_letters() -> dict[int, str]:
    """GPT-2's letters for bytes: printable ones stand for themselves, others from U+0100 on."""
    kept = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    moved = [byte for byte in range(256) if byte not in kept]
    letters = {byte: chr(byte) for byte in kept}
    return letters | {byte: chr(256 + index) for index, byte in enumerate(moved)}


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
