"""The isolation levels: what each covers, what it leaves open, and how to get a better one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["LEVEL_NOTES", "IsolationLevel", "LevelNotes", "NamespaceProvider"]


class IsolationLevel(Enum):
    """How strongly programs are isolated, best first. Every result records its level.

    The values are part of the schema of saved results.
    """

    NAMESPACES = "namespaces-per-child+seccomp"
    SHARED_NAMESPACES = "shared-namespaces+landlock+seccomp"
    LANDLOCK = "landlock+seccomp+rlimits"
    LIMITS_ONLY = "rlimits-only"
    """No isolation of files, network or signals. Only if a person asks for it."""
    FAKE = "fake"
    """Nothing runs: a test scripts the results."""


class NamespaceProvider(Enum):
    """What makes the namespaces around a fork-server."""

    OWN = "own"
    """The fork-server itself."""
    BWRAP = "bwrap"
    """bubblewrap, which starts the fork-server inside."""
    NONE = "none"
    """There are none."""


@dataclass(frozen=True, slots=True)
class LevelNotes:
    """What a level isolates, for people."""

    covers: str
    gaps: tuple[str, ...]
    better: str | None
    """How to get the next better level; None at the top."""


_KERNEL = "the host's kernel is shared: a fault in it lets a program out"
_SELF = "a program that manipulates its own process can report that it ran to its end"
_NAMES = "names, sizes and times of files can be seen (their content cannot)"

LEVEL_NOTES: dict[IsolationLevel, LevelNotes] = {
    IsolationLevel.NAMESPACES: LevelNotes(
        covers="files, network, processes, memory, time; each program alone in its namespaces",
        gaps=(_KERNEL, _SELF),
        better=None,
    ),
    IsolationLevel.SHARED_NAMESPACES: LevelNotes(
        covers="files, network, processes, memory, time; programs share their namespaces",
        gaps=(
            _KERNEL,
            _SELF,
            "programs share one /tmp of limited size: each sees the names of others' files there, "
            "and one that fills it leaves no room for the others",
        ),
        better="allow bubblewrap nested namespaces: on Ubuntu, the AppArmor profile "
        "bwrap-userns-restrict denies them",
    ),
    IsolationLevel.LANDLOCK: LevelNotes(
        covers="files, network, processes, memory, time; by Landlock and seccomp alone",
        gaps=(
            _KERNEL,
            _SELF,
            _NAMES,
            "the size of one file is limited, the total that a program writes while it runs is not",
            "programs cannot use /tmp, except for the directory in TMPDIR",
        ),
        better="allow user namespaces (sysctl user.max_user_namespaces, and on some systems "
        "kernel.unprivileged_userns_clone=1 or kernel.apparmor_restrict_unprivileged_userns=0), "
        "or install bubblewrap",
    ),
    IsolationLevel.LIMITS_ONLY: LevelNotes(
        covers="memory, CPU and wall time, file size and output of one process; nothing else",
        gaps=(
            "files, network, other processes and their memory are open to every program",
            "a program can start processes that outlive it",
        ),
        better="use a Linux kernel from 5.13 on with Landlock enabled (lsm=landlock,...), or "
        "allow user namespaces",
    ),
}
"""Every level at which programs run, best first."""
