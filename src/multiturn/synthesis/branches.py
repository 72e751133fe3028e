"""Compares two branches of a session, by their programs and by what they print."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from multiturn.synthesis.records import Session, Turn
from multiturn.synthesis.values import changed_values

__all__ = ["BranchComparison", "DiffLine", "compare_branches", "diff_lines"]

MAX_LINES = 20_000
"""Of both texts together; a longer pair is compared as a block, since the time is quadratic."""

MAX_WORK = 4_000_000
"""The product of the numbers of lines, at most."""


@dataclass(frozen=True, slots=True)
class DiffLine:
    """A line of one text or of both."""

    kind: Literal["same", "left", "right"]
    """Which text has it."""
    text: str
    """Without its line end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchComparison:
    """What two branches have in common, and where they differ."""

    left: int | None
    """The last turn of one branch; None for the beginning."""
    right: int | None
    """That of the other."""
    common: tuple[int, ...]
    """The turns of both."""
    left_turns: tuple[int, ...]
    """The further turns of one."""
    right_turns: tuple[int, ...]
    """The further turns of the other."""
    program: tuple[DiffLine, ...]
    """Of both programs."""
    output: tuple[DiffLine, ...]
    """Of what both print."""
    values: tuple[tuple[str, str | None, str | None], ...]
    """The variables that differ, with their values in each; None where there is none."""

    @property
    def same_program(self) -> bool:
        """Whether both programs are equal."""
        return all(line.kind == "same" for line in self.program)

    @property
    def same_output(self) -> bool:
        """Whether both print the same."""
        return all(line.kind == "same" for line in self.output)


def compare_branches(session: Session, left: int | None, right: int | None) -> BranchComparison:
    """Compare the programs up to two turns.

    Raises:
        UnknownNameError: there is no such turn.
    """
    paths = _path(session, left), _path(session, right)
    common = 0
    for one, other in zip(*paths, strict=False):
        if one.id != other.id:
            break
        common += 1
    values = [dict(_values(path)) for path in paths]
    names = [name for name, _ in changed_values(_values(paths[0]), _values(paths[1]))]
    names += [name for name in values[0] if name not in values[1]]
    return BranchComparison(
        left=left,
        right=right,
        common=tuple(turn.id for turn in paths[0][:common]),
        left_turns=tuple(turn.id for turn in paths[0][common:]),
        right_turns=tuple(turn.id for turn in paths[1][common:]),
        program=diff_lines(*(session.at(each).program() for each in (left, right))),
        output=diff_lines(*(_printed(path) for path in paths)),
        values=tuple((name, values[0].get(name), values[1].get(name)) for name in names),
    )


def diff_lines(left: str, right: str) -> tuple[DiffLine, ...]:
    r"""The lines of two texts, in an order that both keep.

    Example:
        >>> [(line.kind, line.text) for line in diff_lines("a\nb\n", "a\nc\n")]
        [('same', 'a'), ('left', 'b'), ('right', 'c')]
    """
    one, other = left.split("\n"), right.split("\n")
    start, end = 0, 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    while end < min(len(one), len(other)) - start and one[-1 - end] == other[-1 - end]:
        end += 1
    first, second = one[start : len(one) - end], other[start : len(other) - end]
    found = [
        *(DiffLine("same", line) for line in one[:start]),
        *_middle(first, second),
        *(DiffLine("same", line) for line in one[len(one) - end :]),
    ]
    if found and found[-1] == DiffLine("same", ""):
        found.pop()  # both end with a line end
    return tuple(found)


def _middle(one: Sequence[str], other: Sequence[str]) -> list[DiffLine]:
    if len(one) + len(other) > MAX_LINES or len(one) * len(other) > MAX_WORK:
        return [
            *(DiffLine("left", line) for line in one),
            *(DiffLine("right", line) for line in other),
        ]
    found: list[DiffLine] = []
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    for kind, start, end, other_start, other_end in matcher.get_opcodes():
        if kind == "equal":
            found += [DiffLine("same", line) for line in one[start:end]]
            continue
        found += [DiffLine("left", line) for line in one[start:end]]
        found += [DiffLine("right", line) for line in other[other_start:other_end]]
    return found


def _path(session: Session, turn_id: int | None) -> tuple[Turn, ...]:
    return () if turn_id is None else session.path(turn_id)


def _printed(path: Sequence[Turn]) -> str:
    run = path[-1].choice.run if path else None
    return "" if run is None else run.stdout


def _values(path: Sequence[Turn]) -> tuple[tuple[str, str], ...]:
    run = path[-1].choice.run if path else None
    return (run.values or ()) if run is not None else ()
