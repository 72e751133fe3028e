"""What listeners of a session see: live, later, twice, and after their connection broke."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from multiturn.engines.protocol import Engine
from multiturn.engines.scripted import ScriptedEngine, ScriptSettings
from multiturn.sandbox.protocol import Sandbox
from multiturn.synthesis.jobs import MAX_JOBS
from multiturn.synthesis.store import SessionStore
from tests.apps.server.conftest import RunningServer, running
from tests.apps.server.session_client import (
    SCRIPT,
    ServerEvent,
    SessionClient,
    codes,
    read_events,
    text_of,
)

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def server(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    path = tmp_path_factory.mktemp("store") / "sessions.sqlite3"
    slow = ScriptSettings(seconds_per_token=0.004, slots=8)
    with (
        SessionStore(path) as store,
        ScriptedEngine(SCRIPT, settings=slow) as engine,
        running(engine, sandbox, store, stop_seconds=1) as server,
    ):
        yield server


@pytest.fixture
def http(server: RunningServer) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def until_end(events: Iterator[ServerEvent]) -> list[ServerEvent]:
    found = []
    for event in events:
        found.append(event)
        if event.kind == "ended":
            return found
    raise AssertionError(f"the stream ended early: {found}")


def numbered(events: list[ServerEvent]) -> list[ServerEvent]:
    return [event for event in events if event.number is not None]


def test_two_tabs_see_the_same_and_a_third_reads_it_later(http: httpx.Client) -> None:
    session = SessionClient(http)
    tabs: list[list[ServerEvent]] = [[], []]
    listening = threading.Barrier(3)

    def listen(found: list[ServerEvent]) -> None:
        with session.events() as events:
            found.append(next(events))
            listening.wait()
            found += until_end(events)

    threads = [threading.Thread(target=listen, args=(found,)) for found in tabs]
    for thread in threads:
        thread.start()
    listening.wait()
    job = session.start("turns", {"prompt": "Double x.", "sampling": {"n": 3}})
    for thread in threads:
        thread.join(120)
    assert tabs[0][0] == ServerEvent("state", {"version": 0})
    assert numbered(tabs[0]) == numbered(tabs[1])
    with session.events(after=0) as events:
        assert numbered(until_end(events)) == numbered(tabs[0])
    kinds = [event.kind for event in numbered(tabs[0])]
    assert kinds[0] == "started" and kinds[-2:] == ["turn", "ended"]
    assert kinds.count("candidate") == kinds.count("ran") == 3
    assert [event.number for event in numbered(tabs[0])] == list(range(1, len(kinds) + 1))
    assert {event.data["job"] for event in numbered(tabs[0])} == {job}


def test_a_stream_that_breaks_goes_on_where_it_was(http: httpx.Client) -> None:
    session = SessionClient(http)
    session.start("turns", {"prompt": "Long."})
    seen: list[ServerEvent] = []
    while not seen or seen[-1].kind != "ended":
        last = {"Last-Event-ID": str(seen[-1].number)} if seen else {}
        with session.events(after=0, **last) as events:
            for count, event in enumerate(events):
                if event.number is not None:
                    seen.append(event)
                if event.kind == "ended" or count >= 7:
                    break  # the connection is closed in the middle
    assert [event.number for event in seen] == list(range(1, len(seen) + 1))
    assert text_of(seen).strip() == session.view()["path"][0]["code"]


def test_a_client_that_leaves_does_not_stop_the_turn(http: httpx.Client) -> None:
    session = SessionClient(http)
    headers = {"Accept": "text/event-stream"}
    with http.stream(
        "POST", f"{session.path}/turns", json={"prompt": "Long."}, headers=headers
    ) as answer:
        assert answer.status_code == 202
        job = answer.headers["location"].rpartition("/")[2]
        for event in read_events(answer.iter_lines()):
            if event.kind == "text":
                break
    assert session.ended(job)["state"] == "saved"
    assert len(codes(session.view())) == 1


def test_the_events_of_a_turn_as_the_answer_to_it(http: httpx.Client) -> None:
    session = SessionClient(http)
    headers = {"Accept": "text/event-stream"}
    for prompt in ("Set x to 2.", "Add 1."):
        answer = session.post("turns", {"prompt": prompt}, headers=headers)
        events = list(read_events(iter(answer.text.split("\n"))))
        assert events[0].kind == "started" and events[-1].kind == "ended"
        assert events[-1].data["state"] == "saved"
    assert codes(session.view()) == ["x = 2", "x += 1\nprint('now', x)"]


def test_a_reload_in_mid_turn_shows_what_was_there(http: httpx.Client) -> None:
    session = SessionClient(http)
    session.start("turns", {"prompt": "Long."})
    with session.events(after=0) as events:
        shown = []
        for event in events:
            shown.append(event)
            if len(text_of(shown)) > 200:
                break
        view = session.view()
        assert view["job"]["state"] == "running" and view["job"]["prompt"] == "Long."
        (candidate,) = view["job"]["candidates"]
        assert candidate["text"].startswith(text_of(shown))
        rest = until_end(events)
    # What follows the view is exactly what it does not contain.
    later = [event for event in numbered(rest) if event.number > view["last_event"]]
    with session.events(after=view["last_event"]) as events:
        assert numbered(until_end(events)) == later
    assert (candidate["text"] + text_of(later)).strip() == session.view()["path"][0]["code"]


def test_conflicts_are_refused(http: httpx.Client) -> None:
    session = SessionClient(http)
    session.turn("Set x to 2.")
    view = session.view()
    tag = {"If-Match": f'"{view["version"]}"'}
    assert session.post("turns/1/pick", {"candidate": 1}, headers=tag).status_code == 200
    answer = session.post("turns", {"prompt": "More."}, headers=tag)
    assert answer.status_code == 409
    assert "changed in another window" in answer.json()["error"]["message"]
    job = session.start("turns", {"prompt": "Long."})
    for path, body in (
        ("turns", {"prompt": "Another."}),
        ("turns/1/retry", {}),
        ("turns/1/pick", {"candidate": 1}),
        ("move", {"turn": None}),
    ):
        answer = session.post(path, body)
        assert answer.status_code == 409, path
        assert "is being written" in answer.json()["error"]["message"]
    # The name is not the program.
    assert http.patch(session.path, json={"name": "other"}).status_code == 200
    assert http.delete(f"{session.path}/jobs/{job}").status_code == 409
    assert session.ended(job)["state"] == "saved"
    assert len(codes(session.view())) == 2


def test_a_change_in_one_tab_is_told_to_the_other(http: httpx.Client) -> None:
    session = SessionClient(http)
    with session.events() as events:
        assert next(events).data == {"version": 0}
        http.patch(session.path, json={"name": "renamed"})
        assert next(events) == ServerEvent("state", {"version": 1})
        http.delete(session.path)
        assert next(events).kind == "deleted"
        assert list(events) == []


def test_a_change_by_another_process_is_told(http: httpx.Client, server: RunningServer) -> None:
    session = SessionClient(http)
    with SessionStore(server.resources.store.path) as other, session.events() as events:
        assert next(events).data == {"version": 0}
        found = other.load(session.id)
        other.update(found)
        assert next(events) == ServerEvent("state", {"version": 1})


def test_cancelling_saves_nothing_and_the_text_stays_until_it_is_dismissed(
    http: httpx.Client,
) -> None:
    session = SessionClient(http)
    job = session.start("turns", {"prompt": "Long."})
    with session.events(after=0) as events:
        next(event for event in events if event.kind == "text")
        answer = session.post(f"jobs/{job}/cancel")
    assert answer.status_code == 200
    ended = session.ended(job)
    assert ended["state"] == "cancelled" and ended["can_retry"]
    view = session.view()
    text = view["job"]["candidates"][0]["text"]
    assert view["path"] == [] and text and SCRIPT["Long"].startswith(text)
    assert session.post(f"jobs/{job}/cancel").json()["state"] == "cancelled"
    again = session.start(f"jobs/{job}/retry")
    assert session.ended(again)["state"] == "saved"
    assert session.view()["job"] is None
    assert session.post(f"jobs/{again}/retry").status_code == 409
    assert http.delete(f"{session.path}/jobs/{job}").status_code == 204
    assert http.get(f"{session.path}/jobs/{job}").status_code == 404


def test_a_program_without_an_end_can_be_cancelled(http: httpx.Client) -> None:
    session = SessionClient(http, settings={"limits": {"cpu_seconds": 30}})
    session.turn("Set x to 2.")
    job = session.start("turns/1/edit", {"code": "while True:\n    pass"})
    with session.events(after=0) as events:
        kinds = (event.kind for event in events if event.data.get("job") == job)
        assert "candidate" in kinds
    session.post(f"jobs/{job}/cancel")
    assert session.ended(job)["state"] == "cancelled"
    assert codes(session.view()) == ["x = 2"]


def test_the_same_request_sent_again_starts_nothing(http: httpx.Client) -> None:
    session = SessionClient(http)
    key = {"Idempotency-Key": "turn-1"}
    first = session.start("turns", {"prompt": "Set x to 2."}, headers=key)
    assert first == "turn-1"
    assert session.start("turns", {"prompt": "Set x to 2."}, headers=key) == first
    session.ended(first)
    assert session.start("turns", {"prompt": "Set x to 2."}, headers=key) == first
    assert len(codes(session.view())) == 1
    answer = session.post("turns", {"prompt": "Add 1."}, headers=key)
    assert answer.status_code == 409


def test_a_client_that_was_away_for_long_is_told_to_load_again(
    http: httpx.Client, server: RunningServer, sandbox: Sandbox
) -> None:
    session = SessionClient(http)
    for number in range(MAX_JOBS + 2):
        session.turn(f"Set x to {number}.")
    resources = server.resources
    with (
        running(resources.engine, sandbox, resources.store) as other,
        other.client() as later,
        SessionClient(later, session.id).events(after=1) as events,
    ):
        kinds = [event.kind for event in until_end(events)]
    assert kinds[:2] == ["state", "reset"] and kinds.count("reset") == 1
    with session.events(after=10**9) as events:
        assert [next(events).kind, next(events).kind] == ["state", "reset"]


def test_a_failed_turn_says_why_and_can_be_tried_again(http: httpx.Client) -> None:
    session = SessionClient(http)
    job = session.ended(session.start("turns", {"prompt": "No line of the script."}))
    assert job["state"] == "failed" and job["can_retry"]
    assert "the script has no line for this prompt" in job["error"]["message"]
    assert session.view()["job"]["error"] == job["error"]
    assert session.turn("Set x to 2.")["job"] is None


def test_many_sessions_are_written_at_once_and_a_slow_reader_holds_up_none(
    http: httpx.Client,
) -> None:
    sessions = [SessionClient(http) for _ in range(12)]
    with sessions[0].events() as events:  # whose client reads nothing until the end
        next(events)
        jobs = [session.start("turns", {"prompt": "Long."}) for session in sessions]
        for session, job in zip(sessions, jobs, strict=True):
            assert session.ended(job)["state"] == "saved"
        found = until_end(events)
    assert text_of(found).strip() == sessions[0].view()["path"][0]["code"]


def test_a_model_writes_many_sessions_at_once_and_each_as_if_alone(
    tiny_engine: Engine, sandbox: Sandbox, tmp_path: Path
) -> None:
    with (
        SessionStore(tmp_path / "sessions.sqlite3") as store,
        running(tiny_engine, sandbox, store) as server,
        server.client() as http,
    ):
        body = {"prompt": "Print a number.", "sampling": {"n": 2, "max_tokens": 24}}
        alone = SessionClient(http).do("turns", body)["path"][0]
        sessions = [SessionClient(http) for _ in range(10)]
        jobs = [session.start("turns", body) for session in sessions]
        for session, job in zip(sessions, jobs, strict=True):
            assert session.ended(job)["state"] == "saved"
            turn = session.view()["path"][0]
            assert (turn["code"], turn["candidates"]) == (alone["code"], alone["candidates"])


def test_too_many_turns_are_refused_with_a_time(sandbox: Sandbox, tmp_path: Path) -> None:
    slow = ScriptSettings(seconds_per_token=0.05)
    with (
        SessionStore(tmp_path / "sessions.sqlite3") as store,
        ScriptedEngine(SCRIPT, settings=slow) as engine,
        running(engine, sandbox, store, max_waiting=1, stop_seconds=0) as server,
        server.client() as http,
    ):
        answers = [SessionClient(http).post("turns", {"prompt": "Long."}) for _ in range(35)]
        statuses = [answer.status_code for answer in answers]
        assert statuses[:33] == [202] * 33 and statuses[33:] == [429] * 2
        assert int(answers[-1].headers["retry-after"]) >= 1


def test_a_server_that_stops_hands_back_what_it_was_writing(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "sessions.sqlite3"
    slow = ScriptSettings(seconds_per_token=0.05)
    with (
        SessionStore(path) as store,
        ScriptedEngine(SCRIPT, settings=slow) as engine,
    ):
        with running(engine, sandbox, store, stop_seconds=0) as server, server.client() as http:
            session = SessionClient(http)
            job = session.start("turns", {"prompt": "Long."})
            with session.events(after=0) as events:
                shown = next(event for event in events if event.kind == "text")
        quick = ScriptedEngine(SCRIPT)
        with running(quick, sandbox, store) as server, server.client() as http:
            session = SessionClient(http, session.id)
            found = session.view()["job"]
            assert (found["id"], found["state"]) == (job, "interrupted")
            assert found["candidates"][0]["text"].startswith(text_of([shown]))
            again = session.start(f"jobs/{job}/retry")
            assert session.ended(again)["state"] == "saved"
