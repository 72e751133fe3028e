"""The store: what it saves and refuses, full disks, and other processes."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from multiturn.core.errors import InputError, StorageError, StoreError, UnknownNameError
from multiturn.engines.protocol import FinishReason
from multiturn.sandbox.isolation import IsolationLevel
from multiturn.sandbox.outcomes import Outcome, Status
from multiturn.synthesis.records import (
    Candidate,
    Example,
    GenerationInfo,
    ProgramRun,
    Sampling,
    Session,
    SessionSettings,
)
from multiturn.synthesis.schema import APPLICATION_ID, MIGRATIONS
from multiturn.synthesis.store import SessionStore, move_aside

FULL = Candidate(
    text="print('é\x00')",
    raw_text="print('é')\n# next",
    origin="repair",
    generation=GenerationInfo(
        engine="e",
        model="m",
        weights_sha256=None,
        style="chat",
        sampling=Sampling(n=3, seed=9),
        prompt_sha256="0" * 64,
        history_dropped=2,
    ),
    mean_logprob=-0.25,
    seed=11,
    finish_reason=FinishReason.STOP,
    cut_by="comment line",
    tokens=5,
    run=ProgramRun(
        outcome=Outcome(Status.RAISED, "ValueError: no", 3),
        rung=IsolationLevel.LANDLOCK,
        stdout="a\n",
        notes=("run again",),
    ),
    examples_passed=(True, False),
)


def new(store: SessionStore, name: str | None = None, **settings) -> Session:
    return store.create(
        name=name,
        model="m",
        style="comment",
        header="import math\n\n",
        settings=SessionSettings(**settings),
    )


def test_everything_comes_back_as_it_was(store, tmp_path):
    session = new(store, "Mine", retries=2, history="drop-oldest")
    session = store.add_turn(
        session,
        "Do it.\nNow.",
        [Candidate(text="x = 1"), FULL],
        chosen=1,
        examples=[Example(expected={"a": [1, None]}), Example(expected=2.5, expression="f()")],
    )
    with SessionStore(tmp_path / "sessions.sqlite3") as again:
        assert again.load(session.id) == session
        assert again.latest() == session
        again.check()


def test_listing_finding_and_deleting(store):
    first, second = new(store, "numbers"), new(store, "words")
    first = store.add_turn(first, "Count.", [FULL], chosen=0)
    assert [(line.name, line.turns, line.last_prompt) for line in store.list()] == [
        ("numbers", 1, "Count."),
        ("words", 0, ""),
    ]
    assert store.find("words") == second
    assert store.find(first.id) == store.find(first.id[:7]) == first
    with pytest.raises(UnknownNameError, match="did you mean numbers"):
        store.find("number")
    with pytest.raises(UnknownNameError):
        store.find("")
    store.delete(first.id)
    assert [line.name for line in store.list()] == ["words"]
    with pytest.raises(UnknownNameError):
        store.delete(first.id)
    with pytest.raises(StoreError, match="another program deleted it"):
        store.add_turn(first, "More.", [FULL], chosen=0)
    store.check()


def test_names_are_given_or_made_and_must_be_printable(store):
    names = [new(store).name for _ in range(2)]
    assert names[0].endswith("-1") and names[1].endswith("-2")
    for bad in ("", "  ", "a\nb", "x" * 300, "\x1b[2J"):
        with pytest.raises(InputError, match="name of a session"):
            new(store, bad)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"not a database, only some text that is long enough to be read", "not a database"),
        (b"SQLite format 3\x00" + b"\xff" * 500, "broken"),
    ],
)
def test_a_broken_file_is_told_in_one_line_and_never_touched(content, reason, tmp_path):
    path = tmp_path / "sessions.sqlite3"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=reason) as caught:
        SessionStore(path)
    assert "\n" not in str(caught.value) and "fix: move it aside" in str(caught.value)
    assert path.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    aside = move_aside(path)
    assert aside.read_bytes() == content
    with SessionStore(path) as store:
        new(store)


def test_damage_in_the_middle_is_found_and_what_is_whole_stays(tmp_path):
    path = tmp_path / "sessions.sqlite3"
    with SessionStore(path) as store:
        session = new(store, "big")
        for number in range(40):
            session = store.add_turn(
                session, f"Turn {number}.", [Candidate(text=f"x = {number}\n" * 300)], chosen=0
            )
    data = bytearray(path.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 4096] = os.urandom(4096)
    path.write_bytes(data)
    with pytest.raises(StoreError, match="is broken"), SessionStore(path) as store:
        store.check()
        store.load(session.id)
    assert path.read_bytes() == bytes(data)


def test_rows_that_make_no_sense_are_damage(tmp_path, store):
    session = store.add_turn(new(store), "Go.", [FULL], chosen=0)
    with sqlite3.connect(store.path) as raw:
        raw.execute("UPDATE candidates SET record = '{\"txt\": 1}'")
    raw.close()
    with pytest.raises(StoreError, match=r"broken \(turn 1, candidate 0: unknown key.*'txt'"):
        store.load(session.id)


def test_another_programs_database_is_refused(tmp_path):
    path = tmp_path / "theirs.sqlite3"
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE turns (x)")
    raw.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="not a store of sessions"):
        SessionStore(path)
    assert path.read_bytes() == before


def test_a_newer_schema_is_refused(tmp_path, store):
    store.close()
    with sqlite3.connect(store.path) as raw:
        raw.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    raw.close()
    with pytest.raises(StoreError, match=r"newer version of multiturn.*fix: upgrade"):
        SessionStore(store.path)


def test_migrations_run_once_and_as_a_whole(tmp_path, monkeypatch):
    path = tmp_path / "old.sqlite3"
    with SessionStore(path) as store:
        session = new(store, "old")
    step = ("ALTER TABLE sessions ADD COLUMN colour TEXT", "CREATE TABLE made (x INTEGER)")
    broken = (*step, "CREATE TABLE made (x INTEGER)")
    monkeypatch.setattr("multiturn.synthesis.schema.MIGRATIONS", (*MIGRATIONS, broken))
    with pytest.raises(StoreError, match="table made already exists"):
        SessionStore(path)
    monkeypatch.setattr("multiturn.synthesis.schema.MIGRATIONS", (*MIGRATIONS, step))
    for _ in range(2):
        with SessionStore(path) as store:
            assert store.load(session.id).name == "old"
    with sqlite3.connect(path) as raw:
        assert raw.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS) + 1
        assert raw.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
    raw.close()


def test_a_full_disk_is_told_and_nothing_is_lost(tmp_path, store):
    session = store.add_turn(new(store), "Go.", [FULL], chosen=0)
    with store._lock:
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageError, match=r"no space left.*fix: free some disk space"):
        store.add_turn(session, "More.", [Candidate(text="x" * 500_000)], chosen=0)
    assert store.load(session.id) == session
    store._connection.execute("PRAGMA max_page_count = 100000")
    assert store.add_turn(session, "More.", [FULL], chosen=0).turn.id == 2
    store.check()


FILL_A_REAL_DISK = """
import pathlib, sys
from multiturn.core.errors import StorageError
from multiturn.synthesis.records import Candidate, SessionSettings
from multiturn.synthesis.store import SessionStore
place = pathlib.Path(sys.argv[1])
store = SessionStore(place / "sessions.sqlite3")
session = store.create(
    name="s", model="m", style="chat", header="", settings=SessionSettings()
)
try:
    while True:
        session = store.add_turn(session, "Go.", [Candidate(text="x" * 50_000)], chosen=0)
