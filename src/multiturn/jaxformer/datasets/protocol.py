"""What the loop asks of training data: any sequence, by its number.

Data have no cursor of their own. The order of a run is a function of the global sample
index (`order`), so that the whole state of the data is one number, the next batch; any host
reads its rows of any batch, and another number of hosts or devices changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

__all__ = ["SequenceDataset", "Sequences", "Split"]

Numbers = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Sequences:
    """Some sequences of one length, as numpy arrays [rows, T].

    Attributes:
        tokens: int32, what the model reads.
        targets: int32, the token after each.
        weights: float32, how much each target counts in the loss: 0 for padding, for what
            the model is given and need not write, and where the target is of another document.
        segments: int32, the document of the sequence that each token belongs to.
    """

    tokens: Numbers
    targets: Numbers
    weights: Numbers
    segments: Numbers


@runtime_checkable
class SequenceDataset(Protocol):
    """Sequences of equal length, numbered from 0. Reading may be called from any thread."""

    @property
    def count(self) -> int:
        """How many different sequences there are; one pass reads each once."""
        ...

    @property
    def length(self) -> int:
        """Targets in each sequence."""
        ...

    @property
    def vocab_size(self) -> int:
        """All token ids are below."""
        ...

    @property
    def fingerprint(self) -> str:
        """A hash of all that decides what `read` gives; a run resumes on the same alone."""
        ...

    @property
    def bytes_per_token(self) -> float | None:
        """Of the text the tokens stand for, for bits a byte; None where nobody knows."""
        ...

    def read(self, indexes: Sequence[int]) -> Sequences:
        """The sequences with these numbers, each from 0 to below `count`, in this order."""
        ...

    def origins(self, index: int) -> tuple[str, ...]:
        """The documents that a sequence was cut from, as a person would look for them."""
        ...


@dataclass(frozen=True, slots=True)
class Split:
    """What a run trains on, and what it is held against.

    Attributes:
        train: the training sequences.
        held_out: sequences never trained on, by language or other group.
        tokenizer: a `text.tokenizers.Tokenizer`, for samples and decoding; None where the
            data do not say.
    """

    train: SequenceDataset
    held_out: dict[str, SequenceDataset]
    tokenizer: Any = None
