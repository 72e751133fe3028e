"""Directories of fork-servers: which leftovers are removed, and how; what the probe refuses."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from multiturn.sandbox.isolation import IsolationLevel, NamespaceProvider
from multiturn.sandbox.probe import probe
from multiturn.sandbox.supervisor import directories
from multiturn.sandbox.supervisor.directories import WorkDirectory, sweep
from multiturn.sandbox.supervisor.pool import PooledSandbox


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(directories, "_MIN_AGE_SECONDS", 0.0)
    return tmp_path


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def leftover(temporary: Path, owner: int | str) -> Path:
    place = temporary / f"multiturn-sandbox-{owner}-abcdef"
    (place / "work" / "1-1").mkdir(parents=True)
    (place / "work" / "1-1" / "file").write_text("left")
    return place


def test_what_a_dead_process_left_is_swept(temporary):
    dead, alive = leftover(temporary, dead_process()), leftover(temporary, os.getpid())
    odd = leftover(temporary, "x")
    sweep()
    assert not dead.exists()
    assert alive.exists()
    assert odd.exists()


def test_a_place_that_is_locked_is_in_use_whatever_its_number_says(temporary):
    place = WorkDirectory()
    top = next(temporary.iterdir())
    renamed = top.rename(temporary / f"multiturn-sandbox-{dead_process()}-abcdef")
    sweep()
    assert renamed.exists()
    place.remove()
    sweep()
    assert not renamed.exists()


def test_no_link_is_followed(temporary):
    outside = temporary / "outside"
    outside.mkdir(mode=0o500)
    (outside.parent / "other").write_text("other")
    (temporary / f"multiturn-sandbox-{dead_process()}-link").symlink_to(outside)
    place = leftover(temporary, dead_process())
    (place / "link").symlink_to(outside)
    (place / "work" / "file-link").symlink_to(temporary / "other")
    sweep()
    assert not place.exists()
    assert outside.is_dir() and outside.stat().st_mode & 0o777 == 0o500
    assert (temporary / "other").read_text() == "other"


def test_what_another_account_owns_is_left_alone(temporary):
    if os.geteuid() != 0:
        pytest.skip("only root can make what another account owns")
    foreign = leftover(temporary, dead_process())
    os.chown(foreign, 65534, 65534)
    sweep()
    assert (foreign / "work" / "1-1" / "file").read_text() == "left"


def test_another_file_system_is_not_entered(temporary):
    place = leftover(temporary, dead_process())
    mount = place / "mount"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "tmpfs", str(mount)]
    if os.geteuid() != 0 or not shutil.which("mount") or subprocess.run(command).returncode:
        pytest.skip("only root can mount")
    try:
        (mount / "other").write_text("other")
        sweep()
        assert (mount / "other").read_text() == "other"
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def test_a_place_is_root_s_own_and_programs_get_one_below_it(temporary):
    place = WorkDirectory()
    top = next(temporary.iterdir())
    assert top.stat().st_uid == os.geteuid()
    assert not top.stat().st_mode & 0o022
    if os.geteuid() == 0:
        assert place.path.stat().st_uid == 65534
    (place.path / "left").mkdir(mode=0)
    place.remove()
    place.remove()
    assert not list(temporary.iterdir())


def test_the_probe_refuses_a_level_that_does_not_hold_its_promise():
    """Limits alone under the name of Landlock: the probe escapes in every way it knows."""
    with PooledSandbox(IsolationLevel.LIMITS_ONLY, workers=1) as sandbox:
        tried = probe(IsolationLevel.LANDLOCK, NamespaceProvider.NONE, sandbox)
    assert not tried.works
    for escape in (
        "emptied a file of the user",
        "sent to a socket of the machine",
        "locked a file of the machine",
    ):
        assert escape in tried.reason
