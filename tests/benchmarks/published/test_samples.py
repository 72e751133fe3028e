"""Files of the published sampler: complete, in any order, with several samples per case."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from multiturn.apps.cli.main import run
from multiturn.benchmarks.arms.registry import ARMS
from multiturn.benchmarks.interchange.external_samples import SampleLine, read_lines
from multiturn.benchmarks.interchange.published_samples import external_programs
from multiturn.benchmarks.loaders.published import read_published
from multiturn.benchmarks.loaders.tasks import ProblemTask

pytestmark = pytest.mark.real

Plain = dict[str, Any]
Sampled = Callable[[Plain, Mapping[str, object], list[str]], list[str]]


def cases_of(problem: Plain) -> list[tuple[dict[str, object], object]]:
    return list(zip(problem["inputs"], problem["outputs"], strict=False))


def right_samples(problems: list[Plain], sampled: Sampled, n: int = 1) -> list[Plain]:
    """What the published sampler writes where the model is always right, in its order."""
    found = []
    for problem in sorted(problems, key=lambda each: int(each["id"])):
        for variables, gold in cases_of(problem):
            code = ["x = 1\n"] * (len(problem["prompts"]) - 1) + [f"print({gold!r})\n"]
            *_, program = sampled(problem, variables, code)
            line = {
                "id": problem["id"],
                "input": variables,
                "gold_output": gold,
                "completions": program,
                "prompts_completions": [program],
            }
            found += [line] * n
    return found


def write(path: Path, lines: list[Plain]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def judged(capsys: pytest.CaptureFixture[str], problems: Path, samples: Path) -> Plain:
    command = ["bench", "mtpb", "--file", str(problems), "--any-hash", "--samples", str(samples)]
    assert run([*command, "--json"]) == 0, capsys.readouterr().err
    document = json.loads(capsys.readouterr().out)
    results = [json.loads(line) for line in Path(document["results"]).read_text().splitlines()]
    return document | {"lines": results}


def legacy_can_pass(gold: object) -> bool:
    """The published scorer refuses a gold value that is a mapping or null."""
    return gold is not None and not isinstance(gold, dict)


@pytest.mark.parametrize(
    "take", [27, pytest.param(115, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])]
)
def test_right_programs_all_pass(
    take: int, odd: list[Plain], odd_file: Path, sampled: Sampled, tmp_path: Path, capsys: Any
) -> None:
    """Of each kind of problem one, or all 575 programs of 115 problems."""
    if take < 115:
        odd = sorted(odd, key=lambda each: int(each["id"]))[:take]
        odd_file.write_text("".join(json.dumps(line) + "\n" for line in odd))
    samples = right_samples(odd, sampled)
    assert len(samples) == 5 * take
    random.Random(0).shuffle(samples)
    document = judged(capsys, odd_file, write(tmp_path / "samples.jsonl", samples))
    lines = document["lines"]
    assert len(lines) == len(samples)
    wrong = [(line["id"], line["gold_output"], line["result"]) for line in lines
             if not line["passed"]]  # fmt: skip
    assert wrong == []
    assert document["oracles"]["strict"]["pass_at_k"]["1"] == 1.0
    assert document["oracles"]["strict"]["pass_at_k"]["10"] is None
    for line in lines:
        expected = legacy_can_pass(line["gold_output"])
        assert line["verdicts"]["legacy"]["passed"] == expected, line
    share = sum(legacy_can_pass(line["gold_output"]) for line in samples) / len(samples)
    assert document["oracles"]["legacy"]["pass_at_k"]["1"] == pytest.approx(share)


def task_of(problems: Path) -> ProblemTask:
    found, sha256 = read_published(problems, any_hash=True)
    return ProblemTask(found, ARMS["turns"], name="mtpb", sha256=sha256)


def external(samples: list[Plain], task: ProblemTask) -> Counter[tuple[str, int]]:
    """How many samples each case has got."""
    lines = [SampleLine(f"line {number}", line) for number, line in enumerate(samples, 1)]
    return Counter((one.item.problem, one.item.case) for one in external_programs(lines, task))


@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("seed", [None, 0, 1])
@pytest.mark.parametrize("with_gold", [True, False])
def test_each_case_has_its_share_of_a_complete_file(
    n: int, seed: int | None, with_gold: bool, odd: list[Plain], odd_file: Path, sampled: Sampled
) -> None:
    task = task_of(odd_file)
    samples = right_samples(odd, sampled, n)
    if seed is not None:
        random.Random(seed).shuffle(samples)
    if not with_gold:
        samples = [{k: v for k, v in line.items() if k != "gold_output"} for line in samples]
    counts = external(samples, task)
    assert len(counts) == 575
    assert set(counts.values()) == {n}


def test_a_line_goes_to_the_case_whose_answer_it_names(odd_file: Path, sampled: Sampled) -> None:
    problem = {
        "id": "1", "name": "", "description": "", "category": "math",
        "prompts": ["Print {a}."], "inputs": [{"a": 1}] * 3, "outputs": [7, 8, 7],
    }  # fmt: skip
    odd_file.write_text(json.dumps(problem))
    task = task_of(odd_file)
    samples = right_samples([problem], sampled)
    eights = [line for line in samples if line["gold_output"] == 8]
    sevens = [line for line in samples if line["gold_output"] == 7]
    assert external(eights * 3, task) == {("1", 1): 3}
    assert external([*sevens, *eights, *sevens], task) == {("1", 0): 2, ("1", 1): 1, ("1", 2): 2}
    # An answer that no case has tells nothing.
    other = [line | {"gold_output": "of no account"} for line in samples]
    assert external(other, task) == {("1", 0): 1, ("1", 1): 1, ("1", 2): 1}


def test_missing_and_double_lines(
    odd: list[Plain], odd_file: Path, sampled: Sampled, tmp_path: Path, capsys: Any
) -> None:
    two = [line for line in odd if line["name"] == "one input twice"][:2]
    odd_file.write_text("".join(json.dumps(line) + "\n" for line in two))
    samples = right_samples(two, sampled)
    document = judged(capsys, odd_file, write(tmp_path / "a.jsonl", samples[:-1]))
    assert document["oracles"]["strict"]["pass_at_k"]["1"] is None  # a case has no sample
    assert document["oracles"]["strict"]["samples"] == 9
    document = judged(capsys, odd_file, write(tmp_path / "b.jsonl", [*samples, samples[0]]))
    assert document["oracles"]["strict"]["pass_at_k"]["1"] == 1.0
    assert document["oracles"]["strict"]["samples"] == 11


def test_ids_as_numbers_a_byte_order_mark_and_blank_lines(
    odd: list[Plain], odd_file: Path, sampled: Sampled, tmp_path: Path
) -> None:
    samples = right_samples(odd, sampled)
    for number, line in enumerate(samples):
        line["id"] = int(line["id"]) if number % 2 else str(line["id"])
    path = tmp_path / "samples.jsonl"
    text = "\r\n\n".join(json.dumps(line, ensure_ascii=False) for line in samples)
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    counts = Counter(
        (one.item.problem, one.item.case)
        for one in external_programs(read_lines(path), task_of(odd_file))
    )
    assert set(counts.values()) == {1} and len(counts) == 575
