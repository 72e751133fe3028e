"""The store of jobs: numbers that are never used again, one job at a time, what a kill leaves."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiturn.core.errors import ConflictError, UnknownNameError
from multiturn.synthesis.branches import diff_lines
from multiturn.synthesis.jobs import MAX_JOBS, JobStore, NewEvent
from multiturn.synthesis.owner_lock import OwnerLock, owner_lives
from multiturn.synthesis.records import Candidate, Session, SessionSettings
from multiturn.synthesis.schema import APPLICATION_ID, MIGRATIONS
from multiturn.synthesis.store import SessionStore


@pytest.fixture
def session(store: SessionStore) -> Session:
    return store.create(name=None, model="m", style="chat", header="", settings=SessionSettings())


@pytest.fixture
def jobs(store: SessionStore) -> Iterator[JobStore]:
    with JobStore(store) as opened:
        yield opened


def text(session: Session, job_id: str, words: str) -> NewEvent:
    return NewEvent(session.id, job_id, "text", {"texts": [[0, words]]})


def test_events_are_numbered_within_their_session(
    store: SessionStore, session: Session, jobs: JobStore
) -> None:
    other = store.create(name=None, model="m", style="chat", header="", settings=SessionSettings())
    first, _ = jobs.begin(session.id, "turn", {"prompt": "a"})
    second, _ = jobs.begin(other.id, "turn", {"prompt": "b"})
    stored = jobs.append(
        [
            text(session, first.id, "1"),
            text(other, second.id, "2"),
            text(session, first.id, "3"),
            text(session, "absent", "4"),
        ]
    )
    assert [(event.session, event.number) for event in stored] == [
        (session.id, 1),
        (other.id, 1),
        (session.id, 2),
    ]
    assert jobs.events(session.id, after=1) == stored[2:]
    (ended,) = jobs.end(first, "saved")
    assert (ended.number, ended.kind) == (3, "ended")
    assert jobs.end(first, "failed") == ()
    assert jobs.job(session.id, first.id).state == "saved"
    jobs.remove(session.id, first.id)
    assert jobs.events(session.id) == () and jobs.position(session.id) == (0, 3)
    third, _ = jobs.begin(session.id, "turn", {})
    (event,) = jobs.append([text(session, third.id, "5")])
    assert event.number == 4


def test_a_session_has_one_running_job(session: Session, jobs: JobStore) -> None:
    job, is_new = jobs.begin(session.id, "turn", {"prompt": "a"}, job_id="mine")
    assert is_new and jobs.begin(session.id, "turn", {"prompt": "a"}, job_id="mine") == (job, False)
    with pytest.raises(ConflictError, match="used for another request"):
        jobs.begin(session.id, "turn", {"prompt": "b"}, job_id="mine")
    with pytest.raises(ConflictError, match="is being written"):
        jobs.begin(session.id, "turn", {"prompt": "b"})
    with pytest.raises(ConflictError, match="running"):
        jobs.remove(session.id, "mine")
    with pytest.raises(UnknownNameError):
        jobs.begin("absent", "turn", {})
    jobs.end(job, "cancelled")
    for _ in range(MAX_JOBS + 3):
        job, _ = jobs.begin(session.id, "turn", {})
        jobs.end(job, "saved")
    with pytest.raises(UnknownNameError):
        jobs.job(session.id, "mine")
    assert len(jobs.events(session.id)) == MAX_JOBS


def test_what_a_job_saved_is_counted_with_it(
    store: SessionStore, session: Session, jobs: JobStore
) -> None:
    done, _ = jobs.begin(session.id, "turn", {"saves": 1})
    view = store.for_job(session.id, done.id)
    session = view.add_turn(session, "One.", [Candidate(text="x = 1")], chosen=0)
    other = store.create(name=None, model="m", style="chat", header="", settings=SessionSettings())
    half, _ = jobs.begin(other.id, "follow", {"saves": 2})
    store.for_job(other.id, half.id).add_turn(other, "One.", [Candidate(text="x = 1")], chosen=0)
    assert jobs.interrupted(lambda *_: True) == ()
    ended = jobs.interrupted(lambda owner, *_: owner != jobs.owner)
    assert {job.id: job.state for job in ended} == {done.id: "saved", half.id: "interrupted"}
    assert store.load(session.id) == session


def test_deleting_a_session_deletes_its_jobs(
    store: SessionStore, session: Session, jobs: JobStore
) -> None:
    job, _ = jobs.begin(session.id, "turn", {})
    jobs.append([text(session, job.id, "1")])
    store.delete(session.id)
    assert jobs.append([text(session, job.id, "2")]) == () and jobs.end(job, "saved") == ()
    store.check()


def test_an_owner_lives_as_long_as_its_process(tmp_path: Path) -> None:
    store = tmp_path / "sessions.sqlite3"
    with OwnerLock(store, "mine"):
        assert owner_lives(store, "mine")
    assert not owner_lives(store, "mine") and not owner_lives(store, "absent")
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, pathlib, time\n"
            "from multiturn.synthesis.owner_lock import OwnerLock\n"
            "lock = OwnerLock(pathlib.Path(sys.argv[1]), 'theirs')\n"
            "print('ready', flush=True)\n"
            "time.sleep(600)",
            str(store),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None and holder.stdout.readline() == "ready\n"
        assert owner_lives(store, "theirs")
        holder.kill()
        holder.wait()
        assert not owner_lives(store, "theirs")
    assert list(tmp_path.iterdir()) == []


def test_a_store_of_the_version_before_opens_with_all_its_turns(tmp_path: Path) -> None:
    path = tmp_path / "sessions.sqlite3"
    raw = sqlite3.connect(path)
    for statement in MIGRATIONS[0]:
        raw.execute(statement)
    raw.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    raw.execute("PRAGMA user_version = 1")
    raw.execute(
        "INSERT INTO sessions VALUES ('0000abcd', 'old', 'm', 'chat', '', ?, 1, 't', 't')",
        ('{"style": "auto"}',),
    )
    raw.execute("INSERT INTO turns VALUES ('0000abcd', 1, NULL, 'One.', '[]', 0, 't')")
    raw.execute("""INSERT INTO candidates VALUES ('0000abcd', 1, 0, '{"text": "x = 1"}')""")
    raw.commit()
    raw.close()
    with SessionStore(path) as store, JobStore(store) as jobs:
        session = store.load("0000abcd")
        assert session.path()[0].code == "x = 1"
        assert (session.version, session.stale) == (0, ())
        job, _ = jobs.begin(session.id, "turn", {})
        session = store.add_turn(session, "Two.", [Candidate(text="y = 2")], chosen=0)
        assert store.load(session.id) == session and session.version == 1
        jobs.end(job, "saved")
        store.check()


LINES = st.lists(st.sampled_from(["a", "b", "", "x = 1"]), max_size=12).map("\n".join)


@given(LINES, LINES)
def test_a_difference_holds_both_texts(left: str, right: str) -> None:
    found = diff_lines(left, right)
    one = "\n".join(line.text for line in found if line.kind != "right")
    other = "\n".join(line.text for line in found if line.kind != "left")
    assert (one, other) in ((left, right), (left.removesuffix("\n"), right.removesuffix("\n")))
    assert (left == right) == all(line.kind == "same" for line in found)
