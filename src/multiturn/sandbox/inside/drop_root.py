"""Root becomes nobody, without losing sight of the interpreter it runs on."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from multiturn.sandbox.specs import UNPRIVILEGED_ID

__all__ = ["drop_root"]


def drop_root(readable: Iterable[str]) -> list[int]:
    """Give up root for good; nothing happens to an ordinary user.

    An interpreter under a home that only its owner may enter cannot be reached afterwards by
    its path. Such places are opened before, and modules are then found through
    ``/proc/self/fd``.

    Returns:
        The descriptors that have to stay open in every child.

    Raises:
        OSError: the system does not let root become another user.
    """
    if os.geteuid() != 0:
        return []
    hidden = [place for place in readable if not _open_to_all(Path(place))]
    kept: dict[str, int] = {}
    for place in hidden:
        kept[place] = os.open(place, os.O_PATH | os.O_CLOEXEC)
    os.setgroups([])
    os.setresgid(UNPRIVILEGED_ID, UNPRIVILEGED_ID, UNPRIVILEGED_ID)
    os.setresuid(UNPRIVILEGED_ID, UNPRIVILEGED_ID, UNPRIVILEGED_ID)
    _rename({place: f"/proc/self/fd/{number}" for place, number in kept.items()})
    return list(kept.values())


def _open_to_all(place: Path) -> bool:
    """Whether everybody may enter all directories on the way to `place`, and read it."""
    place = place.resolve()
    if not place.exists():
        return True
    ways = all(parent.stat().st_mode & 0o001 for parent in place.parents)
    return ways and bool(place.stat().st_mode & 0o004)


def _rename(places: dict[str, str]) -> None:
    """Let imports look in `places` where they looked at their old names."""

    def renamed(path: str) -> str:
        for old, new in places.items():
            if path == old or path.startswith(old + "/"):
                return new + path[len(old) :]
        return path

    sys.path[:] = [renamed(path) for path in sys.path]
    for module in list(sys.modules.values()):
        search = getattr(module, "__path__", None)
        if isinstance(search, list):
            search[:] = [renamed(path) for path in search]
    sys.path_importer_cache.clear()
