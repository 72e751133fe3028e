"""Connections that break anywhere, readers that stop, and every kind of Last-Event-ID."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import struct
from collections.abc import Iterator

import pytest

from multiturn.engines.scripted import ScriptedEngine, ScriptSettings
from multiturn.sandbox.protocol import Sandbox
from multiturn.synthesis.store import SessionStore
from tests.apps.server.conftest import RunningServer, running
from tests.apps.server.leaks import no_leaks
from tests.apps.server.session_client import (
    SCRIPT,
    ServerEvent,
    SessionClient,
    read_events,
    texts_of,
)

pytestmark = pytest.mark.real

SENT = ("", "0", "1", "5", "999999", "9" * 15, "9" * 16, "-1", "x", "1.5", " 2", "1,2", "\u0663")
LEAVING = ("close", "reset", "half", "stop reading")


@pytest.fixture(scope="module")
def server(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    path = tmp_path_factory.mktemp("store") / "sessions.sqlite3"
    slow = ScriptSettings(seconds_per_token=0.002, slots=64)
    with (
        SessionStore(path) as store,
        ScriptedEngine(SCRIPT, settings=slow) as engine,
        running(engine, sandbox, store, stop_seconds=1) as server,
    ):
        yield server


@pytest.fixture(scope="module")
def session(server: RunningServer) -> Iterator[SessionClient]:
    with server.client() as http:
        yield SessionClient(http)


def connect(server: RunningServer) -> socket.socket:
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=60)


def request(server: RunningServer, method: str, path: str, body: str = "", **more: str) -> bytes:
    headers = {
        "Host": server.url.removeprefix("http://"),
        "Authorization": f"Bearer {server.token}",
        "Content-Length": str(len(body)),
        "Content-Type": "application/json",
        "Accept": "text/event-stream",
        **more,
    }
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def leave(connection: socket.socket, way: str) -> None:
    """Close a connection politely, or not."""
    if way == "reset":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif way == "half":
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
    connection.close()


def break_connections(server: RunningServer, session: SessionClient, count: int) -> None:
    """Open so many streams, and break each at some byte of the request or the answer."""
    chance = random.Random(17)
    kept: list[socket.socket] = []
    for number in range(count):
        if number % 20 == 0:
            be_quiet(session)
            job = session.start("turns", {"prompt": "Long.", "sampling": {"n": 2}})
        kind = chance.randrange(4)
        if kind == 0:
            body = json.dumps(
                {"model": "tiny", "prompt": "Long", "max_tokens": 400, "n": 2, "stream": True}
            )
            data = request(server, "POST", "/v1/completions", body)
        elif kind == 1:
            data = request(server, "POST", f"{session.path}/turns", '{"prompt": "Set x"}')
        else:
            after = chance.choice(["", "?after=0", "?after=3", "?after=99999"])
            last = {"Last-Event-ID": chance.choice(SENT)} if chance.random() < 0.7 else {}
            data = request(server, "GET", f"{session.path}/events{after}", **last)
        connection = connect(server)
        is_whole = chance.random() < 0.8
        if not is_whole:
            data = data[: chance.randrange(len(data))]
        with contextlib.suppress(OSError):
            connection.sendall(data)
        way = chance.choice(LEAVING)
        if way == "stop reading":
            kept.append(connection)
            if len(kept) > 40:
                leave(kept.pop(0), "reset")
        else:
            if is_whole:
                received = connection.recv(chance.choice([10, 12, 100, 4000]))
                assert not received.startswith(b"HTTP/1.1 5"), received
            leave(connection, way)
        if number % 20 == 19:
            session.post(f"jobs/{job}/cancel")
    for connection in kept:
        leave(connection, "close")
    be_quiet(session)


def be_quiet(session: SessionClient) -> None:
    """Wait until nothing is written."""
    job = session.view()["job"]
    if job is not None:
        session.ended(job["id"])


@pytest.mark.parametrize("count", [200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_broken_connections_leave_nothing(
    server: RunningServer, session: SessionClient, count: int
) -> None:
    break_connections(server, session, 60)
    with no_leaks(megabytes=64):
        break_connections(server, session, count)
        session.http.get("/healthz")
    assert server.resources.sessions.log.listeners == 0
    assert server.resources.admission.running == server.resources.admission.waiting == 0


@pytest.mark.parametrize("seed", range(3))
def test_a_reader_whose_connection_breaks_at_any_byte_misses_nothing(
    server: RunningServer, seed: int
) -> None:
    """It keeps whole events, and goes on after the last one, as browsers do."""
    chance = random.Random(seed)
    with server.client() as http:
        session = SessionClient(http)
        job = session.start("turns", {"prompt": "Long.", "sampling": {"n": 2}})
        seen: list[ServerEvent] = []
        broken = 0
        while not seen or seen[-1].kind != "ended":
            last = {"Last-Event-ID": str(seen[-1].number)} if seen else {}
            with connect(server) as connection:
                connection.sendall(request(server, "GET", f"{session.path}/events?after=0", **last))
                data, size = b"", chance.randrange(1, 4000)
                while len(data) < size and b"event: ended" not in data.rpartition(b"\n\n")[0]:
                    data += connection.recv(min(size - len(data), 700))
            broken += 1
            seen += [each for each in events_in(data) if each.number is not None]
        assert broken > 2
        assert [event.number for event in seen] == list(range(1, len(seen) + 1))
        assert session.ended(job)["state"] == "saved"
        with session.events(after=0) as events:
            stored = []
            for event in events:
                stored.append(event)
                if event.kind == "ended":
                    break
        assert seen == [event for event in stored if event.number is not None]
        texts = texts_of(seen)
        assert texts.keys() == {0, 1}
        assert all(text and SCRIPT["Long"].startswith(text) for text in texts.values())


def events_in(data: bytes) -> list[ServerEvent]:
    """The whole events in an answer that ends anywhere, which comes in chunks."""
    _, _, rest = data.partition(b"\r\n\r\n")
    body = b""
    while b"\r\n" in rest:
        size, _, rest = rest.partition(b"\r\n")
        body += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    whole = body[: body.rfind(b"\n\n") + 2] if b"\n\n" in body else b""
    return list(read_events(iter(whole.decode().split("\n"))))
