"""A file appears complete, or stays as it was."""

from __future__ import annotations

import hashlib
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from multiturn.core.app_dirs import app_dirs
from multiturn.core.errors import InputError, StorageError
from multiturn.core.files import atomic_file, sha256_file, write_atomically

WRITER = """
import sys
from pathlib import Path
from multiturn.core.files import write_atomically
path = Path(sys.argv[1])
print("ready", flush=True)
count = 0
while True:
    count += 1
    write_atomically(path, (f"{count}\\n" * 20000))
"""


def test_it_writes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) & 0o600 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_raises_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")
    with pytest.raises(ValueError, match="no"), atomic_file(path) as temporary:
        temporary.write_text("half")
        raise ValueError("no")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_file_stays_until_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")
    with atomic_file(path, mode=0o600) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_sha256_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    data = b"\0text\n" * 100_000
    path.write_bytes(data)
    assert sha256_file(path) == hashlib.sha256(data).hexdigest()


def test_a_kill_at_any_moment_leaves_a_complete_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for delay in (0.01, 0.03, 0.05, 0.08, 0.13):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            time.sleep(delay)
            writer.send_signal(signal.SIGKILL)
        if path.exists():
            lines = path.read_text().splitlines()
            assert len(lines) == 20000
            assert len(set(lines)) == 1


def test_a_place_that_cannot_be_written_is_named_and_left_as_it_was(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="fix: create the directory first"):
        write_atomically(tmp_path / "none" / "file", "x")


OUT_OF_ROOM = """
import resource, signal, sys
from pathlib import Path
from multiturn.core.errors import StorageError
from multiturn.core.files import write_atomically
path = Path(sys.argv[1])
write_atomically(path, "old")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_atomically(path, "n" * 5000)
except StorageError as error:
    print(error)
"""


def test_a_write_that_finds_no_room_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    printed = subprocess.check_output([sys.executable, "-c", OUT_OF_ROOM, str(path)], text=True)
    assert "writing failed, file too large" in printed
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_directories_follow_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MULTITURN_HOME", str(tmp_path))
    assert app_dirs().sessions == tmp_path / "data" / "sessions.sqlite3"
    monkeypatch.setenv("MULTITURN_HOME", "relative")
    with pytest.raises(InputError, match="not an absolute path"):
        app_dirs()
    monkeypatch.delenv("MULTITURN_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert app_dirs().data == tmp_path / "xdg" / "multiturn"
