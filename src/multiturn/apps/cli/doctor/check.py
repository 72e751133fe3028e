"""The record of one thing that was looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from multiturn.core.errors import MultiturnError

__all__ = ["Check", "Examination", "State", "examine"]

State = Literal["works", "note", "fails"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing, how it is, and how to mend it.

    Attributes:
        name: what was looked at, in a word or two.
        state: ``works``; ``note``: the main job works, but something is worth knowing;
            ``fails``: programs cannot be written here until it is mended.
        found: what is the case.
        details: more lines.
        fix: what to do, where something can be done.
    """

    name: str
    state: State
    found: str
    details: tuple[str, ...] = ()
    fix: str | None = None


Examination = Callable[[], Check]


def examine(name: str, examination: Examination) -> Check:
    """Make a check; an error that it raises is what it found."""
    try:
        return examination()
    except MultiturnError as error:
        return Check(name=name, state="fails", found=error.what, fix=error.fix)
    except Exception as error:  # one broken check must not hide the others
        return Check(
            name=name,
            state="fails",
            found=f"could not be looked at, {type(error).__name__}: {error}",
            fix="report it",
        )
