"""Seeds that depend on what is asked, and on nothing else."""

from __future__ import annotations

import hashlib
import json

__all__ = ["generation_seed"]


def generation_seed(run_seed: int, item: str, sample: int, ask: int) -> int:
    """The seed with which one piece of text is sampled.

    The first 31 bits of the SHA-256 of the JSON list ``[run_seed, item, sample, ask]``. So a
    sample is the same whatever ran before it, on any machine, and in any order; and no two
    pieces of text of a run share their chance. Neither the arm nor the temperature takes
    part: the same item begins with the same luck under each of them.

    Args:
        run_seed: of the whole run.
        item: the id of the item, which names problem and case.
        sample: which of the item's samples, from 0.
        ask: how many texts the dialogue has asked for before.

    Example:
        >>> generation_seed(0, "own/sum/0", 0, 0), generation_seed(0, "own/sum/0", 0, 1)
        (1114120693, 1368148338)
    """
    text = json.dumps([run_seed, item, sample, ask])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
