"""Many clients at once: the queue, slow readers, clients that leave, and stopping."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from stepping import SteppingEngine

from multiturn.engines.protocol import FinishReason

pytestmark = pytest.mark.real

COMPLETIONS = "/v1/completions"


def body(prompt: str = "p", **more: Any) -> dict[str, Any]:
    return {"model": "tiny", "prompt": prompt, "max_tokens": 4, **more}


def metric(server: Any, name: str) -> float:
    with server.client() as client:
        text = client.get("/metrics").text
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def wait_until(condition: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_clients_share_the_steps_of_the_engine(server: Any) -> None:
    """Each gets what it gets alone, and they run at the same time."""
    prompts = [f"def f{number}(x):\n" for number in range(24)]

    def ask(prompt: str) -> str:
        with server.client() as client:
            answer = client.post(COMPLETIONS, json=body(prompt, temperature=0, max_tokens=30))
            assert answer.status_code == 200, answer.text
            return str(answer.json()["choices"][0]["text"])

    alone = [ask(prompt) for prompt in prompts]
    with ThreadPoolExecutor(24) as pool:
        together = list(pool.map(ask, prompts))
    assert together == alone


def test_calls_run_together_up_to_the_slots(serving: Any) -> None:
    engine = SteppingEngine(slots=3)
    server = serving(engine, max_waiting=10)

    def ask(number: int) -> int:
        with server.client() as client:
            return client.post(COMPLETIONS, json=body(str(number))).status_code

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(ask, number) for number in range(8)]
        engine.wait_for(lambda: len(engine.started) == 3)
        wait_until(lambda: server.resources.admission.waiting == 5)
        assert len(engine.started) == 3
        engine.release(4)
        assert [answer.result(60) for answer in answers] == [200] * 8
    assert metric(server, 'multiturn_generations_total{outcome="completed"}') == 8
    assert metric(server, "multiturn_running_continuations") == 0


def test_a_full_queue_says_when_to_come_back(serving: Any) -> None:
    engine = SteppingEngine(slots=1)
    server = serving(engine, max_waiting=1)
    with ThreadPoolExecutor(2) as pool, server.client() as client:
        first = pool.submit(client.post, COMPLETIONS, json=body())
        engine.wait_for(lambda: engine.started)
        second = pool.submit(client.post, COMPLETIONS, json=body())
        wait_until(lambda: server.resources.admission.waiting == 1)
        refused = client.post(COMPLETIONS, json=body())
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 120
        assert refused.json()["error"]["code"] == "queue_full"
        assert client.get("/healthz").status_code == 200
        engine.release(4)
        assert first.result(60).status_code == second.result(60).status_code == 200


def test_a_client_that_leaves_stops_its_generation(serving: Any) -> None:
    engine = SteppingEngine(slots=1)
    server = serving(engine)
    with server.client() as client:
        for stream in (True, False):
            engine.ended.clear()
            name = f"leaves {stream}"
            if stream:
                engine.release(2)
                sending = client.stream(
                    "POST", COMPLETIONS, json=body(name, stream=True, max_tokens=1000)
                )
                with sending as answer:
                    next(answer.iter_lines())
            else:
                with pytest.raises(httpx.ReadTimeout):
                    client.post(COMPLETIONS, json=body(name, max_tokens=1000), timeout=0.5)
            engine.wait_for(lambda name=name: (name, FinishReason.CANCELLED) in engine.ended)
        # Its place in the queue is free again.
        engine.release(4)
        assert client.post(COMPLETIONS, json=body()).status_code == 200
    assert metric(server, 'multiturn_generations_total{outcome="cancelled"}') == 2


def test_a_client_that_leaves_the_queue_never_begins(serving: Any) -> None:
    engine = SteppingEngine(slots=1)
    server = serving(engine)
    with server.client() as client, ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.post, COMPLETIONS, json=body("first"))
        engine.wait_for(lambda: engine.started)
        with pytest.raises(httpx.ReadTimeout):
            client.post(COMPLETIONS, json=body("second"), timeout=0.5)
        wait_until(lambda: server.resources.admission.waiting == 0)
        engine.release(4)
        assert first.result(60).status_code == 200
        assert engine.started == ["first"]


def slow_reader(server: Any, request: dict[str, Any]) -> socket.socket:
    """A client that sends a request and reads nothing."""
    host, port = server.url.removeprefix("http://").split(":")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((host, int(port)))
    data = json.dumps(request).encode()
    head = (
        f"POST {COMPLETIONS} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {server.token}\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    connection.sendall(head.encode() + data)
    return connection


def test_a_slow_reader_holds_up_no_one(serving: Any) -> None:
    engine = SteppingEngine(slots=2, piece="x" * 50_000)
    server = serving(engine, max_buffered_bytes=1 << 20)
    connection = slow_reader(server, body("slow", stream=True, max_tokens=2000))
    try:
        engine.wait_for(lambda: "slow" in engine.started)
        engine.release(2000)
        # The engine never waits for it: it is cut off when its buffer is full.
        engine.wait_for(lambda: ("slow", FinishReason.CANCELLED) in engine.ended)
        with server.client() as client:
            answer = client.post(COMPLETIONS, json=body("quick", max_tokens=1))
            assert answer.status_code == 200
        assert metric(server, 'multiturn_generations_total{outcome="slow_reader"}') == 1
        received = b""
        while piece := connection.recv(1 << 16):
            received += piece
            if b"slow_reader" in received[-4096:]:
                break
        assert b'"code":"slow_reader"' in received and b"[DONE]" not in received
    finally:
        connection.close()


def test_a_reader_that_stops_is_disconnected(serving: Any) -> None:
    engine = SteppingEngine(slots=2, piece="x" * 50_000)
    server = serving(engine, max_buffered_bytes=1 << 28, write_seconds=0.5)
    connection = slow_reader(server, body("stops", stream=True, max_tokens=2000))
    try:
        engine.release(1999)
        engine.wait_for(lambda: ("stops", FinishReason.CANCELLED) in engine.ended)
    finally:
        connection.close()


def test_an_engine_that_fails_ends_the_stream_with_an_error(serving: Any) -> None:
    engine = SteppingEngine()
    server = serving(engine)
    engine.release(1)
    with (
        server.client() as client,
        client.stream("POST", COMPLETIONS, json=body(stream=True)) as answer,
    ):
        lines = answer.iter_lines()
        next(lines)
        engine.fail(RuntimeError())
        rest = [line for line in lines if line]
    assert json.loads(rest[-1].removeprefix("data: "))["error"]["code"] == "engine_failed"
    with server.client() as client:
        answer = client.post(COMPLETIONS, json=body())
        assert answer.status_code == 503 and answer.json()["error"]["code"] == "engine_failed"


def test_a_stop_lets_running_requests_finish(serving: Any) -> None:
    engine = SteppingEngine(slots=1)
    server = serving(engine, stop_seconds=60)
    with server.client() as client, ThreadPoolExecutor(2) as pool:
        running = pool.submit(client.post, COMPLETIONS, json=body("running"))
        engine.wait_for(lambda: engine.started)
        waiting = pool.submit(client.post, COMPLETIONS, json=body("waiting"))
        wait_until(lambda: server.resources.admission.waiting == 1)
        server.server.stop()
        refused = waiting.result(60)
        assert refused.status_code == 503 and refused.headers["retry-after"]
        engine.release(4)
        assert running.result(60).json()["choices"][0]["text"] == "xxxx"


def test_a_stop_hands_back_what_does_not_finish(serving: Any) -> None:
    engine = SteppingEngine(slots=2)
    server = serving(engine, stop_seconds=0.2)
    engine.release(2)
    with (
        server.client() as client,
        client.stream("POST", COMPLETIONS, json=body("long", stream=True, max_tokens=9)) as answer,
    ):
        lines = answer.iter_lines()
        next(lines)
        server.server.stop()
        rest = [json.loads(line.removeprefix("data: ")) for line in lines if line]
    assert rest[-1]["error"]["code"] == "stopping"
    engine.wait_for(lambda: ("long", FinishReason.CANCELLED) in engine.ended)


def test_the_event_loop_is_not_blocked_by_long_prompts(server: Any) -> None:
    """Tokenizing a megabyte takes seconds; a request meanwhile takes none."""
    done = threading.Event()
    waits: list[float] = []

    def watch() -> None:
        with server.client() as client:
            while not done.is_set():
                started = time.perf_counter()
                client.get("/healthz")
                waits.append(time.perf_counter() - started)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        with server.client() as client:
            answer = client.post(COMPLETIONS, json=body("def f(x): return x\n" * 50_000))
        assert answer.json()["error"]["code"] == "context_length_exceeded"
    finally:
        done.set()
        watching.join()
    assert len(waits) > 3  # it answered while the prompt was tokenized
