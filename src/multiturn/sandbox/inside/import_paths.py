"""Moves the import path of a running interpreter."""

from __future__ import annotations

import sys
from collections.abc import Callable

__all__ = ["move_imports"]


def move_imports(moved: Callable[[str], str]) -> None:
    """Let imports use ``moved(path)`` in place of each path where they look now."""
    sys.path[:] = map(moved, sys.path)
    for module in list(sys.modules.values()):
        search = getattr(module, "__path__", None)
        if isinstance(search, list):
            search[:] = map(moved, search)
    sys.path_importer_cache.clear()
