"""Starts a Python interpreter that isolates itself, or that bubblewrap isolates."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from multiturn.sandbox.isolation import IsolationLevel, NamespaceProvider
from multiturn.sandbox.specs import UNPRIVILEGED_ID
from multiturn.sandbox.supervisor.bwrap import bwrap_command

__all__ = ["readable_paths", "start_interpreter"]

_PACKAGE_PARENT = str(Path(__file__).resolve().parents[3])
"""The directory that contains this package."""


def start_interpreter(
    bootstrap: str,
    spec: str,
    isolation: IsolationLevel,
    provider: NamespaceProvider,
    *,
    readable: Sequence[str],
    environment: Mapping[str, str],
    stdin: int,
    stdout: int,
    stderr: int | IO[bytes],
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start an interpreter in a session of its own, with nothing of this process but descriptors.

    Args:
        bootstrap: the code that it runs; the directory of this package is its first argument.
        spec: the second argument.
        isolation: what bubblewrap prepares for, where that provides the namespaces.
        provider: of the namespaces.
        readable: what bubblewrap shows.
        environment: all environment variables.
        stdin: as for `subprocess.Popen`.
        stdout: as for `subprocess.Popen`.
        stderr: as for `subprocess.Popen`.
        pass_fds: as for `subprocess.Popen`.

    Raises:
        SandboxUnavailableError: bubblewrap is not installed.
    """
    command = [sys.executable, "-s", "-P", "-c", bootstrap, _PACKAGE_PARENT, spec]
    user: int | None = None
    if provider is NamespaceProvider.BWRAP:
        # As root, bubblewrap would keep the host's root user inside.
        user = UNPRIVILEGED_ID if os.geteuid() == 0 else None
        command = [*bwrap_command(isolation, readable, _PACKAGE_PARENT), *command]
    return subprocess.Popen(
        command,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env=environment,
        cwd="/",
        start_new_session=True,
        pass_fds=pass_fds,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
    )


def readable_paths() -> tuple[str, ...]:
    """Directories and files that a Python program needs to read."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    own = [sysconfig.get_path(name) for name in names]
    libraries = [str(Path(sys.base_prefix) / "lib"), sysconfig.get_config_var("LIBDIR")]
    system = [
        "/usr/lib",
        "/usr/lib64",
        "/usr/share/zoneinfo",
        "/lib",
        "/lib64",
        "/etc/ld.so.cache",
        "/etc/localtime",
        "/dev/zero",
        "/dev/urandom",
        "/dev/random",
    ]
    found = [path for path in (*own, *libraries, *system) if path and Path(path).exists()]
    return tuple(dict.fromkeys(found))
