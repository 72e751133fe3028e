"""A disk that fills up: one line, and every turn that was shown is still there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from multiturn.synthesis.store import SessionStore

HEADER = ("--header", "none", "--style", "comment")


@pytest.fixture
def small_disk(disk_of: Callable[[str], Path]) -> Path:
    """A real file system of half a megabyte."""
    return disk_of("512k")


def test_turns_on_a_full_disk(call: Any, script: str, small_disk: Path) -> None:
    home = {"MULTITURN_HOME": str(small_disk)}
    done = call("--model", script, *HEADER, stdin="Make the list\n", **home)
    assert done.returncode == 0, done.stderr
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass

    done = call("--continue", stdin="Sort it\n/save program.py\n" * 3, **home)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ")
    assert "fix: " in done.stderr
    save = call("--continue", stdin=f"/save {small_disk}/program.py\n", **home)
    assert save.returncode == 2
    assert not (small_disk / "program.py").exists()
    assert not list(small_disk.glob(".program.py*"))

    filler.unlink()
    with SessionStore(small_disk / "data" / "sessions.sqlite3") as store:
        store.check()
        (summary,) = store.list()
        saved = [turn.prompt for turn in store.load(summary.id).turns.values()]
    # What was saved before the disk was full is whole; nothing is there by half.
    assert saved[0] == "Make the list"
    assert set(saved[1:]) <= {"Sort it"}
    done = call("--continue", stdin="Add it up\n", **home)
    assert done.returncode == 0, done.stderr
    assert "│ 6" in done.stdout
