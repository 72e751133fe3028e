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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from multiturn.synthesis.store import SessionStore
from tests.apps.server.session_client import ServerEvent, SessionClient, text_of

pytestmark = pytest.mark.real

TOKEN = "a-token-for-the-tests"
COMMAND = Path(sys.executable).with_name("multiturn")


@contextmanager
def process(home: Path, model: str) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """A `multiturn serve` of its own, and a client of it."""
    started = subprocess.Popen(
        [COMMAND, "serve", "--model", model, "--port", "0", "--stop-seconds", "0"],
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


def kill_at_random(home: Path, model: str, rounds: int, prompts: list[str], seconds: float) -> int:
    """Returns how many turns were interrupted."""
    chance = random.Random(20220325)
    session_id: str | None = None
    saved: dict[int, str] = {}
    interrupted = 0
    for number in range(rounds):
        seen: list[ServerEvent] = []
        with process(home, model) as (server, http):
            session = SessionClient(http, session_id)
            session_id = session.id
            view = session.view()
            reader = threading.Thread(target=listen, args=(session, view["last_event"], seen))
            reader.start()
            job = session.start("turns", {"prompt": prompts[number % len(prompts)]})
            while not any(event.kind == "text" for event in seen):
                time.sleep(0.01)
            time.sleep(chance.uniform(0, seconds))
            server.kill()
            assert server.wait() == -signal.SIGKILL
            reader.join(120)
        shown = [event for event in seen if event.number is not None]
        with SessionStore(store_of(home)) as opened:
            opened.check()
        with process(home, model) as (_server, http):
            session = SessionClient(http, session_id)
            view, found = session.view(), session.job(job)
            with session.events(after=shown[0].number - 1) as events:
                stored = []
                for event in events:
                    if event.number is not None:
                        stored.append(event)
                    if event.kind == "ended":
                        break
            # What was shown is there, exactly, and at its end what became of it.
            assert stored[: len(shown)] == shown
            for event in shown:
                if event.kind == "turn":
                    saved[event.data["turn"]] = text_of(shown)
            if found["state"] == "saved":
                saved[found["saved_turn"] or view["current"]] = text_of(stored)
                assert view["job"] is None
            else:
                assert found["state"] == "interrupted" and found["can_retry"]
                assert view["job"] == found
                assert found["candidates"][0]["text"].startswith(text_of(shown))
                interrupted += 1
            ids = {turn["id"] for turn in view["tree"]}
            assert saved.keys() == ids
            if found["state"] == "interrupted" and number % 2:
                again = session.ended(session.start(f"jobs/{job}/retry"))
                assert again["state"] == "saved"
                saved[again["saved_turn"]] = ""
    return interrupted


def script(place: Path) -> str:
    path = place / "script.jsonl"
    code = "".join(f"a{number} = {number}\n" for number in range(40))
    path.write_text(
        "\n".join(
            json.dumps(line)
            for line in ({"settings": {"seconds_per_token": 0.002}}, {"answers": [code]})
        )
    )
    return f"scripted:{path}"


def test_killed_in_mid_turn_all_that_was_shown_is_there(home: Path, tmp_path: Path) -> None:
    prompts = ["Set the numbers.", "Again."]
    assert kill_at_random(home, script(tmp_path), 4, prompts, 0.4) > 0


@pytest.mark.slow
def test_killed_fifty_times_with_a_real_model(home: Path, smollm2: Path) -> None:
    prompts = ["Define a list of the first ten primes.", "Print their sum."]
    assert kill_at_random(home, str(smollm2), 50, prompts, 3.0) > 0


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
