"""Opens the best sandbox that this machine and this account allow."""

from __future__ import annotations

from collections.abc import Sequence

from multiturn.core.errors import SandboxUnavailableError
from multiturn.sandbox.canary import Tried, try_rung
from multiturn.sandbox.outcomes import Rung
from multiturn.sandbox.pool import HEAVY_MODULES, PooledSandbox
from multiturn.sandbox.protocol import Sandbox

__all__ = ["ISOLATED", "open_sandbox", "try_rungs"]

ISOLATED = (Rung.NAMESPACES, Rung.SHARED_NAMESPACES, Rung.LANDLOCK)
"""The rungs that run by default, best first."""


def try_rungs() -> tuple[Tried, ...]:
    """Try every rung with a canary program, best first: what `multiturn doctor` shows."""
    return tuple(try_rung(rung) for rung in (*ISOLATED, Rung.LIMITS_ONLY))


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
        workers: how many programs run side by side; one a core where left out.
        preload: modules that programs find imported already, in a second kind of
            fork-server that is started when a program first names one of them.
        declared: the isolation that stands around this process already, in words, e.g.
            ``"a container without network"``; noted in every result. It does not replace a
            rung.

    Raises:
        SandboxUnavailableError: no rung works, or not the wanted one, or only the last and
            `unsafe` was not said. The message has the reason and the fix.
    """
    notes = (f"declared isolation: {declared}",) if declared else ()
    wanted = (rung,) if rung is not None else (*ISOLATED, *((Rung.LIMITS_ONLY,) if unsafe else ()))
    if rung is Rung.LIMITS_ONLY and not unsafe:
        raise SandboxUnavailableError(
            "limits alone isolate nothing: files, network and processes stay open",
            fix="allow it with --unsafe, or choose another rung",
        )
    reasons = []
    for each in wanted:
        tried = try_rung(each)
        if tried.works:
            return PooledSandbox(
                each, shell=tried.shell, workers=workers, preload=preload, notes=notes
            )
        reasons.append(f"{each.value}: {tried.reason}")
    raise SandboxUnavailableError(
        "programs cannot be run in isolation here: " + "; ".join(reasons),
        fix="install bubblewrap, or use a Linux kernel with Landlock (5.13 or newer); "
        "`multiturn doctor` says more. --unsafe runs programs without isolation",
    )
