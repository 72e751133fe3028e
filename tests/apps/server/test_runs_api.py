"""Saved benchmark runs over HTTP: listed, filtered, read, and replayed as sessions."""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from multiturn.apps.server.runs.library import RunLibrary
from multiturn.benchmarks.arms.layout import finished_program, header_text
from multiturn.benchmarks.loaders.task_names import task_name
from multiturn.benchmarks.own_languages import own_languages, own_problems_in, own_sha256
from multiturn.benchmarks.problem_set import own_problems, own_problems_path
from multiturn.core.errors import InputError
from multiturn.core.files import sha256_file
from multiturn.engines.scripted import ScriptedEngine
from multiturn.sandbox.compiled.runner import available_languages
from multiturn.sandbox.protocol import Sandbox
from multiturn.synthesis.program_text import as_comment
from multiturn.synthesis.store import SessionStore
from multiturn.text.languages import language
from tests.apps.server.conftest import running
from tests.report.make_runs import sample, write_run

LIMITS = {
    "cpu_seconds": 10.0, "wall_seconds": 30.0, "memory_bytes": 1 << 30, "output_bytes": 1 << 20,
    "file_bytes": 1 << 24, "open_files": 64,
}  # fmt: skip
SCRIPT = "<script>document.title = 'taken'</script><img src=x onerror=alert(1)>"


def own_sample(number: int = 0) -> dict[str, Any]:
    """A sample of a real problem: every turn but the last as in the reference."""
    problem = own_problems()[0]
    filled = problem.fill(problem.inputs[0])
    codes = [*filled.references[:-1], "print(undefined_name)"]
    program, steps = "import math\n\n", []
    for prompt, code in zip(filled.prompts, codes, strict=True):
        program += f"{as_comment(prompt)}{code}\n\n"
        steps.append({"text": code, "raw_text": f"{code}\n# the next one"})
    line = program.count("\n", 0, program.index("print(undefined_name)")) + 1
    error = {"status": "raised", "error": "NameError: name 'undefined_name' is not defined"}
    return sample(
        problem.id, number=number, judgement="prevented", outcome={**error, "line": line},
        steps=steps, program=program, turns=len(codes),
    )  # fmt: skip


def missing_tools(key: str) -> tuple[str, ...]:
    """Those that programs of a language lack here."""
    return next(each.missing for each in available_languages() if each.language.key == key)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("runs")
    sha256 = sha256_file(own_problems_path())
    write_run(place / "turns", [own_sample(), own_sample(1)], problems_sha256=sha256, limits=LIMITS)
    others = [
        sample(f"p{at % 3}", case=at, passed=at % 4 == 0, program=f"# Set x.\nx = {at}\n",
               steps=[{"text": f"x = {at}"}])
        for at in range(250)
    ]  # fmt: skip
    hostile = sample(
        "p0", case=999, difference=f"got {SCRIPT}", steps=[{"text": f"print('''{SCRIPT}''')"}],
        program=f"# {SCRIPT}\nprint('''{SCRIPT}''')\n",
    )  # fmt: skip
    write_run(place / "deep" / "concat", [*others, hostile], arm="concat", limits=LIMITS)
    broken = place / "broken"
    broken.mkdir()
    (broken / "run.json").write_text("{")
    outside = write_run(tmp_path_factory.mktemp("outside") / "secret", others[:1], limits=LIMITS)
    (place / "link").symlink_to(outside)
    (place / "files").mkdir()
    (place / "files" / "run.json").symlink_to(outside / "run.json")
    return place


