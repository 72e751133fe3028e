"""The protocol of training data: random access to sequences by index.

A dataset has no cursor. The order of a run is a function of the global sample index (`shuffle`),
so the state of the data is one number, the next batch. Any host can read its rows of any batch,
and the number of hosts or devices does not change the data.
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
    """Sequences of one length, as numpy arrays [rows, T].

    Attributes:
        tokens: int32, the input of the model.
        targets: int32, the token after each.
        loss_mask: float32, how much each target counts in the loss: 0 for padding, for prompts,
            and where the target belongs to another document.
        segments: int32, the document of the sequence that each token belongs to.
    """

    tokens: Numbers
    targets: Numbers
    loss_mask: Numbers
    segments: Numbers


@runtime_checkable
class SequenceDataset(Protocol):
    """Sequences of equal length, numbered from 0. `read` is safe to call from any thread."""

    @property
    def count(self) -> int:
        """Number of sequences; one epoch reads each once."""
        ...

    @property
    def length(self) -> int:
        """Targets in each sequence."""
        ...

    @property
    def vocab_size(self) -> int:
        """All token ids are below this."""
        ...

    @property
    def fingerprint(self) -> str:
        """A hash of everything that determines `read`; a run resumes only with the same one."""
        ...

    @property
    def bytes_per_token(self) -> float | None:
        """Bytes of text for each token, for bits per byte; None if unknown."""
        ...

    def read(self, indexes: Sequence[int]) -> Sequences:
        """The sequences with these indexes, each from 0 to below `count`, in this order."""
        ...

    def origins(self, index: int) -> tuple[str, ...]:
        """The names of the documents in a sequence, as a person would look for them."""
        ...


@dataclass(frozen=True, slots=True)
class Split:
    """Training and validation data.

    Attributes:
        train: the training sequences.
        validation: sequences never trained on, by language or other group.
        tokenizer: a `text.tokenizers.Tokenizer`, to continue prompts; None if unknown.
    """

    train: SequenceDataset
    validation: dict[str, SequenceDataset]
    tokenizer: Any = None
