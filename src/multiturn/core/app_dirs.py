"""The directories of this user's files.

With `MULTITURN_HOME` set, everything lives under it; otherwise in the directories that
the operating system has for an application's data, models (cache) and settings.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from multiturn.core.errors import InputError

__all__ = ["AppDirs", "app_dirs"]


@dataclass(frozen=True, slots=True)
class AppDirs:
    """The directories and files of one user. Nothing here creates them."""

    data: Path
    """Sessions and the prompt's history, which cannot be restored."""
    models: Path
    """Downloaded models, which can be downloaded again."""
    settings: Path
    """`config.toml`, written by the user."""

    @property
    def downloads(self) -> Path:
        """Downloaded packages and archives for corpora, which can be downloaded again."""
        return self.models.parent / "downloads"

    @property
    def kernels(self) -> Path:
        """Compiled CPU kernels and what was measured of them, which can be made again."""
        return self.models.parent / "native"

    @property
    def toolchains(self) -> Path:
        """What compilers of other languages have ready, which can be made again."""
        return self.models.parent / "toolchains"

    @property
    def sessions(self) -> Path:
        """The database of sessions."""
        return self.data / "sessions.sqlite3"

    @property
    def history(self) -> Path:
        """The input history of the prompt."""
        return self.data / "history"


def app_dirs() -> AppDirs:
    """The directories of the current user, from the environment as it is now.

    Raises:
        InputError: `MULTITURN_HOME` is set but not an absolute path.
    """
    home = os.environ.get("MULTITURN_HOME")
    if home:
        root = Path(home).expanduser()
        if not root.is_absolute():
            raise InputError(
                "MULTITURN_HOME is not an absolute path",
                got=home,
                fix=f"export MULTITURN_HOME={root.absolute()}",
            )
        return AppDirs(root / "data", root / "models", root / "config.toml")
    return AppDirs(
        Path(platformdirs.user_data_dir("multiturn")),
        Path(platformdirs.user_cache_dir("multiturn")) / "models",
        Path(platformdirs.user_config_dir("multiturn")) / "config.toml",
    )
