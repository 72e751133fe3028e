"""Programs written turn by turn over HTTP, with the real sandbox."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from multiturn.engines.scripted import ScriptedEngine
from multiturn.sandbox.protocol import Sandbox
from multiturn.synthesis.store import SessionStore
from tests.apps.server.conftest import RunningServer, running
from tests.apps.server.session_client import SCRIPT, SessionClient, codes

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def server(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    path = tmp_path_factory.mktemp("store") / "sessions.sqlite3"
    with (
        SessionStore(path) as store,
        ScriptedEngine(SCRIPT) as engine,
        running(engine, sandbox, store, max_sessions=40) as server,
    ):
        yield server


@pytest.fixture
def http(server: RunningServer) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


@pytest.fixture
def session(http: httpx.Client) -> Iterator[SessionClient]:
    session = SessionClient(http, name="sums")
    yield session
    http.delete(session.path)


def test_a_program_in_turns_with_its_output_and_variables(session: SessionClient) -> None:
    view = session.turn("Set x to 2.")
    assert codes(view) == ["x = 2"]
    view = session.turn("Double x.", sampling={"n": 3})
    (first, second) = view["path"]
    assert first["values"] == [{"name": "x", "value": "2", "changed": True}]
    assert second["candidates"] == 3 and second["printed"] == "4\n"
    assert second["chosen"] == 2 and second["good"]
    view = session.turn("Add 1.")
    assert view["path"][2]["printed"] == "now 5\n"
    assert view["job"] is None and view["stale"] == []
    assert session.http.get(f"{session.path}/export/py").text.endswith("print('now', x)\n")


def test_candidates_side_by_side_have_code_and_output(session: SessionClient) -> None:
    session.turn("Set x to 2.")
    view = session.turn("Double x.", sampling={"n": 3})
    turn = session.http.get(f"{session.path}/turns/{view['current']}").json()
    assert [each["code"].split("\n")[0] for each in turn["all_candidates"]] == [
        "x = x + x + 1",
        "x *= 2",
        "x = y",
    ]
    assert [each["run"]["stdout"] for each in turn["all_candidates"]] == ["5\n", "4\n", ""]
    assert turn["all_candidates"][2]["run"]["error"].startswith("NameError")
    assert turn["program"] == session.http.get(f"{session.path}/export/py").text


def test_retry_and_pick(session: SessionClient) -> None:
    session.turn("Set x to 2.")
    view = session.turn("Double x.")
    at = view["current"]
    view = session.do(f"turns/{at}/retry", {"count": 2, "temperature": 0.9})
    assert view["path"][1]["candidates"] == 3
    answer = session.post(f"turns/{at}/pick", {"candidate": 1})
    assert answer.status_code == 200
    assert answer.json()["path"][1]["chosen"] == 1
    assert session.post(f"turns/{at}/pick", {"candidate": 9}).status_code == 400
    assert session.post(f"turns/{at}/retry", {"temperature": 0}).status_code == 400


def test_an_edit_of_an_earlier_turn_leaves_the_later_ones_stale(session: SessionClient) -> None:
    session.turn("Set x to 2.")
    session.turn("Double x.", sampling={"n": 2})
    before = session.turn("Add 1.")
    view = session.do("turns/1/edit", {"code": "x = 10"})
    assert codes(view) == ["x = 10"] and view["path"][0]["edited"]
    assert [turn["prompt"] for turn in view["stale"]] == ["Double x.", "Add 1."]
    view = session.do("follow")
    assert [turn["printed"] for turn in view["path"]] == ["", "20\n", "now 21\n"]
    assert view["stale"] == []
    compared = session.http.get(
        f"{session.path}/compare?left={before['current']}&right={view['current']}"
    ).json()
    assert not compared["same_program"] and not compared["same_output"]
    changed = [line for line in compared["output"] if line["kind"] != "same"]
    assert changed == [
        {"kind": "left", "text": "4"},
        {"kind": "left", "text": "now 5"},
        {"kind": "right", "text": "20"},
        {"kind": "right", "text": "now 21"},
    ]
    assert compared["values"] == [{"name": "x", "left": "5", "right": "21"}]
    # The branch from before is still there.
    answer = session.post("move", {"turn": before["current"]})
    assert codes(answer.json()) == codes(before)


def test_another_prompt_is_written_again(session: SessionClient) -> None:
    session.turn("Set x to 2.")
    session.turn("Double x.", sampling={"n": 2})
    view = session.do("turns/1/edit", {"prompt": "Set x to 2, please."})
    assert view["path"][0]["prompt"] == "Set x to 2, please."
    assert [turn["prompt"] for turn in view["stale"]] == ["Double x."]
    view = session.do("follow", {"write": True})
    assert [turn["prompt"] for turn in view["path"]] == ["Set x to 2, please.", "Double x."]
    view = session.do("turns/{}/edit".format(view["path"][0]["id"]), {"prompt": "P", "code": "x=1"})
    assert (view["path"][0]["prompt"], view["path"][0]["code"]) == ("P", "x=1")
    assert session.post("turns/1/edit", {}).status_code == 400


def test_an_example_chooses_the_candidate_and_goes_away_again(session: SessionClient) -> None:
    session.turn("Set x to 2.")
    view = session.turn("Double x.", sampling={"n": 2})
    at = view["current"]
    assert view["path"][1]["chosen"] == 2
    view = session.do(f"turns/{at}/examples", {"words": "x == 5"})
    assert view["path"][1]["chosen"] == 1
    (example,) = view["path"][1]["examples"]
    assert example["description"] == "x == 5" and example["passes"] is True
    view = session.do(f"turns/{at}/examples", {"expected": "5"})
    assert [each["passes"] for each in view["path"][1]["examples"]] == [True, True]
    deleted = session.http.delete(f"{session.path}/turns/{at}/examples/1")
    assert session.ended(deleted.json()["id"])["state"] == "saved"
    assert len(session.view()["path"][1]["examples"]) == 1
    for wrong in ({}, {"words": " "}, {"words": "1", "expected": 1}):
        assert session.post(f"turns/{at}/examples", wrong).status_code == 400


def test_an_example_that_fails_is_repaired(session: SessionClient) -> None:
    session.turn("Set x to 2.")
    view = session.turn("Double x.", examples=[{"words": "x == 4"}])
    assert not view["path"][1]["good"]
    view = session.do(f"turns/{view['current']}/repair", {"message": "It adds one too many."})
    assert view["path"][1]["good"] and view["path"][1]["printed"] == "4\n"


def test_a_retry_that_repeats_everything_moves_nowhere(session: SessionClient) -> None:
    session.turn("Set x to 2.")
    before = session.turn("Double x.")
    view = session.do("turns/1/retry")
    assert view["current"] == before["current"] and view["stale"] == []
    assert [turn["id"] for turn in view["path"]] == [turn["id"] for turn in before["path"]]


def test_rewind_and_branch(session: SessionClient) -> None:
    session.turn("Set x to 2.")
    first = session.turn("Double x.")
    assert session.post("move", {"turn": 1}).status_code == 200
    view = session.turn("Add 1.")
    assert [turn["prompt"] for turn in view["path"]] == ["Set x to 2.", "Add 1."]
    assert len(view["tree"]) == 3
    assert {turn["parent"] for turn in view["tree"][1:]} == {1}
    beginning = session.post("move", {"turn": None}).json()
    assert beginning["path"] == [] and beginning["current"] is None
    compared = session.http.get(f"{session.path}/compare?left=0&right={first['current']}").json()
    assert compared["left"] is None and compared["right_turns"] == [1, 2]


def test_the_program_runs_again_and_nothing_is_saved(session: SessionClient) -> None:
    session.turn("Set x to 2.")
    view = session.turn("Add 1.")
    assert session.post("run").json()["stdout"] == "now 3\n"
    assert session.post("run", {"turn": 1}).json()["stdout"] == ""
    assert session.view()["version"] == view["version"]


def test_settings_and_names_change_but_the_program_does_not(session: SessionClient) -> None:
    answer = session.http.patch(
        session.path, json={"name": "products", "settings": {"sampling": {"n": 2}, "retries": 1}}
    )
    assert answer.status_code == 200
    view = answer.json()
    assert view["name"] == "products"
    assert view["settings"]["sampling"]["n"] == 2
    assert view["settings"]["sampling"]["temperature"] == 0.2
    for wrong in (
        {"settings": {"header": "import os"}},
        {"settings": {"sampling": {"n": 0}}},
        {"settings": {"limits": {"memory_bytes": 1 << 50}}},
        {"settings": {"colour": 1}},
        {"name": "a\nb"},
        {"name": ""},
    ):
        assert session.http.patch(session.path, json=wrong).status_code == 400, wrong
    assert session.view()["version"] == view["version"]


def test_delete_and_undo_list_and_search(http: httpx.Client) -> None:
    session = SessionClient(http, name="Zebra crossing")
    session.turn("Set x to 2.")

    def found(query: str) -> list[str]:
        return [each["id"] for each in http.get(f"/api/sessions?{query}").json()["sessions"]]

    for words in ("zebra", "SET X", "x = 2"):
        assert found(f"search={words}")[0] == session.id
    assert found("search=zebu") == []
    assert http.delete(session.path).status_code == 204
    assert http.get(session.path).status_code == 404
    assert http.delete(session.path).status_code == 404
    assert session.post("turns", {"prompt": "More."}).status_code == 404
    assert session.id not in found("limit=1000") and found("search=zebra") == []
    assert session.id in found("deleted=true")
    restored = http.post(f"{session.path}/restore").json()
    assert codes(restored) == ["x = 2"]
    assert http.post(f"{session.path}/restore").status_code == 404
    assert found("search=zebra") == [session.id]


def test_exports_and_imports(session: SessionClient) -> None:
    assert session.http.get(f"{session.path}/export/py").status_code == 400
    session.turn("Set x to 2.")
    session.turn("Double x.", sampling={"n": 2})
    session.do("turns/1/edit", {"code": "x = 3"})
    files = {
        suffix: session.http.get(f"{session.path}/export/{suffix}")
        for suffix in ("py", "ipynb", "md", "jsonl", "json")
    }
    for suffix, answer in files.items():
        assert answer.headers["content-disposition"] == f'attachment; filename="sums.{suffix}"'
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert json.loads(files["ipynb"].text)["nbformat"] == 4
    document = files["json"].json()
    answer = session.http.post("/api/sessions/import", json=document)
    assert answer.status_code == 201
    copy = SessionClient(session.http, answer.json()["id"])
    assert copy.id != session.id
    mine, theirs = session.view(), copy.view()
    assert codes(theirs) == codes(mine) and theirs["tree"] == mine["tree"]
    assert [turn["prompt"] for turn in theirs["stale"]] == ["Double x."]
    assert codes(copy.do("follow")) == ["x = 3", "x *= 2\nprint(x)"]


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "other/1"},
        {"session": None},
        {"session": {}},
        {"turns": [{"id": 1}]},
        {"turns": "all"},
        {"parent": 1},
        {"parent": 7},
        {"chosen": 5},
        {"id": 2**40},
        {"current": 9},
        {"name": "x" * 500},
        {"name": "\ud800"},
        {"seed": float("inf")},
    ],
    ids=str,
)
def test_a_file_that_is_no_session_is_refused(session: SessionClient, change: dict) -> None:
    session.turn("Set x to 2.")
    document = session.http.get(f"{session.path}/export/json").json()
    for key, value in change.items():
        if key in document:
            document[key] = value
        elif key in document["session"]:
            document["session"][key] = value
        elif key == "seed":
            document["session"]["turns"][0]["candidates"][0]["mean_logprob"] = value
        else:
            document["session"]["turns"][0][key] = value
    answer = session.http.post("/api/sessions/import", content=json.dumps(document))
    assert answer.status_code == 400, answer.text
    assert "\n" not in answer.json()["error"]["message"]


def test_there_is_a_limit_of_sessions(http: httpx.Client) -> None:
    made = []
    for _ in range(60):
        answer = http.post("/api/sessions", json={})
        if answer.status_code == 429:
            break
        made.append(answer.json()["id"])
    assert answer.status_code == 429 and len(made) < 60
    for each in made:
        http.delete(f"/api/sessions/{each}")


def test_the_page_learns_what_runs_here(http: httpx.Client) -> None:
    about = http.get("/api/about").json()
    assert about["engine"] == "scripted"
    assert about["isolation"]["covers"]
    assert about["settings"]["sampling"]["n"] == 1
