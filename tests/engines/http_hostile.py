"""Servers that misbehave, each a real socket in a thread."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable

from multiturn.core.retry import RetryPolicy
from multiturn.engines.http.engine import HttpEngine
from multiturn.engines.http.settings import HttpTimeouts
from multiturn.engines.protocol import Completion, Request, generate

QUICK = HttpTimeouts(connect=2, first_token=1, between_tokens=0.5)
QUICK_RETRY = RetryPolicy(attempts=4, first_wait=0.02, longest_wait=1)
Conversation = Callable[[socket.socket, dict], None]


class Hostile:
    """A server of which each completion is answered by the next of some conversations.

    The last one answers all that follow.
    """

    def __init__(self, *conversations: Conversation, model: str = "m", port: int = 0) -> None:
        self.conversations = list(conversations)
        self.model = model
        self.asked: list[dict] = []
        self.headers: list[str] = []
        self.hung_up = threading.Event()
        self._lock = threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port = self._socket.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}/v1"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            head, body = _read_request(connection)
            if head.startswith("GET /v1/models"):
                reply(connection, {"data": [{"id": self.model, "max_model_len": 4096}]})
                return
            if head.startswith("GET "):
                status(404)(connection, {})
                return
            with self._lock:
                self.headers.append(head)
                self.asked.append(body)
                several = len(self.conversations) > 1
                talk = self.conversations.pop(0) if several else self.conversations[0]
            try:
                talk(connection, body)
            except OSError:
                self.hung_up.set()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def _read_request(connection: socket.socket) -> tuple[str, dict]:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            raise OSError("gone")
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    text = head.decode()
    size = next(
        (
            int(x.split(":")[1])
            for x in text.split("\r\n")
            if x.lower().startswith("content-length")
        ),
        0,
    )
    while len(body) < size:
        body += connection.recv(65536)
    return text, json.loads(body) if body else {}


def reply(connection: socket.socket, answer: object, kind: str = "application/json") -> None:
    data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n\r\n"
    connection.sendall(head.encode() + data)


def status(code: int, *headers: str, body: object = "no") -> Conversation:
    def talk(connection: socket.socket, _: dict) -> None:
        data = json.dumps({"error": {"message": body}}).encode()
        lines = [f"HTTP/1.1 {code} X", f"Content-Length: {len(data)}", *headers, "", ""]
        connection.sendall("\r\n".join(lines).encode() + data)

    return talk


def begin(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")


def event(text: str = "", **choice: object) -> bytes:
    data = {"choices": [{"text": text, "index": 0, "finish_reason": None, **choice}]}
    return b"data: " + json.dumps(data).encode() + b"\n\n"


END = event(finish_reason="stop") + b"data: [DONE]\n\n"


def says(*parts: bytes | str, pause: float = 0, end: bytes = END) -> Conversation:
    """A stream of these parts; text is put into events."""

    def talk(connection: socket.socket, _: dict) -> None:
        begin(connection)
        for part in parts:
            connection.sendall(event(part) if isinstance(part, str) else part)
            time.sleep(pause)
        connection.sendall(end)

    return talk


def resets(*parts: bytes | str) -> Conversation:
    """The same, and then a reset in the middle."""

    def talk(connection: socket.socket, body: dict) -> None:
        if parts:
            says(*parts, end=b"")(connection, body)
            time.sleep(0.05)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return talk


def stalls(*parts: bytes | str, keep_alive: bool = False) -> Conversation:
    def talk(connection: socket.socket, body: dict) -> None:
        says(*parts, end=b"")(connection, body)
        for _ in range(60):
            time.sleep(0.1)
            if keep_alive:
                connection.sendall(b": still here\n\n" + b"data: " + b"{}" + b"\n\n")

    return talk


def endless(connection: socket.socket, _: dict) -> None:
    begin(connection)
    while True:
        connection.sendall(event("x" * 2000) * 20)


def ask(engine: HttpEngine, **request: object) -> Completion:
    (done,) = generate(engine, Request(**{"prompt": "x = ", "max_tokens": 50, **request}))
    return done
