"""The published benchmark's sample format, read: one problem a line."""

from __future__ import annotations

from multiturn.synthesis.specification import Specification

__all__ = ["read_samples"]


def read_samples(text: str, *, where: str) -> tuple[Specification, ...]:
    """The problems of JSONL text as specifications, their inputs and outputs as cases.

    Raises:
        InputError: a line is no JSON, or not in the format; names the line.
    """
    raise NotImplementedError