@pytest.fixture(scope="module")
def http(runs: Path, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    path = tmp_path_factory.mktemp("store") / "sessions.sqlite3"
    with (
        SessionStore(path) as store,
        ScriptedEngine({"": "x = 1\n"}) as engine,
        RunLibrary(runs) as library,
        running(engine, sandbox, store, library) as server,
        server.client() as client,
    ):
        yield client


def ids(http: httpx.Client) -> dict[str, str]:
    return {run["name"]: run["id"] for run in http.get("/api/runs").json()["runs"]}


def test_the_runs_are_listed_with_what_tells_them_apart(http: httpx.Client) -> None:
    answer = http.get("/api/runs").json()
    found = {run["name"]: run for run in answer["runs"]}
    assert set(found) == {"broken", "deep/concat", "turns"} and answer["total"] == 3
    assert found["deep/concat"]["arm"] == "concat" and found["turns"]["complete"]
    assert "no JSON" in found["broken"]["fault"]
    assert http.get("/api/runs?limit=1&offset=1").json()["runs"][0]["name"] == "deep/concat"
    assert http.get("/api/about").json()["runs"] is True


def test_a_run_has_its_rates_and_kinds_of_failures(http: httpx.Client) -> None:
    run = http.get(f"/api/runs/{ids(http)['deep/concat']}").json()
    assert run["samples"] == 251 and run["unreadable"] == 0
    strict = run["figures"][0]
    assert (strict["oracle"], strict["passed"]) == ("strict", 63)
    assert strict["labels"] == [{"label": "wrong_answer", "samples": 188}]
    assert sum(each["passed"] for each in run["problems"]) == 63
    turns = http.get(f"/api/runs/{ids(http)['turns']}").json()
    assert turns["figures"][0]["labels"] == [{"label": "NameError", "samples": 2}]


def test_samples_are_filtered_and_come_in_parts(http: httpx.Client) -> None:
    path = f"/api/runs/{ids(http)['deep/concat']}/samples"
    found, after, parts = [], 0, 0
    while after is not None:
        part = http.get(path, params={"verdict": "failed", "after": after, "limit": 60}).json()
        found += part["samples"]
        after, parts = part["next"], parts + 1
    assert len(found) == 188 and parts == 4 and len({each["number"] for each in found}) == 188
    assert not any(each["passed"] for each in found)
    only = http.get(path, params={"problem": "p1", "verdict": "passed", "limit": 500}).json()
    assert {each["problem"] for each in only["samples"]} == {"p1"} and only["next"] is None
    text = http.get(path, params={"text": "X = 17"}).json()["samples"]
    assert [each["item"] for each in text] == ["p2/17"] + [
        f"p{at % 3}/{at}" for at in range(170, 180)
    ]
    assert http.get(path, params={"label": "NameError"}).json()["samples"] == []
    for wrong in ({"oracle": "no"}, {"verdict": "x"}, {"after": -1}, {"limit": 0}):
        assert http.get(path, params=wrong).status_code in (400, 404)


def test_a_sample_is_read_with_prompts_gold_and_the_turn_that_went_wrong(
    http: httpx.Client,
) -> None:
    problem = own_problems()[0]
    view = http.get(f"/api/runs/{ids(http)['turns']}/samples/0").json()
    prompts = problem.fill(problem.inputs[0]).prompts
    assert [turn["prompt"] for turn in view["turns"]] == list(prompts)
    assert view["header"] == "import math\n\n"
    assert view["gold"] == repr(problem.outputs[0]) and set(view["inputs"]) == set(
        problem.inputs[0]
    )
    assert view["fault"]["turn"] == len(prompts) and "NameError" in view["fault"]["reason"]
    assert view["turns"][0]["attempts"][0]["raw_text"].endswith("# the next one")
    other = http.get(f"/api/runs/{ids(http)['deep/concat']}/samples/1").json()
    assert other["turns"][0]["prompt"] == "Set x." and other["gold"] is None


def test_what_was_recorded_of_variables_says_where_it_went_wrong(
    http: httpx.Client, runs: Path
) -> None:
    line = {"item": f"{own_problems()[0].id}/0", "sample": 1, "turn": 0, "reason": "value",
            "name": "total", "detail": "3, not 4"}  # fmt: skip
    (runs / "turns" / "variables.jsonl").write_text('{"schema": "x"}\n' + json.dumps(line) + "\n")
    view = http.get(f"/api/runs/{ids(http)['turns']}/samples/1").json()
    assert view["fault"] == {"turn": 1, "reason": "value total 3, not 4"}


@pytest.mark.real
def test_a_sample_is_replayed_as_a_session(http: httpx.Client) -> None:
    problem = own_problems()[0]
    made = http.post(f"/api/runs/{ids(http)['turns']}/samples/0/session")
    assert made.status_code == 201, made.text
    view = made.json()
    assert made.headers["location"] == f"/api/sessions/{view['id']}"
    prompts = problem.fill(problem.inputs[0]).prompts
    again = http.get(made.headers["location"]).json()
    assert [turn["prompt"] for turn in again["path"]] == list(prompts)
    assert again["name"] == f"turns {problem.id}/0 sample 0"
    last = again["path"][-1]
    assert "NameError" in last["summary"] and len(last["examples"]) == 1
    assert again["path"][0]["status"] == "finished" and again["header"] == "import math\n\n"


@pytest.mark.real
@pytest.mark.parametrize("key", [key for key in own_languages() if not missing_tools(key)])
def test_a_sample_in_another_language_is_replayed_in_it(
    key: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    problem = own_problems_in(key)[0]
    filled = problem.fill(problem.inputs[0])
    header = header_text(problem, "published")
    program = finished_program(problem, "", header, filled.references)
    steps = [{"text": code, "raw_text": code} for code in filled.references]
    write_run(
        tmp_path / "runs",
        [sample(problem.id, steps=steps, program=program, turns=len(steps))],
        problems_sha256=own_sha256(key), task=task_name("own", key), limits=LIMITS,
    )  # fmt: skip
    with (
        SessionStore(tmp_path / "sessions.sqlite3") as store,
        ScriptedEngine({"": "x"}) as engine,
        RunLibrary(tmp_path / "runs") as library,
        running(engine, sandbox, store, library) as server,
        server.client() as http,
    ):
        (run_id,) = ids(http).values()
        view = http.get(f"/api/runs/{run_id}/samples/0").json()
        assert view["language"] == language(key).name
        assert [turn["code"] for turn in view["turns"]] == list(filled.references)
        made = http.post(f"/api/runs/{run_id}/samples/0/session")
        assert made.status_code == 201, made.text
        session = made.json()
    assert session["language"] == language(key).name
    assert [turn["prompt"] for turn in session["path"]] == list(filled.prompts)
    assert [turn["good"] for turn in session["path"]] == [True] * len(steps), session["path"]
    assert session["path"][-1]["examples"][0]["passes"]


def test_no_name_leads_out_of_the_directory(http: httpx.Client, runs: Path) -> None:
    for name in ("..", "../outside", "%2e%2e%2fsecret", "link", "0" * 16, "/etc", "a" * 16):
        for path in ("", "/samples", "/samples/0"):
            assert http.get(f"/api/runs/{name}{path}").status_code in (400, 404)
    for number in ("-1", "99999", "1e9", "x", str(2**40)):
        found = http.get(f"/api/runs/{ids(http)['turns']}/samples/{number}")
        assert found.status_code in (400, 404)
    with pytest.raises(InputError, match="no such directory"):
        RunLibrary(runs / "nothing")


def test_without_a_directory_there_is_nothing(server: Any) -> None:
    with server.client() as client:
        assert client.get("/api/runs").json() == {"directory": None, "runs": [], "total": 0}
        assert client.get(f"/api/runs/{'0' * 16}").status_code == 404


def test_a_run_that_is_being_written_grows_and_a_packed_one_is_read(tmp_path: Path) -> None:
    lines = [sample("p", case=at) for at in range(5)]
    write_run(tmp_path / "live", lines[:2], file="samples.partial.jsonl", expected=5, limits=LIMITS)
    packed = write_run(tmp_path / "packed", lines, limits=LIMITS, edit=lzma.compress,
                       file="samples.jsonl.xz")  # fmt: skip
    with RunLibrary(tmp_path) as library:
        names = {run.name: run.id for run in library.list()}
        live = library.open(names["live"])
        assert len(live.index.entries) == 2 and not live.listed.complete
        with (tmp_path / "live" / "samples.partial.jsonl").open("a") as file:
            file.write(json.dumps(lines[2]) + "\n" + json.dumps(lines[2]) + "\nno sample\n")
            file.write(json.dumps(lines[3])[:40])
        found = library.open(names["live"]).index
        assert [each.item for each in found.entries] == ["p/0", "p/1", "p/2"]
        assert found.unreadable == 1
        with (tmp_path / "live" / "samples.partial.jsonl").open("a") as file:
            file.write(json.dumps(lines[3])[40:] + "\n")
        assert library.open(names["live"]).index.read(3).item.id == "p/3"
        assert len(library.open(names["packed"]).index.entries) == 5
        (packed / "samples.jsonl.xz").write_bytes(b"no archive")
        with pytest.raises(InputError, match="cannot be decompressed"):
            library.open(names["packed"])


def test_a_large_run_is_read_once(tmp_path: Path) -> None:
    """What a request reads after the first does not grow with the run."""
    line = json.dumps(sample("p", program="x = 1\n" * 50))
    place = write_run(tmp_path / "large", [sample("p")], limits=LIMITS, expected=20_000)
    with (place / "samples.jsonl").open("w") as file:
        for at in range(20_000):
            file.write(line.replace('"id": "p/0"', f'"id": "p/{at}"', 1) + "\n")
    with RunLibrary(tmp_path) as library:
        run = library.open(library.list()[0].id)
        assert len(run.index.entries) == 20_000
        read: list[int] = []
        run.index._entry = lambda *given: read.append(1)  # type: ignore[method-assign]
        again = library.open(run.listed.id)
        assert again is run and again.index.read(19_999).item.id == "p/19999" and read == []
