"""The parts of the included problem sets: one to choose on, one to report on.

Choices such as the prompt style or the number of candidates are made on ``dev``; ``test`` is run
once for each figure that is published. The part of a problem depends on its id alone, so it never
changes when other problems are added.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from multiturn.benchmarks.problem_set import INCLUDED_SETS, OWN

__all__ = ["PARTED", "Split", "SplitName", "has_parts", "part_of"]

Split = Literal["dev", "test"]
SplitName = Literal["dev", "test", "all"]

PARTED = tuple(INCLUDED_SETS)
"""The benchmarks with parts; the published ones are never used to choose."""


def has_parts(task: str) -> bool:
    """Whether a task has parts, by its name: an included set, or the general one in a language.

    Example:
        >>> has_parts("own"), has_parts("own-java"), has_parts("mtpb")
        (True, True, False)
    """
    return task in PARTED or task.startswith(f"{OWN.name}-")


_SALT = "198768"
# Of 200,000 numbers the one that parts the 124 problems best: in every category, every
# difficulty and every combination of both, dev and test differ by 2 problems at most. It was
# chosen before any result on a part was seen. A later set takes the parts that its names give.


def part_of(problem: str) -> Split:
    """The part of a problem.

    Args:
        problem: its id.

    Example:
        >>> part_of("museum_map"), part_of("garden_fence")
        ('dev', 'test')
    """
    digest = hashlib.sha256(f"{_SALT}/{problem}".encode()).digest()
    return "dev" if digest[0] & 1 else "test"
