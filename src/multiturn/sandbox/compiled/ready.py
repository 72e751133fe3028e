"""What compilers have ready before they see a program: a compiled header, classes, a build cache.

`Preparation` in the table of languages says how it is made: once for each version of a tool, by the
plain tool and from text of this project alone, in the cache of this account. Programs can read it
and not change it. Where it cannot be made, everything works without.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from multiturn.sandbox.inside.build_and_run import placed
from multiturn.text.languages import Language, Preparation

__all__ = ["ReadyFiles"]

_MAKING = ".making-"
_MAKE_SECONDS = 600
_UNUSED_DAYS = 30
_PLAIN_PATH = re.compile(r"[\w/.+-]+")
"""What needs no quotes, whatever the language."""


class ReadyFiles:
    """The files of one cache.

    Args:
        directory: of the cache; made if needed.
        environment: of the tools of a language, which make them.
    """

    def __init__(
        self, directory: Path, environment: Callable[[Language], Mapping[str, str]]
    ) -> None:
        self.directory = directory
        self._environment = environment
        self._found: dict[str, Path | None] = {}
        self._lock = threading.Lock()
        with contextlib.suppress(OSError):
            directory.mkdir(parents=True, exist_ok=True)
            # Root's programs run as another account.
            directory.chmod(0o755)

    @property
    def usable(self) -> bool:
        """Whether there is such a directory, with a name that every compiler takes as it is."""
        return self.directory.is_dir() and _PLAIN_PATH.fullmatch(str(self.directory)) is not None

    def of(self, entry: Language) -> Path | None:
        """The directory with what a language's compiler has ready; None if it could not be made.

        The first call makes it, which takes seconds.
        """
        if entry.preparation is None or not self.usable:
            return None
        with self._lock:
            if entry.key not in self._found:
                self._found[entry.key] = self._make(
                    entry.key, entry.preparation, self._environment(entry)
                )
            return self._found[entry.key]

    def _make(self, key: str, wanted: Preparation, environment: Mapping[str, str]) -> Path | None:
        tool = shutil.which(wanted.commands[0][0], path=environment.get("PATH"))
        if tool is None:
            return None
        place = self.directory / f"{key}-{_version(Path(tool), wanted)}"
        if (place / wanted.makes).exists():
            return place
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            making = Path(tempfile.mkdtemp(prefix=_MAKING, dir=self.directory))
            try:
                (making / wanted.file_name).write_text(wanted.text, encoding="utf-8")
                for command in wanted.commands:
                    _run(command, making, environment)
                for each in making.rglob("*"):
                    each.chmod(0o755 if each.is_dir() else 0o644)
                making.chmod(0o755)
                # Another process may have been faster; its files are as good.
                with contextlib.suppress(OSError):
                    making.rename(place)
            finally:
                shutil.rmtree(making, ignore_errors=True)
            self._prune(key, wanted)
        return place if (place / wanted.makes).exists() else None

    def _prune(self, key: str, wanted: Preparation) -> None:
        """Remove what no version has used for long, and what killed processes have left."""
        for old in [*self.directory.glob(f"{key}-*"), *self.directory.glob(f"{_MAKING}*")]:
            made = old / wanted.makes
            with contextlib.suppress(OSError):
                used = (made if made.exists() else old).stat().st_atime
                if time.time() - used > _UNUSED_DAYS * 24 * 3600:
                    shutil.rmtree(old, ignore_errors=True)


def _version(tool: Path, wanted: Preparation) -> str:
    """A name for a version of a tool and of what it makes; the tool checks what it reads."""
    real = tool.resolve()
    found = real.stat()
    parts = (str(real), found.st_size, found.st_mtime_ns, wanted.text, wanted.commands)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _run(command: Sequence[str], directory: Path, environment: Mapping[str, str]) -> None:
    """Run a tool with nothing of this process's environment, and its own files in the directory.

    Raises:
        OSError, SubprocessError: it could not start, failed, or took too long.
    """
    subprocess.run(
        command,
        cwd=directory,
        env=placed(environment, str(directory)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=_MAKE_SECONDS,
        check=True,
        umask=0o022,
        start_new_session=os.name == "posix",
    )
