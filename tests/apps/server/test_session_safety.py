"""Stored scripts, names that climb out, and bodies that no page sends."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import httpx
import pytest

from multiturn.engines.scripted import ScriptedEngine
from multiturn.sandbox.protocol import Sandbox
from multiturn.synthesis.store import SessionStore
from tests.apps.server.conftest import running
from tests.apps.server.session_client import SessionClient

pytestmark = pytest.mark.real

HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(1)">'
SCRIPT = {"Show it": f"print({HOSTILE!r})\n", "One": "x = 1\n"}


@pytest.fixture(scope="module")
def http(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    path = tmp_path_factory.mktemp("store") / "sessions.sqlite3"
    with (
        SessionStore(path) as store,
        ScriptedEngine(SCRIPT) as engine,
        running(engine, sandbox, store) as server,
        server.client() as client,
    ):
        yield client


def test_a_script_in_a_turn_an_output_and_a_name_is_only_data(http: httpx.Client) -> None:
    session = SessionClient(http, name=HOSTILE)
    view = session.turn(f"Show it: {HOSTILE}")
    assert view["name"] == HOSTILE
    assert view["path"][0]["printed"] == f"{HOSTILE}\n"
    paths = [session.path, "/api/sessions", f"{session.path}/turns/1"]
    paths += [f"{session.path}/export/{suffix}" for suffix in ("py", "ipynb", "md", "json")]
    for path in paths:
        answer = http.get(path)
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "html" not in answer.headers["content-type"]
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        if "export" in path:
            disposition = answer.headers["content-disposition"]
            assert disposition.startswith("attachment; ") and "<" not in disposition


@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n", "\r\r", "\u2028\u2028"])
def test_a_prompt_cannot_forge_an_event(http: httpx.Client, end: str) -> None:
    session = SessionClient(http)
    prompt = f"Show it{end}event: deleted{end[:1]}data: {{}}{end}"
    answer = session.post("turns", {"prompt": prompt}, headers={"Accept": "text/event-stream"})
    lines = re.split("\r\n|\n|\r", answer.text)  # as browsers do
    kinds = {line.partition(": ")[2] for line in lines if line.startswith("event:")}
    assert answer.status_code == 202 and "ended" in kinds and "deleted" not in kinds
    assert "event: deleted" in session.view()["path"][0]["prompt"]


@pytest.mark.parametrize(
    "words", ["%", "_", "' OR 1=1 --", '"', "\\", "../../etc/passwd", "\u0000", "<script>", "*"]
)
def test_words_of_a_search_are_only_words(http: httpx.Client, words: str) -> None:
    session = SessionClient(http, name="Nothing of it")
    found = http.get("/api/sessions", params={"search": words})
    assert found.status_code in (200, 400)
    if found.status_code == 200:
        assert session.id not in {each["id"] for each in found.json()["sessions"]}


def test_a_session_file_cannot_name_its_place(http: httpx.Client) -> None:
    session = SessionClient(http, name="Kept")
    session.turn("One.")
    document = http.get(f"{session.path}/export/json").json()
    document["session"] |= {"id": session.id, "name": HOSTILE, "model": "../../etc/passwd"}
    for place in (session.id, "../../x", "<img src=x>"):
        document["session"]["id"] = place
        answer = http.post("/api/sessions/import", json=document)
        assert answer.status_code == 201, answer.text
        assert set(answer.json()["id"]) <= set("0123456789abcdef")
        assert answer.json()["id"] != session.id
    assert session.view()["name"] == "Kept"


@pytest.mark.parametrize("key", ["../../x", "a/b", "a b", "\u00e9", "x" * 65, "%2e%2e"])
def test_the_name_of_a_request_is_only_a_name(http: httpx.Client, key: str) -> None:
    session = SessionClient(http)
    answer = session.post("turns", {"prompt": "One."}, headers={"Idempotency-Key": key.encode()})
    assert answer.status_code == 400
    assert session.view()["job"] is None


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "..", ".", "a/b", 'x"; filename="y.html', "C:\\x", "über—Summe", "%2e%2e"],
)
def test_the_name_of_a_session_names_no_other_file(http: httpx.Client, name: str) -> None:
    session = SessionClient(http, name=name)
    session.turn("One.")
    disposition = http.get(f"{session.path}/export/py").headers["content-disposition"]
    file_name = disposition.removeprefix('attachment; filename="').removesuffix('"')
    assert file_name.endswith(".py") and not file_name.startswith(".")
    assert set(file_name) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
    )


@pytest.mark.parametrize(
    "path",
    [
        "/api/sessions/..%2f..%2fetc%2fpasswd",
        "/api/sessions/%2e%2e",
        "/api/sessions/x'%20OR%201=1--",
        "/api/sessions/{id}/export/..%2fpy",
        "/api/sessions/{id}/export/%00",
        "/api/sessions/{id}/turns/-1",
        "/api/sessions/{id}/turns/99999999999999999999",
        "/api/sessions/{id}/jobs/..%2f..",
        "/api/sessions/{id}/jobs/none",
        "/api/sessions/{id}/events?after=-1",
        "/api/sessions/{id}/events?after=99999999999999999999999",
        "/api/sessions/{id}/compare?left=1&right=1",
        "/api/sessions/00000000",
        "/api/sessions/00000000/events",
    ],
)
def test_a_name_that_climbs_out_finds_nothing(http: httpx.Client, path: str) -> None:
    session = SessionClient(http)
    answer = http.get(path.replace("{id}", session.id))
    assert answer.status_code in (400, 404)
    assert set(answer.json()) == {"error"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("turns", "{"),
        ("turns", "[]"),
        ("turns", '{"prompt": 1}'),
        ("turns", '{"prompt": ""}'),
        ("turns", '{"prompt": "\\ud800"}'),
        ("turns", '{"prompt": "a\\u0000b"}'),
        ("turns", '{"prompt": "x", "other": 1}'),
        ("turns", '{"prompt": "x", "sampling": {"n": 1000}}'),
        ("turns", '{"prompt": "x", "sampling": {"temperature": NaN}}'),
        ("turns", '{"prompt": "x", "sampling": {"seed": 1e400}}'),
        ("turns", '{"prompt": "x", "sampling": {"max_tokens": 100000000}}'),
        ("turns", '{"prompt": "x", "examples": [{"expected": NaN}]}'),
        ("turns", '{"prompt": "x", "examples": [{"expected": ' + "[" * 900 + "]" * 900 + "}]}"),
        ("turns", '{"prompt": "x", "examples": [{"expected": ' + "[" * 99999 + "]" * 99999 + "}]}"),
        ("turns", json.dumps({"prompt": "x" * 20_000})),
        ("move", "{}"),
        ("move", '{"turn": true}'),
        ("turns/1/pick", '{"candidate": 99999999999999999999999}'),
        ("turns/1/edit", json.dumps({"code": "x" * 300_000})),
        ("turns/1/edit", json.dumps({"code": "\x07"})),
        ("turns/1/repair", json.dumps({"message": "\x1b[2J"})),
        ("turns/1/retry", '{"count": -1}'),
        ("turns/1/retry", '{"count": 1.5}'),
        ("turns/7/retry", "{}"),
        ("follow", '{"write": "yes"}'),
        ("follow", "{}"),
        ("run", '{"turn": 77}'),
    ],
)
def test_a_body_that_is_wrong_is_refused_in_one_line(
    http: httpx.Client, path: str, body: str
) -> None:
    session = SessionClient(http)
    view = session.turn("One.")
    answer = http.post(
        f"{session.path}/{path}", content=body, headers={"Content-Type": "application/json"}
    )
    if answer.status_code == 202:  # refused by the engine: the turn does not fit its window
        job = session.ended(answer.json()["id"])
        assert job["state"] == "failed" and job["error"]["message"]
    else:
        assert answer.status_code in (400, 404), answer.text
        assert "\n" not in answer.json()["error"]["message"]
    assert session.view()["version"] == view["version"]


@pytest.mark.parametrize("tag", ["7", '"x"', '"-1"', '"1", "2"', '"' + "9" * 40 + '"'])
def test_an_if_match_that_is_none_is_refused(http: httpx.Client, tag: str) -> None:
    session = SessionClient(http)
    answer = session.post("move", {"turn": None}, headers={"If-Match": tag})
    assert answer.status_code == 400


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "9" * 40, "٣"])
def test_a_last_event_id_that_is_none_is_refused(http: httpx.Client, last: str) -> None:
    session = SessionClient(http)
    answer = http.get(f"{session.path}/events", headers={"Last-Event-ID": last.encode()})
    assert answer.status_code == 400


def test_the_document_names_every_endpoint_and_its_refusals(http: httpx.Client) -> None:
    document = http.get("/openapi.json").json()
    paths = {path: item for path, item in document["paths"].items() if path.startswith("/api/")}
    assert len(paths) >= 20
    for path, item in paths.items():
        for method, operation in item.items():
            assert operation["summary"] and operation["description"], (method, path)
            assert "400" in operation["responses"]
            if "{session_id}" in path:
                assert "404" in operation["responses"], (method, path)
    turns = paths["/api/sessions/{session_id}/turns"]["post"]
    assert {"202", "409", "429"} <= turns["responses"].keys()
    assert "text/event-stream" in turns["responses"]["202"]["content"]
    names = {each["name"] for each in turns["parameters"]}
    assert {"session_id", "If-Match", "Idempotency-Key"} <= names
