"""The kinds of walls that a fork-server puts around itself and its children."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from multiturn.sandbox.inside.confine import wall_in
from multiturn.sandbox.inside.identity import become_nobody
from multiturn.sandbox.inside.scratch import Scratch
from multiturn.sandbox.job import Settings
from multiturn.sandbox.linux import landlock
from multiturn.sandbox.outcomes import Rung

__all__ = ["LandlockWalls", "LimitsOnlyWalls", "Walls", "walls_for"]


class Walls(Protocol):
    """What stands between programs and the machine, in the steps of a child's life."""

    def kept(self) -> list[int]:
        """Descriptors that stay open in children."""
        ...

    def prepare(self) -> str:
        """Before the fork: a place for the child to work in."""
        ...

    def enter(self, place: str) -> None:
        """In the child, before its limits are set."""
        ...

    def close(self, place: str) -> None:
        """In the child, with its limits set, as the last thing before the program."""
        ...

    def clear(self, place: str) -> None:
        """In the server, after the child's end."""
        ...


class LimitsOnlyWalls:
    """No walls: a private directory, an empty environment and the kernel's limits."""

    def __init__(self, settings: Settings) -> None:
        self._kept = become_nobody(settings.readable)
        self.scratch = Scratch(Path(settings.scratch))

    def kept(self) -> list[int]:
        """The places of the interpreter that have no name any more."""
        return self._kept

    def prepare(self) -> str:
        """A directory of its own."""
        return str(self.scratch.make())

    def enter(self, place: str) -> None:
        """Go to the directory."""
        os.chdir(place)
        os.environ["HOME"] = os.environ["TMPDIR"] = place

    def close(self, place: str) -> None:
        """Nothing: there are no walls."""

    def clear(self, place: str) -> None:
        """Remove the directory."""
        self.scratch.remove(Path(place))


class LandlockWalls(LimitsOnlyWalls):
    """Landlock and seccomp around each child; no privilege and no namespaces needed."""

    def __init__(self, settings: Settings) -> None:
        self.version = landlock.abi()
        if not self.version:
            raise OSError("the kernel has no Landlock, or it is turned off")
        self.readable = [
            os.open(place, os.O_PATH | os.O_CLOEXEC)
            for place in settings.readable
            if Path(place).exists()
        ]
        self.devices = [os.open(os.devnull, os.O_PATH | os.O_CLOEXEC)]
        super().__init__(settings)

    def kept(self) -> list[int]:
        """Also the places that Landlock leaves readable; they close once it is up."""
        return [*super().kept(), *self.readable, *self.devices]

    def close(self, place: str) -> None:
        """Landlock, then seccomp."""
        own = os.open(place, os.O_PATH | os.O_DIRECTORY)
        wall_in(self.version, self.readable, [own, *self.devices])


def walls_for(settings: Settings) -> Walls:
    """The walls that the settings name."""
    kinds = {Rung.LANDLOCK.value: LandlockWalls, Rung.LIMITS_ONLY.value: LimitsOnlyWalls}
    return kinds[settings.walls](settings)
