"""The arms by name."""

from __future__ import annotations

from multiturn.benchmarks.arms.multi_turn import Feedback, GoldPrefix, Shuffled, Turns
from multiturn.benchmarks.arms.single_turn import Concat, Listed, Prose
from multiturn.benchmarks.arms.synthesis import CHAT, LOOP
from multiturn.benchmarks.task import Arm
from multiturn.core.errors import UnknownNameError

__all__ = ["ARMS", "arm_named"]

ARMS: dict[str, Arm] = {
    arm.name: arm
    for arm in (
        Turns(),
        Concat(),
        Listed(),
        Prose(),
        GoldPrefix(),
        Shuffled(),
        Feedback(),
        LOOP,
        CHAT,
    )
}


def arm_named(name: str) -> Arm:
    """The arm by that name.

    Raises:
        UnknownNameError: there is none; names the nearest.
    """
    if name not in ARMS:
        raise UnknownNameError("arm", name, ARMS)
    return ARMS[name]
