"""bubblewrap as what makes the namespaces, where it is installed and can reach the interpreter."""

from __future__ import annotations

import shutil

import pytest

from multiturn.core.errors import SandboxUnavailableError
from multiturn.sandbox.isolation import IsolationLevel, NamespaceProvider
from multiturn.sandbox.probe import probe
from multiturn.sandbox.protocol import Program
from multiturn.sandbox.supervisor.bwrap import bwrap_command
from multiturn.sandbox.supervisor.pool import PooledSandbox

LEVELS = (IsolationLevel.NAMESPACES, IsolationLevel.SHARED_NAMESPACES)


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
def test_bubblewrap_isolates_as_well(level):
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    with PooledSandbox(level, provider=NamespaceProvider.BWRAP, workers=1) as sandbox:
        tried = probe(level, NamespaceProvider.BWRAP, sandbox)
        if "Can't find source path" in tried.reason or "namespace" in tried.reason:
            pytest.skip(tried.reason)
        assert tried.works, tried.reason
        source = "import os; print(os.getcwd(), os.listdir('.'), os.path.exists('/proc/1'))"
        result = sandbox.run(Program(source=source))
        assert result.outcome.finished
        assert b"[] False" in result.stdout
        assert result.isolation is level


def test_without_bubblewrap_the_reason_says_so(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SandboxUnavailableError, match="install the package bubblewrap"):
        bwrap_command(IsolationLevel.NAMESPACES, (), "/nowhere")


def test_only_the_best_level_may_make_namespaces(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    best, shared = (bwrap_command(level, ("/usr/lib",), "/nowhere") for level in LEVELS)
    assert "CAP_SYS_ADMIN" in best
    assert "CAP_SYS_ADMIN" not in shared
    for command in (best, shared):
        assert "--unshare-all" in command
        assert "--die-with-parent" not in command, "the parent is a thread, and threads end"
