"""The command line of bubblewrap around a fork-server."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from multiturn.core.errors import SandboxUnavailableError
from multiturn.sandbox.inside.jail import (
    DEVICES,
    SHARED_TMP_BYTES,
    TMP_REBIND,
    paths_below_tmp,
)
from multiturn.sandbox.inside.syscall_emulation import HOST_NAME
from multiturn.sandbox.isolation import IsolationLevel
from multiturn.sandbox.specs import UNPRIVILEGED_ID

__all__ = ["bwrap_command"]


def bwrap_command(isolation: IsolationLevel, readable: Sequence[str], package: str) -> list[str]:
    """The arguments that start a command inside bubblewrap, to be followed by that command.

    Without --die-with-parent, as the parent is the thread that started it, and threads end. The
    interpreter inside ends by itself when its control socket or pipe closes.

    Args:
        isolation: on `NAMESPACES` alone, the fork-server may make namespaces for its children.
        readable: what programs may read.
        package: the directory that contains this package, which the command needs to start.

    Raises:
        SandboxUnavailableError: bubblewrap is not installed.
    """
    program = shutil.which("bwrap")
    if program is None:
        raise SandboxUnavailableError(
            "bubblewrap is not installed", fix="install the package bubblewrap"
        )
    command = [program, "--unshare-all", "--unshare-user"]
    command += ["--hostname", HOST_NAME]
    command += ["--uid", str(UNPRIVILEGED_ID), "--gid", str(UNPRIVILEGED_ID)]
    command += ["--size", str(SHARED_TMP_BYTES), "--tmpfs", "/tmp"]
    for device in DEVICES:
        # --dev would mount a device file system and drop the capabilities below.
        command += ["--dev-bind", device, device]
    mounted: list[Path] = []
    for path in sorted({Path(name) for name in (*readable, *_to_start(package))}):
        if str(path) in DEVICES or any(path.is_relative_to(other) for other in mounted):
            continue
        if path.is_symlink() and path.is_dir():
            command += ["--symlink", str(path.readlink()), str(path)]
        else:
            command += ["--ro-bind", str(path), str(path)]
            mounted.append(path)
    if isolation is IsolationLevel.NAMESPACES:
        for hidden in paths_below_tmp(readable):
            command += ["--ro-bind", str(hidden), f"{TMP_REBIND}{hidden}"]
        command += ["--cap-add", "CAP_SYS_ADMIN"]
    return [*command, "--remount-ro", "/", "--"]


def _to_start(package: str) -> list[str]:
    """What the interpreter needs in order to start; programs can read it too."""
    own = Path(sys.prefix)
    paths = [own / "pyvenv.cfg", own / "bin", Path(sys.base_prefix) / "bin"]
    paths.append(Path(package) / "multiturn")
    return [str(path) for path in paths if path.exists()]
