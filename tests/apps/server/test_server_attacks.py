"""What someone might send to a server to break it."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from typing import Any

import httpx
import pytest
from stepping import SteppingEngine

pytestmark = pytest.mark.real

COMPLETIONS = "/v1/completions"


def connect(server: Any) -> socket.socket:
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=60)


def raw(server: Any, data: bytes, *, half_close: bool = False) -> bytes:
    """Everything that comes back for some bytes."""
    found = b""
    with connect(server) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError):
            while piece := connection.recv(65536):
                found += piece
    return found


def alive(server: Any) -> bool:
    return httpx.get(f"{server.url}/healthz", timeout=60).status_code == 200


def test_a_large_body_is_refused(server: Any) -> None:
    limit = server.resources.settings.max_body_bytes
    with server.client() as client:
        big = b'{"model": "' + b"x" * limit + b'"}'
        answer = client.post(COMPLETIONS, content=big, headers={"Content-Type": "application/json"})
        assert answer.status_code == 413 and answer.json()["error"]["message"]

        def endless() -> Any:  # without a length
            for _ in range(limit // 65536 + 2):
                yield b" " * 65536

        with contextlib.suppress(httpx.WriteError):  # the server may close first
            answer = client.post(
                COMPLETIONS, content=endless(), headers={"Content-Type": "application/json"}
            )
            assert answer.status_code == 413
    assert alive(server)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"nul",
        b"\xff\xfe",
        b'{"model": "tiny", "prompt": "\\ud800"}',
        b'{"model": "tiny", "prompt": "a", "temperature": NaN}',
        b'{"model": "tiny", "prompt": "a", "temperature": Infinity}',
        b'{"model": "tiny", "prompt": "a", "seed": 1e999}',
        b'{"model": "tiny", "prompt": "a", "n": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"[]",
        b'"x"',
        b'{"model": "\\ud800", "prompt": "a"}',
        b'{"model": "tiny", "prompt": "a", "logit_bias": {"\\u0661": 1}}',
        b'{"model": "tiny", "prompt": "a", "\\ud800": 1}',
    ],
)
def test_malformed_json_is_refused(server: Any, content: bytes) -> None:
    with server.client() as client:
        for path in (COMPLETIONS, "/v1/chat/completions"):
            answer = client.post(
                path, content=content, headers={"Content-Type": "application/json"}
            )
            assert answer.status_code in (400, 404), answer.text
            assert json.loads(answer.content)["error"]["message"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_other_kinds_of_body_are_refused(server: Any, kind: str) -> None:
    """A form of a page elsewhere could send these without a preflight."""
    with server.client() as client:
        content = b'{"model": "tiny", "prompt": "a"}'
        answer = client.post(COMPLETIONS, content=content, headers={"Content-Type": kind})
        assert answer.status_code in (400, 415)


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/v1/../healthz/../../etc/passwd",
        "//evil.example/",
        "/%00",
        "/v1/models/..%2f..%2f..%2fetc%2fpasswd",
        "/" + "a" * 60_000,
        "/static/../../pyproject.toml",
        "/healthz/../v1/models",
        "/healthz%2f..%2fv1/models",
    ],
)
def test_paths_lead_nowhere_else(server: Any, path: str) -> None:
    for authorized in (True, False):
        token = f"Authorization: Bearer {server.token}\r\n" if authorized else ""
        host = server.url.removeprefix("http://")
        answer = raw(
            server,
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{token}Connection: close\r\n\r\n".encode(),
        )
        status = int(answer.split(b" ", 2)[1])
        assert status in ((400, 404) if authorized else (400, 401))
        assert b"root:" not in answer and b"[project]" not in answer


@pytest.mark.parametrize(
    "data",
    [
        b"\0" * 1000,
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 50_000 + b"\r\n",
        b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Key: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT evil.example:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
def test_broken_requests_end(server: Any, data: bytes) -> None:
    answer = raw(server, data, half_close=True)
    assert b" 500 " not in answer.split(b"\r\n", 1)[0]
    assert alive(server)


def test_idle_connections_are_bounded(serving: Any) -> None:
    server = serving(["x"], max_connections=50)
    idle = []
    try:
        for _ in range(3000):
            idle.append(connect(server))
            assert len(idle) % 500 or alive(server)
        for _ in range(20):
            assert alive(server)
    finally:
        for connection in idle:
            connection.close()
    assert alive(server)


def test_a_request_must_arrive_in_time(serving: Any) -> None:
    server = serving(["x"], read_seconds=0.5)
    head = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
    for sent in (b"", b"GET / HT", head, head + b"Content-Length: 100\r\n\r\n{"):
        with connect(server) as connection:
            connection.sendall(sent)
            with contextlib.suppress(ConnectionResetError):
                while connection.recv(4096):  # ends, or the test's own time-out raises
                    pass


def test_a_slow_answer_is_not_taken_for_a_slow_request(serving: Any) -> None:
    engine = SteppingEngine()
    server = serving(engine, read_seconds=0.3)
    with server.client() as client:
        body = {"model": "tiny", "prompt": "p", "max_tokens": 2, "stream": True}
        engine.release(1)
        with client.stream("POST", COMPLETIONS, json=body) as answer:
            lines = answer.iter_lines()
            next(lines)
            time.sleep(1)
            engine.release(2)
            assert "data: [DONE]" in list(lines)


def test_too_many_requests_of_an_address(serving: Any) -> None:
    server = serving(["x"], requests_per_second=0.01, request_burst=3)
    with server.client() as client:
        statuses = [client.get("/v1/models").status_code for _ in range(5)]
        assert statuses == [200, 200, 200, 429, 429]
        refused = client.get("/v1/models")
        assert int(refused.headers["retry-after"]) > 1
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        assert client.get("/healthz").status_code == 200


def test_a_bug_shows_no_traceback(serving: Any, caplog: pytest.LogCaptureFixture) -> None:
    def bug(request: Any, index: int) -> str:
        raise ZeroDivisionError("secret")

    server = serving(bug)
    with server.client() as client:
        answer = client.post(COMPLETIONS, json={"model": "tiny", "prompt": "p"})
        assert answer.status_code == 500
        assert "secret" not in answer.text and answer.json()["error"]["type"] == "server_error"
        assert client.get("/healthz").status_code == 200


def test_metrics_are_named_by_no_client(server: Any) -> None:
    with server.client() as client:
        client.get("/secret-path")
        client.request("BREW", "/v1/models")
        text = client.get("/metrics").text
        assert "secret-path" not in text and "BREW" not in text
        assert 'route="/v1/models/{model' not in text or "GET" in text
