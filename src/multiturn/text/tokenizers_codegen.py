"""CodeGen's whitespace tokens, on GPT-2's vocabulary or on a newly trained one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from multiturn.core.errors import InputError, ModelFileError
from multiturn.text.tokenizers import END_OF_TEXT, Tokenizer, library
from multiturn.text.tokenizers_files import add_in_order, from_gpt2_files

if TYPE_CHECKING:
    import tokenizers

__all__ = ["codegen_tokenizer", "train_tokenizer", "whitespace_runs"]

_MIN_SIZE = 256 + 1 + 38
"""The bytes, the end-of-text token, and the whitespace tokens."""


def codegen_tokenizer(vocabulary: Path, merges: Path) -> Tokenizer:
    """CodeGen's tokenizer from GPT-2's ``vocab.json`` and ``merges.txt``.

    The tokens for 31 to 2 spaces and for 9 to 2 tabs follow the vocabulary, longest first, with
    ids 50257 to 50294.

    Raises:
        ModelFileError: the files are missing or broken.
    """
    backend = from_gpt2_files(vocabulary, merges)
    return _with_whitespace(backend)


def train_tokenizer(texts: Iterable[str], size: int) -> Tokenizer:
    """Train a byte-level BPE tokenizer with CodeGen's whitespace tokens.

    Args:
        texts: the training texts.
        size: number of tokens in total: 256 bytes, the merges, the end-of-text token, and 38
            whitespace tokens.

    Raises:
        InputError: the size is too small, or too large for the texts.
    """
    if size < _MIN_SIZE:
        raise InputError("the size is out of range", got=size, allowed=f"{_MIN_SIZE} or more")
    lib = library()
    backend = lib.Tokenizer(lib.models.BPE())
    backend.pre_tokenizer = lib.pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = lib.decoders.ByteLevel()
    base = size - 39
    trainer = lib.trainers.BpeTrainer(
        vocab_size=base,
        initial_alphabet=sorted(lib.pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    if backend.get_vocab_size() != base:
        raise InputError(
            "the texts have too few distinct pairs for a tokenizer of this size",
            got=size,
            allowed=f"{_MIN_SIZE} to {backend.get_vocab_size() + 39}",
            fix="use more text, or a smaller size",
        )
    backend.add_special_tokens([lib.AddedToken(END_OF_TEXT, special=True)])
    return _with_whitespace(backend)


def whitespace_runs() -> list[str]:
    """CodeGen's whitespace tokens: 31 to 2 spaces, then 9 to 2 tabs."""
    spaces = [" " * length for length in range(31, 1, -1)]
    return spaces + ["\t" * length for length in range(9, 1, -1)]


def _with_whitespace(backend: tokenizers.Tokenizer) -> Tokenizer:
    end = backend.token_to_id(END_OF_TEXT)
    if end is None:
        raise ModelFileError(f"the vocabulary has no {END_OF_TEXT}")
    first = backend.get_vocab_size()
    runs = whitespace_runs()
    add_in_order(backend, runs, {run: first + index for index, run in enumerate(runs)})
    return Tokenizer(backend, end_of_text=(end,))
