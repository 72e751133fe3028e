"""The problems of bioinformatics as a benchmark: their parts, their arms, their runs."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from multiturn.apps.cli.main import run
from multiturn.apps.cli.report.problems import problem_texts
from multiturn.apps.server.runs.library import RunLibrary
from multiturn.benchmarks.arms.registry import ARMS
from multiturn.benchmarks.loaders.open_task import open_task
from multiturn.benchmarks.problem_set import BIOINFORMATICS, INCLUDED_SETS
from multiturn.benchmarks.runner.results import find_runs, read_run
from multiturn.benchmarks.split import part_of
from multiturn.core.errors import InputError
from multiturn.core.files import sha256_file
from multiturn.sandbox.protocol import Sandbox
from multiturn.text.format_template import fill_code
from tests.report.make_runs import sample, write_run
from tools.problem_set.authored import of_set, problems_directory, read_authored

PROBLEMS = {problem.id: problem for problem in BIOINFORMATICS.problems()}


def test_the_set_is_as_large_and_as_varied_as_the_page_says() -> None:
    problems = PROBLEMS.values()
    assert len(problems) == 58
    assert sum(len(problem.inputs) for problem in problems) == 301
    assert set(Counter(problem.category for problem in problems)) == set(BIOINFORMATICS.categories)
    assert Counter(problem.difficulty for problem in problems) == {
        "easy": 18, "medium": 25, "hard": 15,
    }  # fmt: skip
    assert Counter(len(problem.turns) for problem in problems) == {3: 8, 4: 28, 5: 20, 6: 2}
    assert {package for problem in problems for package in problem.packages} == {"numpy"}


def test_no_problem_of_two_sets_has_the_same_name() -> None:
    names = [problem.id for included in INCLUDED_SETS.values() for problem in included.problems()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("group", ["category", "difficulty"])
def test_the_parts_are_balanced(group: str) -> None:
    difference: Counter[str] = Counter()
    for problem in PROBLEMS.values():
        difference[getattr(problem, group)] += 1 if part_of(problem.id) == "dev" else -1
    assert max(map(abs, difference.values())) <= 3
    assert sum(difference.values()) == 2  # 30 in dev, 28 in test


def test_the_parts_never_change() -> None:
    dev = "features_to_bed richest_windows fastq_reads normalized_counts"
    test = "base_tally skew_minimum nearest_strains masked_regions"
    assert {part_of(name) for name in dev.split()} == {"dev"}
    assert {part_of(name) for name in test.split()} == {"test"}


@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_has_the_set(arm: str) -> None:
    task = open_task("bioinformatics", arm=arm)
    assert (task.name, task.problems_sha256) == (
        "bioinformatics", sha256_file(BIOINFORMATICS.path),
    )  # fmt: skip
    assert {item.problem for item in task.items()} == set(PROBLEMS)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"path": Path("x.jsonl")}, "come with the package"),
        ({"language": "js"}, "bioinformatics is in Python alone"),
    ],
)
def test_what_the_set_does_not_have_is_told(options: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        open_task("bioinformatics", **options)  # type: ignore[arg-type]


@pytest.mark.real
def test_right_programs_of_another_kind_pass(sandbox: Sandbox) -> None:
    """The strict oracle reads what they print: tuples, numbers computed in another order."""
    task = open_task("bioinformatics")
    items = {item.problem: item for item in task.items() if item.case == 0}
    authored = of_set(read_authored(problems_directory().glob("*/*.yaml")), BIOINFORMATICS)
    programs = [
        (name, f"{PROBLEMS[name].header}\n{fill_code(other, PROBLEMS[name].inputs[0])}")
        for name, problem in authored.items()
        for other in problem.others
    ]
    with ThreadPoolExecutor(2) as pool:
        verdicts = pool.map(lambda each: task.judge(items[each[0]], each[1], sandbox), programs)
        failed = [
            name
            for (name, _), verdict in zip(programs, verdicts, strict=True)
            if not verdict["strict"].passed
        ]
    assert failed == []


@pytest.mark.real
def test_the_command_runs_a_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "any.jsonl"
    answers = {"answers": ["x = 1\n", "print(x)\n"]}
    model.write_text(json.dumps({"settings": {"slots": 1}}) + "\n" + json.dumps(answers) + "\n")
    out = tmp_path / "runs"
    command = ["bench", "bioinformatics", "-m", f"scripted:{model}", "-o", str(out)]
    assert run([*command, "--split", "dev", "--limit", "2", "--cases", "1"]) == 0
    (place,) = find_runs(out)
    found = read_run(place)
    assert found.config.task == "bioinformatics"
    assert {part_of(each.item.problem) for each in found.samples} == {"dev"}
    assert run(["bench", "rejudge", str(out)]) == 0
    assert run(["bench", "variables", str(out)]) == 0
    assert "2 new samples" in capsys.readouterr().out.replace("\n", " ")
    assert run(["bench", "show", str(out), "--by", "category"]) == 0


def test_the_pages_of_runs_know_the_problems(tmp_path: Path) -> None:
    problem = PROBLEMS["cigar_spans"]
    sha256 = sha256_file(BIOINFORMATICS.path)
    steps = [{"text": "x = 1"}] * len(problem.turns)
    write_run(
        tmp_path / "turns", [sample(problem.id, steps=steps)],
        task="bioinformatics", problems_sha256=sha256,
    )  # fmt: skip
    with RunLibrary(tmp_path) as library:
        (listed,) = library.list()
        opened = library.open(listed.id)
        saved = opened.index.read(0)
        assert opened.problem(saved) == problem
        other = replace(saved, item=replace(saved.item, case=99))
        assert opened.problem(other) is None


def test_the_report_knows_the_problems(tmp_path: Path) -> None:
    pytest.importorskip("statsmodels", reason="the extra `report` is not installed")
    from multiturn.report.records.read import read_records

    problem = PROBLEMS["cigar_spans"]
    sha256 = sha256_file(BIOINFORMATICS.path)
    write_run(
        tmp_path / "turns", [sample(problem.id)], task="bioinformatics", problems_sha256=sha256
    )
    texts = problem_texts(read_records([tmp_path]))
    assert len(texts) == sum(len(each.inputs) for each in PROBLEMS.values())
    assert texts[sha256, problem.id, 0].gold == [52, 147]
