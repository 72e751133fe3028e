"""Opens the best sandbox that this machine and this account allow."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from multiturn.core.errors import SandboxUnavailableError
from multiturn.sandbox.isolation import IsolationLevel, NamespaceProvider
from multiturn.sandbox.linux.libc import MACHINES, machine
from multiturn.sandbox.probe import ProbeResult, probe
from multiturn.sandbox.protocol import Sandbox
from multiturn.sandbox.supervisor.pool import HEAVY_MODULES, PooledSandbox

__all__ = ["ISOLATED", "PROVIDERS", "open_sandbox", "probe_level", "probe_levels"]

ISOLATED = (IsolationLevel.NAMESPACES, IsolationLevel.SHARED_NAMESPACES, IsolationLevel.LANDLOCK)
"""The isolation levels that run by default, best first."""

PROVIDERS = {
    IsolationLevel.NAMESPACES: (NamespaceProvider.OWN, NamespaceProvider.BWRAP),
    IsolationLevel.SHARED_NAMESPACES: (NamespaceProvider.OWN, NamespaceProvider.BWRAP),
    IsolationLevel.LANDLOCK: (NamespaceProvider.NONE,),
    IsolationLevel.LIMITS_ONLY: (NamespaceProvider.NONE,),
}
"""What can make each level's namespaces, in the order in which they are tried."""


def open_sandbox(
    *,
    unsafe: bool = False,
    isolation: IsolationLevel | None = None,
    workers: int | None = None,
    preload: Sequence[str] = HEAVY_MODULES,
    declared: str | None = None,
) -> Sandbox:
    """Open a sandbox on the best level that holds a canary program here.

    Args:
        unsafe: allow `IsolationLevel.LIMITS_ONLY`, which isolates nothing, where no better level
            works. The better ones are still tried first.
        isolation: this level and no other.
        workers: how many fork-servers there are of each kind; one a core where left out.
        preload: modules that programs find imported already, in a second kind of
            fork-server that is started when a program first names one of them.
        declared: the isolation that stands around this process already, in words, e.g.
            ``"a container without network"``; noted in every result. It does not replace a
            level.

    Raises:
        SandboxUnavailableError: no level works, or not the wanted one, or only the last and
            `unsafe` was not said. The message has the reason and the fix.
    """
    if isolation is IsolationLevel.LIMITS_ONLY and not unsafe:
        raise SandboxUnavailableError(
            "limits alone isolate nothing: files, network and processes stay open",
            fix="allow it with --unsafe, or choose another level",
        )
    wanted = (
        (isolation,)
        if isolation
        else (*ISOLATED, *((IsolationLevel.LIMITS_ONLY,) if unsafe else ()))
    )
    notes = (f"declared isolation: {declared}",) if declared else ()
    reasons = []
    for each in wanted:
        sandbox, tried = _open_level(each, workers=workers, preload=preload, notes=notes)
        if sandbox is not None:
            return sandbox
        reasons.append(f"{each.value}: {tried.reason}")
    raise SandboxUnavailableError(
        "programs cannot be run in isolation here: " + "; ".join(reasons),
        fix="allow user namespaces, install bubblewrap, or use a Linux kernel with Landlock "
        "(5.13 or newer); `multiturn doctor` says more. --unsafe runs without isolation",
    )


def probe_level(isolation: IsolationLevel) -> ProbeResult:
    """Try one level with a canary program."""
    sandbox, tried = _open_level(isolation, workers=1)
    if sandbox is not None:
        sandbox.close()
    return tried


def probe_levels() -> tuple[ProbeResult, ...]:
    """Try every level, best first: what `multiturn doctor` shows beside `isolation.LEVEL_NOTES`."""
    return tuple(probe_level(isolation) for isolation in PROVIDERS)


def _open_level(
    isolation: IsolationLevel, **options: Any
) -> tuple[PooledSandbox | None, ProbeResult]:
    """A sandbox in which the canary stayed, or none, and what the canary did."""
    reasons = []
    if not sys.platform.startswith("linux"):
        reasons.append(f"needs Linux, this is {sys.platform}")
    elif machine() not in MACHINES:
        reasons.append(f"needs {' or '.join(MACHINES)}, this is {machine()}")
    else:
        for provider in PROVIDERS[isolation]:
            sandbox = PooledSandbox(isolation, provider=provider, **options)
            try:
                tried = probe(isolation, provider, sandbox)
            except BaseException:
                sandbox.close()
                raise
            if tried.works:
                return sandbox, tried
            sandbox.close()
            reasons.append(
                tried.reason
                if provider is NamespaceProvider.NONE
                else f"{provider.value}: {tried.reason}"
            )
    return None, ProbeResult(isolation, PROVIDERS[isolation][0], False, "; ".join(reasons))