except StorageError as error:
    print(str(error).replace(chr(10), "|"))
saved = store.load(session.id)
assert saved == session, "the stored session differs"
store.check()
store.close()
store = SessionStore(place / "sessions.sqlite3")
assert store.load(session.id) == session
print(len(session.turns))
"""


def test_a_real_full_disk(tmp_path):
    """A file system of two megabytes, mounted for one child alone."""
    place = tmp_path / "small"
    place.mkdir()
    mount = f"mount -t tmpfs -o size=2m tmpfs {place} && exec {sys.executable} -c '{{}}' {place}"
    able = subprocess.run(
        ["unshare", "-m", "sh", "-c", mount.format("pass")], capture_output=True, text=True
    )
    if able.returncode:
        pytest.skip(f"no file system can be mounted here: {able.stderr.strip()}")
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", mount.format(FILL_A_REAL_DISK.replace("'", '"'))],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    message, turns = done.stdout.splitlines()
    assert "fix: free some disk space" in message
    assert int(turns) >= 5


def test_a_place_that_cannot_be_written(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(StorageError, match="fix:"):
        SessionStore(blocked / "sessions.sqlite3")


def test_many_threads_and_handles_write_at_once(tmp_path):
    path = tmp_path / "sessions.sqlite3"
    with SessionStore(path) as store:
        session = new(store)
        faults = []

        def write() -> None:
            try:
                with SessionStore(path) as own:
                    for _ in range(5):
                        own.add_turn(session, "Go.", [FULL], chosen=0)
                        store.add_turn(session, "Go.", [FULL], chosen=0)
            except Exception as error:
                faults.append(error)

        threads = [threading.Thread(target=write) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not faults
        assert sorted(store.load(session.id).turns) == list(range(1, 41))
        store.check()


def test_commits_reach_the_disk_and_readers_are_not_blocked(store):
    pragma = {
        name: store._connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "foreign_keys")
    }
    assert pragma == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_default_place_is_under_the_home(home: Path):
    with SessionStore() as store:
        assert store.path == home / "data" / "sessions.sqlite3"
        assert store.path.exists()
