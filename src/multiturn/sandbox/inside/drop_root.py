"""Root becomes an unprivileged user that can still reach its interpreter."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from multiturn.sandbox.specs import UNPRIVILEGED_ID

__all__ = ["drop_root", "move_imports", "open_to_all"]


def drop_root(readable: Iterable[str]) -> list[int]:
    """Give up root for good; do nothing for an ordinary user.

    Afterwards an interpreter in a home that only its owner may enter cannot be reached by path.
    So such directories are opened first, and imports find them through ``/proc/self/fd``.

    Returns:
        Descriptors that must stay open in every child.

    Raises:
        OSError: the system does not let root become another user.
    """
    if os.geteuid() != 0:
        return []
    hidden = [path for path in readable if not open_to_all(Path(path))]
    opened = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in hidden}
    os.setgroups([])
    os.setresgid(UNPRIVILEGED_ID, UNPRIVILEGED_ID, UNPRIVILEGED_ID)
    os.setresuid(UNPRIVILEGED_ID, UNPRIVILEGED_ID, UNPRIVILEGED_ID)

    def moved(path: str) -> str:
        for hidden_path, number in opened.items():
            if path == hidden_path or path.startswith(hidden_path + "/"):
                return f"/proc/self/fd/{number}{path[len(hidden_path) :]}"
        return path

    move_imports(moved)
    return list(opened.values())


def open_to_all(path: Path) -> bool:
    """Whether every account may enter all directories on the way to `path`, and read it."""
    path = path.resolve()
    if not path.exists():
        return True
    reachable = all(parent.stat().st_mode & 0o001 for parent in path.parents)
    return reachable and bool(path.stat().st_mode & 0o004)


def move_imports(moved: Callable[[str], str]) -> None:
    """Let imports use ``moved(path)`` in place of each path where they look now."""
    sys.path[:] = map(moved, sys.path)
    for module in list(sys.modules.values()):
        search = getattr(module, "__path__", None)
        if isinstance(search, list):
            search[:] = map(moved, search)
    sys.path_importer_cache.clear()
