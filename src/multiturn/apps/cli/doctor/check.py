"""The result of one check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from multiturn.core.errors import MultiturnError

__all__ = ["Check", "Examination", "State", "examine"]

State = Literal["works", "note", "fails"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was checked, its state, and how to fix it.

    Attributes:
        name: the subject, in a word or two.
        state: ``works``; ``note``: works, but with a limitation; ``fails``: Multiturn cannot
            write programs here until it is fixed.
        found: the finding.
        details: more lines.
        fix: what to do about it, if anything.
    """

    name: str
    state: State
    found: str
    details: tuple[str, ...] = ()
    fix: str | None = None


Examination = Callable[[], Check]


def examine(name: str, examination: Examination) -> Check:
    """Run a check; an error that it raises becomes a failed check."""
    try:
        return examination()
    except MultiturnError as error:
        return Check(name=name, state="fails", found=error.what, fix=error.fix)
    except Exception as error:  # one broken check must not hide the others
        return Check(
            name=name,
            state="fails",
            found=f"the check itself failed, {type(error).__name__}: {error}",
            fix="report this bug",
        )
