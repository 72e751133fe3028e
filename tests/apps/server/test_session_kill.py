"""A real server is killed in mid-turn, over and over: what a client saw is there afterwards."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from multiturn.synthesis.store import SessionStore
from tests.apps.server.session_client import ServerEvent, SessionClient, texts_of

pytestmark = pytest.mark.real

TOKEN = "a-token-for-the-tests"
COMMAND = Path(sys.executable).with_name("multiturn")


@contextmanager
def process(
    home: Path, model: str, port: int = 0
) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """A `multiturn serve` of its own, and a client of it."""
    started = subprocess.Popen(
        [COMMAND, "serve", "--model", model, "--port", str(port), "--stop-seconds", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "MULTITURN_HOME": str(home), "MULTITURN_SERVER_TOKEN": TOKEN},
    )
    try:
        assert started.stdout is not None
        lines = iter(started.stdout.readline, "")
        address = next(line.split()[1] for line in lines if line.startswith("API:"))
        with httpx.Client(
            base_url=address.removesuffix("/v1"),
            headers={"Authorization": f"Bearer {TOKEN}"},
            trust_env=False,
            timeout=120,
        ) as http:
            yield started, http
    finally:
        started.kill()
        started.communicate()


def store_of(home: Path) -> Path:
    return home / "data" / "sessions.sqlite3"


def listen(session: SessionClient, after: int, found: list[ServerEvent]) -> None:
    try:
        with session.events(after=after) as events:
            found.extend(events)
    except httpx.HTTPError:
        return  # the server was killed


@dataclass(frozen=True)
class Killed:
    """A job whose server was killed, and what a client saw before."""

    job: str
    before: dict[str, Any]
    """The session when the job began."""
    shown: list[ServerEvent]


WORK: tuple[tuple[str, dict[str, Any]], ...] = (
    ("turns", {"prompt": "Define a list of the first ten primes.", "sampling": {"n": 2}}),
    ("turns", {"prompt": "Print their sum."}),
    ("turns/{}/retry", {"count": 2}),
    ("turns/{}/edit", {"code": "import time\nfor _ in range(9):\n    time.sleep(0.05)\nprint(1)"}),
    ("turns/{}/repair", {"message": "It should print the numbers."}),
)


def kill_at_random(home: Path, model: str, kills: int, seconds: float) -> Counter[str]:
    """Kill servers at work; returns how often a job was saved, interrupted, and finished later."""
    chance = random.Random(20220325)
    ends: Counter[str] = Counter()
    session_id: str | None = None
    killed: Killed | None = None
    for number in range(kills + 1):
        with process(home, model) as (server, http):
            session = SessionClient(http, session_id)
            session_id = session.id
            if killed is not None:
                state = check_nothing_is_lost(session, killed)
                ends[state] += 1
                if state == "interrupted" and number % 2:
                    again = session.ended(session.start(f"jobs/{killed.job}/retry"))
                    assert again["state"] == "saved", again
                    ends["finished later"] += 1
            if number < kills:
                killed = kill(server, session, WORK[number % len(WORK)], chance.uniform(0, seconds))
        with SessionStore(store_of(home)) as opened:
            opened.check()
    return ends


def kill(
    server: subprocess.Popen[str],
    session: SessionClient,
    work: tuple[str, dict[str, Any]],
    seconds: float,
) -> Killed:
    """Kill a server so many seconds after its work on a session shows something."""
    if len(session.view()["path"]) > 4:
        session.post("move", {"turn": None})
    before = session.view()
    path, body = work
    if before["current"] is None and "{}" in path:
        path, body = WORK[0]
    shown: list[ServerEvent] = []
    reader = threading.Thread(target=listen, args=(session, before["last_event"], shown))
    reader.start()
    job = session.start(path.format(before["current"]), body)
    while not any(event.kind in ("text", "candidate", "ended") for event in shown):
        time.sleep(0.01)
    time.sleep(seconds)
    programs = psutil.Process(server.pid).children(recursive=True)
    server.kill()
    assert server.wait() == -signal.SIGKILL
    reader.join(120)
    # Nothing that it started outlives it.
    assert programs and not psutil.wait_procs(programs, timeout=120)[1]
    return Killed(job, before, [event for event in shown if event.number is not None])


def check_nothing_is_lost(session: SessionClient, killed: Killed) -> str:
    """What was shown is there, exactly, with what became of it; returns the state of the job."""
    view, job = session.view(), session.job(killed.job)
    with session.events(after=killed.shown[0].number - 1) as events:
        stored = []
        for event in events:
            if event.number is not None:
                stored.append(event)
            if event.kind == "ended":
                break
    assert stored[: len(killed.shown)] == killed.shown
    known = {turn["id"] for turn in killed.before["tree"]}
    known |= {event.data["turn"] for event in killed.shown if event.kind == "turn"}
    ids = {turn["id"] for turn in view["tree"]}
    assert known <= ids
    if job["state"] == "saved":
        assert view["job"] is None
        return "saved"
    # Nothing of it is in the program; the page shows it, says why, and can do it again.
    assert job["state"] == "interrupted" and job["can_retry"]
    assert view["job"] == job
    assert view["path"] == killed.before["path"] and view["tree"] == killed.before["tree"]
    for index, text in texts_of(killed.shown).items():
        (found,) = [each["text"] for each in job["candidates"] if each["index"] == index]
        assert found.startswith(text)
    return "interrupted"


def script(place: Path, seconds_per_token: float = 0.002) -> str:
    path = place / "script.jsonl"
    code = "".join(f"a{number} = {number}\n" for number in range(40))
    path.write_text(
        "\n".join(
            json.dumps(line)
            for line in (
                {"settings": {"seconds_per_token": seconds_per_token}},
                {"answers": [code]},
            )
        )
    )
    return f"scripted:{path}"


def test_killed_in_mid_turn_all_that_was_shown_is_there(home: Path, tmp_path: Path) -> None:
    ends = kill_at_random(home, script(tmp_path), 5, 0.4)
    assert ends["saved"] + ends["interrupted"] == 5


@pytest.mark.slow
def test_killed_fifty_times_with_a_real_model(home: Path, family_model: Path) -> None:
    ends = kill_at_random(home, str(family_model), 50, 3.0)
    assert ends["saved"] + ends["interrupted"] == 50
    assert ends["interrupted"] and ends["finished later"], ends


def test_a_run_of_stale_turns_that_was_killed_can_be_finished(home: Path, tmp_path: Path) -> None:
    """What followed already stays; what is left stays stale."""
    path = tmp_path / "script.jsonl"
    path.write_text(json.dumps({"answers": ["x = 1\n"]}))
    slow = "import time\ntime.sleep(0.3)\n"
    with process(home, f"scripted:{path}") as (server, http):
        session = SessionClient(http)
        for number in range(4):
            view = session.turn(f"Turn {number}.")
            session.do(f"turns/{view['current']}/edit", {"code": slow})
        session.do("turns/1/edit", {"code": "x = 2\n" + slow})
        before = session.view()
        assert len(before["stale"]) == 3
        job = session.start("follow")
        with session.events(after=before["last_event"]) as events:
            next(event for event in events if event.kind == "turn")
        server.kill()
        server.wait()
    with process(home, f"scripted:{path}") as (_server, http):
        session = SessionClient(http, session.id)
        view = session.view()
        assert len(view["path"]) + len(view["stale"]) == 4 and len(view["path"]) >= 2
        if view["stale"]:
            assert view["job"]["id"] == job and view["job"]["state"] == "interrupted"
            assert session.ended(session.start(f"jobs/{job}/retry"))["state"] == "saved"
        view = session.view()
        assert [turn["prompt"] for turn in view["path"]] == [f"Turn {n}." for n in range(4)]
        assert view["stale"] == []


def test_two_servers_of_one_store_know_what_the_other_writes(home: Path, tmp_path: Path) -> None:
    model = script(tmp_path)
    with process(home, model) as (first, http), process(home, model) as (_second, other):
        session = SessionClient(http)
        seen = SessionClient(other, session.id)
        job = session.start("turns", {"prompt": "Set the numbers."})
        assert seen.view()["job"]["state"] == "running"
        assert seen.post("turns", {"prompt": "Other."}).status_code == 409
        assert seen.post(f"jobs/{job}/cancel").status_code == 409
        with seen.events(after=0) as events:
            next(event for event in events if event.kind == "text")
            first.kill()
            first.wait()
        # The other server is there, so what was left is not running any more.
        found = seen.view()["job"]
        assert found is None or found["state"] == "interrupted"
        seen.turn("Other.")
