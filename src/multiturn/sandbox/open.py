"""Opens the best sandbox that this machine and this account allow."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from multiturn.core.errors import SandboxUnavailableError
from multiturn.sandbox.linux.libc import MACHINES, machine
from multiturn.sandbox.outcomes import Rung
from multiturn.sandbox.probe import Tried, fly
from multiturn.sandbox.protocol import Sandbox
from multiturn.sandbox.specs import Shell
from multiturn.sandbox.supervisor.pool import HEAVY_MODULES, PooledSandbox

__all__ = ["ISOLATED", "SHELLS", "open_sandbox", "try_rung", "try_rungs"]

ISOLATED = (Rung.NAMESPACES, Rung.SHARED_NAMESPACES, Rung.LANDLOCK)
"""The rungs that run by default, best first."""

SHELLS = {
    Rung.NAMESPACES: (Shell.OWN, Shell.BWRAP),
    Rung.SHARED_NAMESPACES: (Shell.OWN, Shell.BWRAP),
    Rung.LANDLOCK: (Shell.NONE,),
    Rung.LIMITS_ONLY: (Shell.NONE,),
}
"""What can make each rung's namespaces, in the order in which they are tried."""


def open_sandbox(
    *,
    unsafe: bool = False,
    rung: Rung | None = None,
    workers: int | None = None,
    preload: Sequence[str] = HEAVY_MODULES,
    declared: str | None = None,
) -> Sandbox:
    """Open a sandbox on the best rung that holds a canary program here.

    Args:
        unsafe: allow a rung that isolates nothing (`Rung.LIMITS_ONLY`) where no better one
            works. The better ones are still tried first.
        rung: this rung and no other.
        workers: how many fork-servers there are of each kind; one a core where left out.
        preload: modules that programs find imported already, in a second kind of
            fork-server that is started when a program first names one of them.
        declared: the isolation that stands around this process already, in words, e.g.
            ``"a container without network"``; noted in every result. It does not replace a
            rung.

    Raises:
        SandboxUnavailableError: no rung works, or not the wanted one, or only the last and
            `unsafe` was not said. The message has the reason and the fix.
    """
    if rung is Rung.LIMITS_ONLY and not unsafe:
        raise SandboxUnavailableError(
            "limits alone isolate nothing: files, network and processes stay open",
            fix="allow it with --unsafe, or choose another rung",
        )
    wanted = (rung,) if rung else (*ISOLATED, *((Rung.LIMITS_ONLY,) if unsafe else ()))
    notes = (f"declared isolation: {declared}",) if declared else ()
    reasons = []
    for each in wanted:
        sandbox, tried = _open_rung(each, workers=workers, preload=preload, notes=notes)
        if sandbox is not None:
            return sandbox
        reasons.append(f"{each.value}: {tried.reason}")
    raise SandboxUnavailableError(
        "programs cannot be run in isolation here: " + "; ".join(reasons),
        fix="allow user namespaces, install bubblewrap, or use a Linux kernel with Landlock "
        "(5.13 or newer); `multiturn doctor` says more. --unsafe runs without isolation",
    )


def try_rung(rung: Rung) -> Tried:
    """Try one rung with a canary program."""
    sandbox, tried = _open_rung(rung, workers=1)
    if sandbox is not None:
        sandbox.close()
    return tried


def try_rungs() -> tuple[Tried, ...]:
    """Try every rung, best first: what `multiturn doctor` shows beside `rungs.RUNGS`."""
    return tuple(try_rung(rung) for rung in SHELLS)


def _open_rung(rung: Rung, **options: Any) -> tuple[PooledSandbox | None, Tried]:
    """A sandbox in which the canary stayed, or none, and what the canary did."""
    reasons = []
    if not sys.platform.startswith("linux"):
        reasons.append(f"needs Linux, this is {sys.platform}")
    elif machine() not in MACHINES:
        reasons.append(f"needs {' or '.join(MACHINES)}, this is {machine()}")
    else:
        for shell in SHELLS[rung]:
            sandbox = PooledSandbox(rung, shell=shell, **options)
            try:
                tried = fly(rung, shell, sandbox)
            except BaseException:
                sandbox.close()
                raise
            if tried.works:
                return sandbox, tried
            sandbox.close()
            reasons.append(
                tried.reason if shell is Shell.NONE else f"{shell.value}: {tried.reason}"
            )
    return None, Tried(rung, SHELLS[rung][0], False, "; ".join(reasons))
