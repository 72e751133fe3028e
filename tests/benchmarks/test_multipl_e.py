"""MultiPL-E: problem files, verdicts in the sandbox, files of completions and results."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from multiturn.apps.cli.main import run
from multiturn.benchmarks.interchange.multipl_e import (
    external_multipl_e,
    read_multipl_e_samples,
    write_multipl_e_results,
)
from multiturn.benchmarks.interchange.replay import replay
from multiturn.benchmarks.loaders.open_task import open_task
from multiturn.benchmarks.loaders.task_names import read_task_name, task_name
from multiturn.benchmarks.multipl_e.problems import fetch_multipl_e, read_multipl_e
from multiturn.benchmarks.multipl_e.programs import runnable
from multiturn.benchmarks.multipl_e.task import MultiplETask
from multiturn.benchmarks.runner.config import SampleSettings
from multiturn.benchmarks.runner.samples import sample_of
from multiturn.benchmarks.solver import Generate
from multiturn.benchmarks.task import ArmSettings
from multiturn.core.errors import HashMismatchError, InputError, NetworkError, UnknownNameError
from multiturn.hub.sources.source import Hub
from multiturn.sandbox.compiled.runner import available_languages
from multiturn.sandbox.oracles.verdicts import Judgement
from multiturn.text.languages import LANGUAGES

HERE = {each.language.key for each in available_languages() if each.works}

# One problem, written here, in the form that MultiPL-E gives to each language.
PROBLEMS = {
    "javascript": {
        "name": "own_1_triple",
        "language": "js",
        "prompt": "//Triples a number.\n// >>> triple(2)\n// 6\nfunction triple(n){\n",
        "tests": "const assert = require('node:assert');\n\n\nfunction test() {\n"
        "  let candidate = triple;\n  assert.deepEqual(candidate(2),6);\n"
        "  assert.deepEqual(candidate(-1),-3);\n}\n\ntest();",
        "stop_tokens": ["\nfunction ", "\n/*", "\n//", "\nconsole.log"],
    },
    "java": {
        "name": "own_1_triple",
        "language": "java",
        "prompt": "import java.util.*;\nimport org.javatuples.*;\nclass Problem {\n"
        "    // A number and its triple.\n"
        "    public static Pair<Long, Long> triple(long n) {\n",
        "tests": "    }\n    public static void main(String[] args) {\n"
        "    assert(triple((2l)).equals((Pair.with(2l, 6l))));\n    }\n\n}\n",
        "stop_tokens": ["\n    }\n"],
    },
    "cpp": {
        "name": "own_1_triple",
        "language": "cpp",
        "prompt": "#include<assert.h>\n// Triples a number.\nlong triple(long n) {\n",
        "tests": "}\nint main() {\n    auto candidate = triple;\n"
        "    assert(candidate((2)) == (6));\n}\n",
        "stop_tokens": ["\n}"],
    },
    "go": {
        "name": "own_1_triple",
        "language": "go_test.go",
        "prompt": 'package triple_test\n\nimport (\n    "testing"\n    "fmt"\n)\n\n'
        "// Triples a number.\nfunc triple(n int) int {\n",
        "tests": "func TestTriple(t *testing.T) {\n  candidate := triple\n"
        '  if fmt.Sprintf("%v", candidate(2)) != fmt.Sprintf("%v", 6) {\n'
        '    t.Errorf("wrong")\n  }\n}\n',
        "stop_tokens": ["\nfunc", "struct", "\n// "],
    },
    "c": {
        "name": "own_1_triple",
        "language": "c",
        "prompt": "#include <assert.h>\nlong triple(long n) {\n",
        "tests": "}\nint main(void) { assert(triple(2) == 6); }\n",
        "stop_tokens": ["\n}"],
    },
}
RIGHT = {
    "javascript": "    return 3 * n;\n}\nfunction more() {",
    "java": "        return Pair.with(n, 3 * n);\n    }\n    public static void more() {",
    "cpp": "    return 3 * n;\n}\nint more() {",
    "go": "    return 3 * n\n}\nfunc more() {",
    "c": "    return 3 * n;\n}\nint more(void) {",
}


def saved(path: Path, *problems: object) -> Path:
    path.write_text("".join(json.dumps(problem) + "\n" for problem in problems))
    return path


def task_of(language: str, tmp_path: Path) -> MultiplETask:
    problems, sha256 = read_multipl_e(
        saved(tmp_path / f"{language}.jsonl", PROBLEMS[language]), language
    )
    return MultiplETask(problems, language=language, sha256=sha256)


def program(task: MultiplETask, answer: str) -> str:
    (item,) = task.items()
    return replay(task.solver(item, ArmSettings()), lambda _: answer).program


@pytest.mark.real
@pytest.mark.parametrize("language", PROBLEMS)
def test_an_answer_passes_or_fails_by_its_own_tests(language, tmp_path, sandbox):
    if language not in HERE:
        pytest.skip(f"{language} is not installed")
    task = task_of(language, tmp_path)
    (item,) = task.items()
    right = program(task, RIGHT[language])
    assert "more" not in right  # the stop strings cut what follows
    assert task.judge(item, right, sandbox)["strict"].judgement is Judgement.PASSED
    wrong = task.judge(item, program(task, RIGHT[language].replace("3 *", "4 *")), sandbox)
    assert wrong["strict"].judgement is Judgement.WRONG_ANSWER
    broken = task.judge(item, program(task, "    return return;\n"), sandbox)["strict"]
    assert broken.judgement is Judgement.PREVENTED


@pytest.mark.parametrize("language", sorted(PROBLEMS))
def test_a_model_sees_the_prompt_without_white_space_at_its_ends(language, tmp_path):
    task = task_of(language, tmp_path)
    (item,) = task.items()
    action = next(task.solver(item, ArmSettings()))
    assert isinstance(action, Generate)
    assert action.prompt == str(PROBLEMS[language]["prompt"]).strip()
    full = program(task, " x")
    assert full == f"{PROBLEMS[language]['prompt']} x\n{PROBLEMS[language]['tests']}"


def test_a_program_of_javas_library_of_tuples_needs_no_library():
    text = runnable("java", str(PROBLEMS["java"]["prompt"]))
    assert "import org.javatuples.*;" not in text and "class Pair<A, B>" in text
    assert "class Pair" not in runnable("java", "class Problem { }")


def test_go_runs_every_test_of_the_file():
    text = runnable(
        "go", "package a_test\nfunc TestA(t *testing.T) {\n}\nfunc TestB(t *testing.T) {}"
    )
    assert text.startswith("package main\n")
    assert '{"TestA", TestA}, {"TestB", TestB}' in text


def test_a_file_is_read_in_every_form(tmp_path):
    problem = PROBLEMS["javascript"]
    lines = saved(tmp_path / "a.jsonl", problem)
    packed = tmp_path / "a.jsonl.gz"
    packed.write_bytes(gzip.compress(lines.read_bytes()))
    listed = tmp_path / "a.json"
    listed.write_text(json.dumps([problem]))
    parquet = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([problem]), parquet)
    for path in (lines, packed, listed, parquet):
        problems, sha256 = read_multipl_e(path, "javascript")
        assert problems[0].stop_tokens == tuple(problem["stop_tokens"])
        assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tests": 3}, "tests is missing"),
        ({"stop_tokens": ["", "a"]}, "stop_tokens"),
        ({"language": "rb"}, "another language"),
        ({"name": None}, "name is missing"),
    ],
)
def test_a_wrong_problem_is_named(change, message, tmp_path):
    path = saved(tmp_path / "a.jsonl", PROBLEMS["javascript"] | change)
    with pytest.raises(InputError, match=message) as caught:
        read_multipl_e(path, "javascript")
    assert "problem 1" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"nothing", b"\x1f\x8bnot", b"PAR1 not", b"\xff\xfe{}"])
def test_a_file_of_another_kind_is_refused(content, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.jsonl"):
        read_multipl_e(path, "javascript")


def test_the_names_of_tasks():
    for key in LANGUAGES:
        for benchmark in ("own", "multipl-e"):
            assert read_task_name(task_name(benchmark, key)) == (benchmark, key)
    assert task_name("own", "python") == "own"
    with pytest.raises(InputError, match="needs a language"):
        open_task("multipl-e")
    with pytest.raises(InputError, match="Python alone"):
        open_task("mtpb", language="js")
    with pytest.raises(UnknownNameError):
        open_task("multipl-e", language="cobol")


def test_results_go_out_and_come_in_again(tmp_path):
    task = task_of("cpp", tmp_path)
    (item,) = task.items()
    solution = replay(task.solver(item, ArmSettings()), lambda _: RIGHT["cpp"])
    from multiturn.sandbox.oracles.verdicts import Verdict
    from multiturn.sandbox.outcomes import Outcome, Status

    verdicts = [
        Verdict(Judgement.PASSED, outcome=Outcome(Status.FINISHED, exit_code=0)),
        Verdict(Judgement.WRONG_ANSWER, "no", Outcome(Status.KILLED, signal="SIGABRT")),
        Verdict(Judgement.PREVENTED, outcome=Outcome(Status.SYNTAX_ERROR, error="no")),
        Verdict(Judgement.PREVENTED, outcome=Outcome(Status.TIMED_OUT_CPU)),
    ]
    samples = [
        sample_of(item, number, solution, {"strict": verdict})
        for number, verdict in enumerate(verdicts)
    ]
    out = tmp_path / "results"
    (path,) = write_multipl_e_results(samples, task.problems, out, SampleSettings(n=4))
    document = json.loads(gzip.decompress(path.read_bytes()))
    assert document["prompt"] == PROBLEMS["cpp"]["prompt"] and document["temperature"] == 0.2
    found = [(each["status"], each["exit_code"]) for each in document["results"]]
    assert found == [("OK", 0), ("Exception", -1), ("SyntaxError", 1), ("Timeout", -1)]
    lines = read_multipl_e_samples(out)
    assert [line.data["status"] for line in lines] == [status for status, _ in found]
    external = external_multipl_e(lines, task)
    assert [each.sample for each in external] == [0, 1, 2, 3]
    assert external[0].solution.program == solution.program


def test_completions_follow_their_prompt(tmp_path):
    task = task_of("c", tmp_path)
    path = tmp_path / "own_1_triple.json.gz"
    path.write_bytes(
        gzip.compress(json.dumps(PROBLEMS["c"] | {"completions": ["x", "y"]}).encode())
    )
    external = external_multipl_e(read_multipl_e_samples(path), task)
    assert [each.solution.program for each in external] == [
        f"{PROBLEMS['c']['prompt']}{text}\n{PROBLEMS['c']['tests']}" for text in "xy"
    ]
    with pytest.raises(InputError, match="no such problem"):
        external_multipl_e(read_multipl_e_samples(path), task_of_other(tmp_path))


def task_of_other(tmp_path: Path) -> MultiplETask:
    problems, sha256 = read_multipl_e(
        saved(tmp_path / "other.jsonl", PROBLEMS["c"] | {"name": "other"}), "c"
    )
    return MultiplETask(problems, language="c", sha256=sha256)


@pytest.mark.real
@pytest.mark.parametrize("language", PROBLEMS)
def test_a_run_is_recorded_resumed_exported_and_judged_again(language, tmp_path, capsys):
    if language not in HERE:
        pytest.skip(f"{language} is not installed")
    file = str(saved(tmp_path / "p.jsonl", PROBLEMS[language]))
    model = tmp_path / "any.jsonl"
    answers = {"answers": [RIGHT[language], "    return n;\n}"]}
    model.write_text(json.dumps({"settings": {"slots": 1}}) + "\n" + json.dumps(answers) + "\n")
    out = tmp_path / "runs"
    of_language = ["bench", "multipl-e", "--language", language, "--file", file]
    command = [*of_language, "-m", f"scripted:{model}", "-o", str(out)]
    command += ["-n", "3", "--temperature", "0.2"]
    assert run(command) == 0
    (record,) = out.rglob("run.json")
    assert record.parent.parent.parent.name == f"multipl-e-{language}"
    assert run(command) == 0  # nothing is left to do
    assert run(["bench", "rejudge", str(out), "--file", file]) == 0
    results = tmp_path / "results"
    assert run(["bench", "export", str(record.parent), str(results), "--file", file]) == 0
    capsys.readouterr()
    assert run([*of_language, "--samples", str(results), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "multiturn.bench-scores/1"


class _FakeHub(BaseHTTPRequestHandler):
    """A hub with one data set of one file, which it may announce with a wrong hash."""

    def __init__(self, content: bytes, sha256: str, *rest: object) -> None:
        self._content, self._sha256 = content, sha256
        super().__init__(*rest)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        base = "/api/datasets/nuprl/MultiPL-E"
        file = "humaneval-js/test-00000-of-00001.parquet"
        answers = {
            f"{base}/revision/main": json.dumps({"sha": "c0ffee"}).encode(),
            f"{base}/tree/c0ffee/humaneval-js": json.dumps(
                [
                    {
                        "type": "file", "path": file, "size": len(self._content), "oid": "1" * 40,
                        "lfs": {"oid": self._sha256, "size": len(self._content)},
                    }
                ]
            ).encode(),
            f"/datasets/nuprl/MultiPL-E/resolve/c0ffee/{file}": self._content,
        }  # fmt: skip
        body = answers.get(self.path)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def parquet(tmp_path: Path) -> bytes:
    path = tmp_path / "hub.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([PROBLEMS["javascript"]]), path)
    return path.read_bytes()


@pytest.fixture
def hubs() -> Iterator[list[ThreadingHTTPServer]]:
    started: list[ThreadingHTTPServer] = []
    yield started
    for server in started:
        server.shutdown()
        server.server_close()


def hub_of(hubs: list[ThreadingHTTPServer], content: bytes, sha256: str) -> Hub:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_FakeHub, content, sha256))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hubs.append(server)
    return Hub(endpoint=f"http://127.0.0.1:{server.server_port}")


def test_the_hubs_file_is_pinned_and_checked(parquet, hubs, tmp_path, monkeypatch):
    monkeypatch.setenv("MULTITURN_HOME", str(tmp_path / "home"))
    hub = hub_of(hubs, parquet, hashlib.sha256(parquet).hexdigest())
    path = fetch_multipl_e("javascript", hub=hub)
    assert read_multipl_e(path, "javascript")[0][0].name == "own_1_triple"
    # The second time it asks nobody.
    assert fetch_multipl_e("javascript", hub=Hub(endpoint="http://127.0.0.1:9")) == path
    with pytest.raises(NetworkError, match="--file"):
        fetch_multipl_e("java", hub=hub)


def test_another_file_than_the_announced_is_refused(parquet, hubs, tmp_path, monkeypatch):
    monkeypatch.setenv("MULTITURN_HOME", str(tmp_path / "home"))
    hub = hub_of(hubs, parquet, "0" * 64)
    with pytest.raises((HashMismatchError, NetworkError)):
        fetch_multipl_e("javascript", hub=hub)
