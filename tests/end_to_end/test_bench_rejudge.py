"""`multiturn bench rejudge` as a process, on a run as the version before left it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(sys.executable).with_name("multiturn")


def call(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, "bench", *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose programs end with `sys.exit(0)`, as the first strict oracle judged it."""
    place = tmp_path_factory.mktemp("rejudge")
    answer = {"answers": ["import sys\nprint(1)\nsys.exit(0)\n"]}
    (place / "any.jsonl").write_text(json.dumps(answer) + "\n")
    made = call(
        "own", "-m", f"scripted:{place / 'any.jsonl'}", "-o", place / "runs", "--limit", 2,
        "--cases", 1, "-a", "prose", "--truncation", "none",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    (record,) = (place / "runs").rglob("run.json")
    data = json.loads(record.read_text())
    data["versions"] = {k: v for k, v in data["versions"].items() if not k.startswith("oracle ")}
    record.write_text(json.dumps(data))
    samples = record.parent / "samples.jsonl"
    lines = [json.loads(line) for line in samples.read_text().splitlines()]
    for line in lines:
        verdict = line["verdicts"]["strict"]
        verdict["judgement"], verdict["difference"] = "prevented", None
        verdict["outcome"] |= {"status": "early_exit", "exit_code": 0}
    samples.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return record.parent


def test_it_says_what_changed_and_then_that_nothing_did(run: Path) -> None:
    shown = call("show", run, "--json")
    assert shown.returncode == 0, shown.stderr
    message = call("rejudge", run.parents[2], "--json")
    assert message.returncode == 0, message.stderr
    document = json.loads(message.stdout)
    assert document["schema"] == "multiturn.bench-rejudged/1"
    (found,) = document["runs"]
    assert found["samples"] == 2
    assert found["oracles_before"]["strict"] == "1"
    assert found["oracles_after"]["strict"] == "2"
    assert len(found["changed"]) == 2
    change = found["changed"][0]
    assert change["oracle"] == "strict"
    assert change["before"]["result"] == "left early with exit code 0"
    assert change["after"]["judgement"] == "wrong_answer"
    assert "early_exit" in (run / "verdicts.0.jsonl").read_text()

    again = call("rejudge", run)
    assert again.returncode == 0, again.stderr
    assert "2 samples, strict 2 to 2, legacy 1 to 1" in " ".join(again.stdout.split())
    assert "nothing changed" in again.stdout


def test_no_run_is_one_line(tmp_path: Path) -> None:
    message = call("rejudge", tmp_path)
    assert message.returncode != 0
    assert len(message.stderr.strip().splitlines()) <= 3
    assert "no saved run" in message.stderr
