"""Running the suite as this account, and as an ordinary one where this is root."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
# The suite is a program of its own as well, so its parts find each other by plain names.
sys.path.insert(0, str(HERE))

UNAVAILABLE = 3
NOBODY = 65534
SECONDS = 900


def ordinary_account(command: list[str]) -> list[str]:
    """The command, run by root as an account without any privilege.

    An interpreter in a closed directory, such as root's own, is made reachable first, in a
    mount namespace that only this command sees.
    """
    drop = [
        *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
        *("--bounding-set=-all", "--inh-caps=-all", "--"),
        *command,
    ]
    wanted = [Path(place).resolve() for place in (sys.prefix, sys.base_prefix, HERE)]
    ways = {parent for place in wanted for parent in place.parents}
    closed = [place for place in ways if not place.stat().st_mode & 0o001]
    if not closed:
        return drop
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        pytest.skip(f"the interpreter is in {closed[0]}, which other accounts may not enter")
    # The outermost closed directory is covered by an open one; what is needed of it stays.
    top = min(closed, key=lambda place: len(place.parts))
    needed = {place.relative_to(top).parts[0] for place in wanted if place.is_relative_to(top)}
    script = 'set -e; top="$1"; aside=/mnt; shift; mount --make-rprivate /; '
    script += 'mount --bind "$top" "$aside"; mount -t tmpfs -o mode=755 tmpfs "$top"; '
    for name in sorted(needed):
        script += f'mkdir "$top/{name}"; mount --bind "$aside/{name}" "$top/{name}"; '
    script += 'umount "$aside"; exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, "sh", str(top), *drop]


@pytest.fixture(scope="session")
def run_suite() -> Callable[..., dict[str, Any]]:
    """Runs the suite in a process of its own; returns its report, or skips with the reason."""

    def run(level: str, account: str, *options: str) -> dict[str, Any]:
        command = [sys.executable, str(HERE / "suite.py"), "--level", level, "--json", *options]
        if account == "ordinary" and os.getuid() == 0:
            if not shutil.which("setpriv") or not shutil.which("unshare"):
                pytest.skip("setpriv and unshare of util-linux are not installed")
            command = ordinary_account(command)
        elif account == "root" and os.getuid() != 0:
            pytest.skip("this is not root")
        ended = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        if ended.returncode == UNAVAILABLE:
            pytest.skip(ended.stdout.strip())
        assert ended.stdout.strip(), ended.stderr[-2000:]
        report: dict[str, Any] = json.loads(ended.stdout.strip().splitlines()[-1])
        return report

    return run
