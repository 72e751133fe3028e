"""Seeds that depend on the request and on nothing else."""

from __future__ import annotations

import hashlib
import json

__all__ = ["generation_seed"]


def generation_seed(run_seed: int, item: str, sample: int, index: int) -> int:
    """The seed of one generation.

    The first 31 bits of the SHA-256 of the JSON list ``[run_seed, item, sample, index]``. A
    sample is therefore the same on any machine, in any order and whatever ran before it, and no
    two generations of a run share a seed. Neither the arm nor the temperature is included, so
    an item starts with the same seed under each of them.

    Args:
        run_seed: the seed of the run.
        item: the id of the item, which names problem and case.
        sample: which of the item's samples, from 0.
        index: which of the sample's generations, from 0.

    Example:
        >>> generation_seed(0, "own/sum/0", 0, 0), generation_seed(0, "own/sum/0", 0, 1)
        (1114120693, 1368148338)
    """
    text = json.dumps([run_seed, item, sample, index])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
