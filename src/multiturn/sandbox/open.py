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
"""The isolation levels that are used by default, best first."""

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
    """Open a sandbox at the best isolation level from which a probe program does not escape here.

    Args:
        unsafe: allow `IsolationLevel.LIMITS_ONLY`, which isolates nothing, where no better level
            works. The better ones are tried first all the same.
        isolation: this level and no other.
        workers: how many fork-servers there are of each kind; by default one per core.
        preload: modules that a second kind of fork-server imports in advance; it starts when a
            program first names one of them.
        declared: the isolation that this process already has, in words, for example
            ``"a container without network"``. It is noted in every result, and replaces no level.

    Raises:
        SandboxUnavailableError: no level works, or not the given one, or only the last one and
            `unsafe` is False. The message has the reason and the fix.
    """
    if isolation is IsolationLevel.LIMITS_ONLY and not unsafe:
        raise SandboxUnavailableError(
            "limits alone isolate nothing: files, network and processes stay open",
            fix="allow it with --unsafe, or choose another level",
        )
    levels = (*ISOLATED, IsolationLevel.LIMITS_ONLY) if unsafe else ISOLATED
    notes = (f"declared isolation: {declared}",) if declared else ()
    reasons = []
    for level in (isolation,) if isolation else levels:
        sandbox, probed = _open_level(level, workers=workers, preload=preload, notes=notes)
        if sandbox is not None:
            return sandbox
        reasons.append(f"{level.value}: {probed.reason}")
    raise SandboxUnavailableError(
        "programs cannot be run in isolation here: " + "; ".join(reasons),
        fix="allow user namespaces, install bubblewrap, or use a Linux kernel with Landlock "
        "(5.13 or newer); `multiturn doctor` says more. --unsafe runs without isolation",
    )


def probe_level(isolation: IsolationLevel) -> ProbeResult:
    """Probe one isolation level."""
    sandbox, probed = _open_level(isolation, workers=1)
    if sandbox is not None:
        sandbox.close()
    return probed


def probe_levels() -> tuple[ProbeResult, ...]:
    """Probe every isolation level, best first, for `multiturn doctor`."""
    return tuple(probe_level(isolation) for isolation in PROVIDERS)


def _open_level(
    isolation: IsolationLevel, **options: Any
) -> tuple[PooledSandbox | None, ProbeResult]:
    """A sandbox from which the probe did not escape, if any, and the result of the probe."""
    reasons = []
    if not sys.platform.startswith("linux"):
        reasons.append(f"needs Linux, this is {sys.platform}")
    elif machine() not in MACHINES:
        reasons.append(f"needs {' or '.join(MACHINES)}, this is {machine()}")
    else:
        for provider in PROVIDERS[isolation]:
            sandbox = PooledSandbox(isolation, provider=provider, **options)
            try:
                probed = probe(isolation, provider, sandbox)
            except BaseException:
                sandbox.close()
                raise
            if probed.works:
                return sandbox, probed
            sandbox.close()
            reasons.append(
                probed.reason
                if provider is NamespaceProvider.NONE
                else f"{provider.value}: {probed.reason}"
            )
    return None, ProbeResult(isolation, PROVIDERS[isolation][0], False, "; ".join(reasons))
