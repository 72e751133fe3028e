"""Thousands of requests made from the OpenAPI document: none ends in a 500, or hangs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from multiturn.apps.server.openai.bodies import ChatBody, CompletionBody
from multiturn.engines.protocol import Engine
from multiturn.sandbox.protocol import Sandbox
from multiturn.synthesis.store import SessionStore
from tests.apps.server.conftest import RunningServer, running
from tests.apps.server.leaks import no_leaks
from tests.apps.server.session_client import SessionClient

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def server(
    tiny_engine: Engine, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    path = tmp_path_factory.mktemp("store") / "sessions.sqlite3"
    with SessionStore(path) as store, running(tiny_engine, sandbox, store) as found:
        yield found


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=10,
)
NAMES = st.sampled_from([*CompletionBody.model_fields, *ChatBody.model_fields])
GOOD = {
    "prompt": st.sampled_from(["x", ["x", "y"], [1, 2], [[1], [2, 3]]]),
    "messages": st.just([{"role": "user", "content": "x"}]),
    "max_tokens": st.integers(0, 8),
    "n": st.integers(1, 3),
    "best_of": st.integers(1, 3),
    "stream": st.booleans(),
    "stream_options": st.fixed_dictionaries({"include_usage": st.booleans()}),
    "logprobs": st.integers(0, 5) | st.booleans(),
    "echo": st.booleans(),
    "temperature": st.floats(0, 2),
    "top_p": st.floats(0.01, 1),
    "seed": st.integers(-(2**63), 2**63 - 1),
    "stop": st.text(min_size=1, max_size=4) | st.lists(st.text(min_size=1, max_size=4), max_size=4),
    "suffix": st.text(max_size=8),
    "logit_bias": st.dictionaries(st.integers(0, 400).map(str), st.floats(-100, 100), max_size=3),
}
BODIES = st.fixed_dictionaries({"model": st.just("tiny")}, optional=GOOD)


@given(
    st.sampled_from(["/v1/completions", "/v1/chat/completions", "/tokenize", "/detokenize"]),
    BODIES,
    st.dictionaries(NAMES, JSON, max_size=2),
)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_body_breaks_the_server(
    server: Any, path: str, body: dict[str, Any], broken: dict[str, Any]
) -> None:
    with server.client() as client:
        answer = client.post(path, json={**body, **broken})
        assert answer.status_code in (200, 400, 404), answer.text
        if answer.headers["content-type"].startswith("text/event-stream"):
            assert answer.text.endswith("data: [DONE]\n\n")
        elif answer.status_code != 200:
            assert answer.json()["error"]["message"]


@pytest.fixture(scope="module")
def program(server: RunningServer) -> dict[str, Any]:
    """The file of a session with two turns."""
    with server.client() as http:
        session = SessionClient(http)
        session.turn("x", sampling={"max_tokens": 4})
        session.do("turns/1/edit", {"code": "x = [1, 2]\nprint(x)"})
        session.turn("y", sampling={"max_tokens": 4, "n": 2})
        return dict(http.get(f"{session.path}/export/json").json())


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_requests_made_from_the_document_break_nothing(
    server: RunningServer, program: dict[str, Any], count: int
) -> None:
    """Valid ones and others, about things that exist and others."""
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    with server.client() as http:
        schema = schemathesis.openapi.from_dict(http.get("/openapi.json").json())
    operations = [found.ok() for found in schema.get_all_operations()]
    each_gets = -(-count // len(operations))
    statuses: Counter[int] = Counter()
    with requests.Session() as sender:
        sender.headers["Authorization"] = f"Bearer {server.token}"
        for operation in operations:  # pools and caches fill
            fuzz(server, sender, program, operation, min(each_gets, 20), Counter())
        with no_leaks(megabytes=200):
            for operation in operations:
                fuzz(server, sender, program, operation, each_gets, statuses)
    assert sum(statuses.values()) >= 0.8 * count, statuses
    assert {200, 201, 202, 204, 400, 404, 409} <= statuses.keys() or count < 10_000, statuses
    assert httpx.get(f"{server.url}/healthz").status_code == 200


def fuzz(
    server: RunningServer,
    sender: requests.Session,
    program: dict[str, Any],
    operation: Any,
    count: int,
    statuses: Counter[int],
) -> None:
    """Send so many requests to an operation, most of them about a session of its own."""
    import schemathesis

    with server.client() as http:
        imported = http.post("/api/sessions/import", json=program)
        session = SessionClient(http, imported.json()["id"])
        job = session.start("turns/1/edit", {"code": "x = 1"})
        session.ended(job)
        found = {"session_id": session.id, "turn_id": 1, "job_id": job, "suffix": "json"}
        names = {each.name for each in operation.path_parameters}
        known = {name: value for name, value in found.items() if name in names}
        cases = st.one_of(
            operation.as_strategy(mode, path_parameters=which)
            for mode in schemathesis.GenerationMode
            for which in ((known, known, {}) if known else ({},))
        )

        @given(case=cases)
        @settings(
            max_examples=count, deadline=None, database=None,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        def send_all(case: Any) -> None:
            send(server, sender, operation, case, statuses)

        send_all()
        if http.get(session.path).status_code == 200:
            running = session.view()["job"]
            if running is not None and running["state"] == "running":
                session.post(f"jobs/{running['id']}/cancel")


def send(
    server: RunningServer,
    sender: requests.Session,
    operation: Any,
    case: Any,
    statuses: Counter[int],
) -> None:
    """Send a request, and hold the answer against the document."""
    # A connection that is kept may be closed for idleness just when the next request comes.
    wanted = case.as_transport_kwargs(base_url=server.url)
    wanted["headers"]["Connection"] = "close"
    try:
        answer = sender.request(**wanted, stream=True, timeout=120)
    except (requests.exceptions.InvalidHeader, requests.exceptions.InvalidURL, UnicodeError):
        reject()  # no client can send it
    except requests.exceptions.ConnectionError as error:
        raise AssertionError(case.as_curl_command()) from error
    with answer:
        statuses[answer.status_code] += 1
        assert answer.status_code < 500, (case.as_curl_command(), answer.text)
        documented = operation.definition.raw["responses"]
        assert str(answer.status_code) in documented or answer.status_code == 405, (
            case.as_curl_command(), answer.status_code,
        )  # fmt: skip
        if operation.path.endswith("/events") and answer.status_code == 200:
            return  # it has no end
        content = answer.content
        kind = answer.headers.get("content-type", "")
        if kind.startswith("application/json") and content:
            operation.validate_response(answer)
