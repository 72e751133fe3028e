"""Candidates that are written and run again from their records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from multiturn.engines.native.loader import open_native
from multiturn.engines.scripted import ScriptedEngine
from multiturn.sandbox.protocol import Sandbox
from multiturn.synthesis.store import SessionStore
from tests.apps.server.conftest import RunningServer, running
from tests.apps.server.session_client import SCRIPT, SessionClient

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def server(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    path = tmp_path_factory.mktemp("store") / "sessions.sqlite3"
    with (
        SessionStore(path) as store,
        ScriptedEngine(SCRIPT) as engine,
        running(engine, sandbox, store) as server,
    ):
        yield server


@pytest.fixture
def session(server: RunningServer) -> Iterator[SessionClient]:
    with server.client() as http:
        yield SessionClient(http)


def replay(session: SessionClient, turn: int, candidate: int | None = None) -> dict[str, Any]:
    answer = session.post(f"turns/{turn}/replay", {"candidate": candidate})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_every_candidate_is_written_and_run_as_recorded(session: SessionClient) -> None:
    session.turn("Set x to 2.")
    before = session.turn("Double x.", sampling={"n": 3})
    for number, code in enumerate(("x = x + x + 1\nprint(x)", "x *= 2\nprint(x)", "x = y"), 1):
        found = replay(session, 2, number)
        assert found["code"] == code
        assert found["candidate"] == number
        assert [found[f"same_{what}"] for what in ("model", "prompt", "code", "output")] == [
            True
        ] * 4
    assert replay(session, 2)["candidate"] == before["path"][1]["chosen"]
    assert session.view() == before  # nothing is saved


def test_edited_code_runs_again_and_no_model_writes(session: SessionClient) -> None:
    session.turn("Set x to 2.")
    session.do("turns/1/edit", {"code": "x = 3\nprint(x)"})
    turn = session.view()["current"]
    found = replay(session, turn)
    assert found["same_model"] is found["same_prompt"] is found["code"] is None
    assert found["same_output"] and found["run"]["stdout"] == "3\n"


def test_a_repair_is_not_written_since_its_prompt_is_in_no_record(session: SessionClient) -> None:
    session.turn("Set x to 2.")
    session.turn("Double x.")
    view = session.do("turns/2/repair", {"message": "it adds 1"})
    number = view["path"][1]["candidates"]
    found = replay(session, 2, number)
    assert found["same_prompt"] is False and found["code"] is None and found["same_output"]


def test_a_difference_is_said(sandbox: Sandbox, tmp_path: Path) -> None:
    """Another model wrote the turn, and the program prints what time it is."""
    script = {"Set x": "import time\nx = time.time_ns()\nprint(x)\n"}
    with SessionStore(tmp_path / "sessions.sqlite3") as store:
        with (
            ScriptedEngine(script, model="one") as engine,
            running(engine, sandbox, store) as server,
            server.client() as http,
        ):
            session = SessionClient(http)
            session.turn("Set x to 2.")
        with (
            ScriptedEngine(SCRIPT, model="other") as engine,
            running(engine, sandbox, store) as server,
            server.client() as http,
        ):
            found = replay(SessionClient(http, session.id), 1)
    assert found["same_prompt"]
    assert [found[f"same_{what}"] for what in ("model", "code", "output")] == [False] * 3
    assert found["code"] == "x = 2"


def test_a_model_that_samples_writes_the_same(
    tiny_gguf: Callable[..., Path], home: Path, tmp_path: Path, sandbox: Sandbox
) -> None:
    """Each candidate alone, as it was written among others."""
    del home
    with (
        SessionStore(tmp_path / "sessions.sqlite3") as store,
        open_native(tiny_gguf(context=2048, vocabulary=310), threads=1, slots=4) as engine,
        running(engine, sandbox, store) as server,
        server.client() as http,
    ):
        session = SessionClient(http)
        sampling = {"n": 3, "temperature": 0.5, "other_temperature": 1.5, "max_tokens": 12}
        session.turn("Set x to 2.", sampling=sampling)
        detail = session.http.get(f"{session.path}/turns/1").json()
        for candidate in detail["all_candidates"]:
            found = replay(session, 1, candidate["number"])
            assert found["same_code"] and found["code"] == candidate["code"]


def test_what_is_not_there_is_refused(session: SessionClient) -> None:
    session.turn("Set x to 2.")
    assert session.post("turns/1/replay", {"candidate": 2}).status_code == 400
    assert session.post("turns/9/replay").status_code == 404
