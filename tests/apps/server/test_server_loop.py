"""The event loop computes for a moment at most, whatever clients ask: it serves all of them.

What is measured is the processor time of its thread between two looks at the connections, because
how late it is in seconds depends on what else the machine does.
"""

from __future__ import annotations

import gc
import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from multiturn.engines.protocol import Engine
from multiturn.sandbox.isolation import IsolationLevel
from multiturn.sandbox.outcomes import Outcome, Status
from multiturn.sandbox.protocol import Sandbox
from multiturn.synthesis.jobs import NewEvent
from multiturn.synthesis.records import Candidate, ProgramRun, Session, SessionSettings, Turn
from multiturn.synthesis.session_file import session_document
from multiturn.synthesis.store import SessionStore
from tests.apps.server.conftest import RunningServer, running
from tests.apps.server.session_client import SessionClient

pytestmark = pytest.mark.real

MAX_SECONDS = 0.05
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def server(
    tiny_engine: Engine, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    path = tmp_path_factory.mktemp("store") / "sessions.sqlite3"
    with SessionStore(path) as store, running(tiny_engine, sandbox, store) as found:
        # As `multiturn serve` does it: other tests have left much to go through.
        gc.collect()
        gc.freeze()
        try:
            yield found
        finally:
            gc.unfreeze()


@pytest.fixture
def http(server: RunningServer) -> Iterator[httpx.Client]:
    with server.client() as client:
        client.get("/v1/models")
        server.server.selector.longest = 0.0
        yield client
        assert client.get("/healthz").status_code == 200
    assert server.server.selector.longest < MAX_SECONDS


def ask(http: httpx.Client, path: str, body: dict[str, Any], *, status: int = 200) -> Any:
    answer = http.post(path, json={"model": "tiny", **body})
    assert answer.status_code == status, answer.text[:500]
    return answer


def large_session(turns: int, output: int) -> Session:
    """A program of many turns, each of which prints much."""
    printed = ("a line that is printed\n" * (output // 23 + 1))[:output]
    run = ProgramRun(
        outcome=Outcome(Status.FINISHED), stdout=printed, rung=IsolationLevel.LIMITS_ONLY
    )
    found = {}
    for number in range(1, turns + 1):
        code = f"value_{number} = {number}\nprint('a line that is printed\\n' * 100)"
        candidate = Candidate(text=code, run=run)
        found[number] = Turn(
            id=number, parent=number - 1 or None, prompt=f"Step {number}.", candidates=(candidate,),
            chosen=0,
        )  # fmt: skip
    return Session(
        id="0",
        name="Large",
        model="none",
        style="comment",
        header="",
        settings=SessionSettings(),
        turns=found,
        current=turns,
    )


# Completions.


def test_prompts_of_many_tokens(http: httpx.Client) -> None:
    ids = [17] * (MEGABYTE // 4)
    ask(http, "/v1/completions", {"prompt": ids}, status=400)
    ask(http, "/v1/completions", {"prompt": [[each] for each in ids[:1000]]}, status=400)
    ask(http, "/v1/completions", {"prompt": [ids[:100_000], [-1]]}, status=400)
    ask(http, "/v1/completions", {"prompt": "x", "logit_bias": dict.fromkeys(
        map(str, range(60_000)), "x")}, status=400)  # fmt: skip


def test_long_texts(http: httpx.Client) -> None:
    ask(http, "/v1/completions", {"prompt": "def f(x): return x\n" * 50_000}, status=400)
    ask(http, "/v1/completions", {"prompt": ["x"] * 150_000}, status=400)


def test_long_conversations(http: httpx.Client) -> None:
    message = {"role": "user", "content": "x"}
    ask(http, "/v1/chat/completions", {"messages": [message] * 25_000}, status=400)
    wrong = {"role": "nobody", "content": "x"}
    ask(http, "/v1/chat/completions", {"messages": [message] * 25_000 + [wrong]}, status=400)


def test_texts_are_tokenized_and_back(http: httpx.Client) -> None:
    text = "def f(x): return x\n" * 50_000
    tokens = ask(http, "/tokenize", {"prompt": text}).json()["tokens"]
    assert len(tokens) > 100_000
    ask(http, "/detokenize", {"tokens": tokens[:200_000]})


@pytest.mark.parametrize("stream", [False, True])
def test_large_answers(http: httpx.Client, stream: bool) -> None:
    prompt = "def f(x): return x\n" * 60
    wanted = {"prompt": prompt, "max_tokens": 200, "n": 4, "logprobs": 20, "echo": True}
    assert len(ask(http, "/v1/completions", {**wanted, "stream": stream}).content) > MEGABYTE
    messages = [{"role": "user", "content": "x"}]
    wanted = {"messages": messages, "max_tokens": 200, "n": 8, "logprobs": True, "top_logprobs": 20}
    assert len(ask(http, "/v1/chat/completions", {**wanted, "stream": stream}).content) > MEGABYTE


def test_many_clients(server: RunningServer, http: httpx.Client) -> None:
    def one(number: int) -> None:
        with server.client() as client:
            body = {"prompt": f"# {number}\n", "max_tokens": 64, "n": 4, "stream": True}
            ask(client, "/v1/completions", body)

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(one, range(32)))


# Sessions.


def test_large_sessions(http: httpx.Client) -> None:
    document = session_document(large_session(200, 60_000))
    answer = http.post("/api/sessions/import", json=document)
    assert answer.status_code == 201
    session = SessionClient(http, answer.json()["id"])
    session.view()
    for suffix in ("py", "ipynb", "md", "json"):
        assert http.get(f"{session.path}/export/{suffix}").status_code == 200
    assert http.get(f"{session.path}/compare?left=100&right=200").status_code == 200
    assert session.post("turns/50/pick", {"candidate": 1}).status_code == 200
    assert session.post("move", {"turn": 100}).status_code == 200


def test_a_search_through_many_sessions(server: RunningServer, http: httpx.Client) -> None:
    small = large_session(10, 1000)
    for _ in range(300):
        server.resources.store.insert(small)
    assert http.get("/api/sessions", params={"search": "value_7"}).json()["total"] >= 300
    assert http.get("/api/sessions", params={"limit": 1000}).json()["total"] >= 300


@pytest.mark.parametrize("shape", ["lists", "names", "text"])
def test_large_bodies_that_are_refused(http: httpx.Client, shape: str) -> None:
    value: object = {
        "lists": [[]] * 300_000,
        "names": {str(number): 0 for number in range(80_000)},
        "text": "\u00e9" * 150_000,
    }[shape]
    session = SessionClient(http)
    example = {"expression": "x", "expected": value}
    answer = session.post("turns", {"prompt": "x" * 100_000, "examples": [example]})
    assert answer.status_code == 400


def test_clients_that_come_back_read_thousands_of_events(
    server: RunningServer, http: httpx.Client
) -> None:
    service, session = server.resources.sessions, SessionClient(http)
    job, _ = service.jobs.begin(session.id, "turn", {"prompt": "x"}, job_id="many")
    for number in range(5000):
        service.log.put(NewEvent(session.id, "many", "notice", {"text": f"Notice {number}."}))
    service.log.end(job, "cancelled")
    for _ in range(3):
        with session.events(after=0) as events:
            notices = 0
            for event in events:
                notices += event.kind == "notice"
                if event.kind == "ended":
                    break
            assert notices == 5000


# What needs no token.


def raw(server: RunningServer) -> Callable[[bytes], bytes]:
    def send(data: bytes) -> bytes:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(data)
            return connection.recv(65536)

    return send


def test_many_small_headers(server: RunningServer, http: httpx.Client) -> None:
    head = b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"a:\r\n" * 12_000 + b"\r\n"
    raw(server)(head)


def test_a_body_in_chunks_of_one_byte(server: RunningServer, http: httpx.Client) -> None:
    head = (
        b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Type: application/json\r\nAuthorization: Bearer " + server.token.encode()
    )
    assert b" 400 " in raw(server)(head + b"\r\n\r\n" + b"1\r\n[\r\n" * 50_000 + b"0\r\n\r\n")


def test_the_document_and_the_metrics(http: httpx.Client) -> None:
    for path in ("/openapi.json", "/metrics"):
        assert json.dumps(http.get(path).text)
