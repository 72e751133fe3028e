"""Earlier ends of failed programs, in the real sandbox."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from multiturn.benchmarks.endings import ENDING_ARMS, ENDINGS, endings_of, record_endings
from multiturn.benchmarks.interchange.replay import replay
from multiturn.benchmarks.loaders.open_task import open_task
from multiturn.benchmarks.loaders.tasks import ProblemTask
from multiturn.benchmarks.runner.results import SavedRun, read_run
from multiturn.benchmarks.runner.samples import Sample
from multiturn.benchmarks.task import ArmSettings
from multiturn.core.errors import InputError
from multiturn.sandbox.oracles.verdicts import Judgement, Verdict
from multiturn.sandbox.protocol import Sandbox

RESULTS = Path(__file__).parents[2] / "docs" / "results" / "multi-turn" / "own" / "smollm2-135m"
WRONG = {"strict": Verdict(Judgement.WRONG_ANSWER, "got 1, expected 2")}
RIGHT = {"strict": Verdict(Judgement.PASSED)}

# The right answer of balancing_index, case 0, is [3, 2].
RIGHT_PRINT = "print([3, 2])"


def task_of(arm: str = "concat", seconds: float = 20) -> ProblemTask:
    task = open_task("own", arm=arm, limits={"cpu_seconds": seconds, "wall_seconds": 3 * seconds})
    assert isinstance(task, ProblemTask)
    return task


def written(
    task: ProblemTask, texts: Sequence[str], number: int = 0, *, truncation: Any = "none",
    verdicts: Any = WRONG,
) -> Sample:  # fmt: skip
    """A sample in which a model wrote these texts."""
    item = next(i for i in task.items() if i.problem == "balancing_index" and i.case == 0)
    left = iter(texts)
    solver = task.solver(item, ArmSettings(truncation=truncation))
    solution = replay(solver, lambda _action: next(left, ""))
    return Sample(
        item=item, sample=number, verdicts=verdicts, steps=solution.steps, program=solution.program
    )


def recorded(
    sandbox: Sandbox, task: ProblemTask, samples: Sequence[Sample], place: Path, **options: Any
) -> list[dict[str, Any]]:
    run = run_of(task, samples, place)
    record_endings(sandbox, task, run, **options)
    return [json.loads(line) for line in (place / ENDINGS).read_text().splitlines()[1:]]


def run_of(task: ProblemTask, samples: Sequence[Sample], place: Path) -> SavedRun:
    saved = read_run(RESULTS / "turns.fair.t0.2")
    config = replace(saved.config, arm=task.arm, problems_sha256=task.problems_sha256)
    return SavedRun(path=place, config=config, samples=tuple(samples), complete=True)


PASSES = {
    "prints more": f"{RIGHT_PRINT}\nprint('Done')",
    "raises afterwards": f"x = 1\n{RIGHT_PRINT}\nundefined_name",
    "prints in a loop first": f"for i in range(3):\n    print(i)\n{RIGHT_PRINT}\nprint(1)",
    "does not end": f"{RIGHT_PRINT}\nwhile True: pass",
    "does not parse at its end": f"{RIGHT_PRINT}\nprint('never clo",
    "prints within a function": f"def show():\n    {RIGHT_PRINT}\nshow()\nprint('more')",
    "prints while it assigns": f"_ = {RIGHT_PRINT}\nprint(5)",
    "carriage returns": f"x = 1\r\n{RIGHT_PRINT}\ry = 2\r\nprint(y)",
    "a line of two statements": f"{RIGHT_PRINT}; z = 1\nprint(z)",
    "an open string of several lines": f'{RIGHT_PRINT}\ntext = """never\n\nclosed\nprint(1)',
}

FAILS = {
    "never right": "print(1)\nprint(2)",
    "raises before": f"undefined_name()\n{RIGHT_PRINT}",
    "does not end before": f"print(1)\nwhile len('a'): pass\n{RIGHT_PRINT}\nprint(3)",
    "prints nothing": "def answer():\n    return [3, 2]",
    "is no code": "I am sorry, I cannot do that.",
    "is empty": "",
    "in a function that nothing calls": f"def show():\n    {RIGHT_PRINT}",
}


@pytest.mark.real
def test_the_first_end_that_passes_is_found(sandbox: Sandbox, tmp_path: Path) -> None:
    task = task_of(seconds=2)
    texts = {**PASSES, **FAILS}
    samples = [written(task, [text], number) for number, text in enumerate(texts.values())]
    found = recorded(sandbox, task, samples, tmp_path)
    passes = {
        name: line["passes_after"] is not None for name, line in zip(texts, found, strict=True)
    }
    assert passes == {**dict.fromkeys(PASSES, True), **dict.fromkeys(FAILS, False)}


@pytest.mark.real
def test_what_a_truncation_removed_is_part_of_the_text(sandbox: Sandbox, tmp_path: Path) -> None:
    # The published rule cuts at the comment, so that nothing is left.
    task = task_of()
    text = f"# Here is the answer.\n{RIGHT_PRINT}\n"
    (sample,) = [written(task, [text], truncation="published")]
    assert RIGHT_PRINT not in sample.program
    (line,) = recorded(sandbox, task, [sample], tmp_path)
    assert line["passes_after"] is not None
    assert line["tried"] == 1


@pytest.mark.real
def test_only_the_last_turn_ends_earlier(sandbox: Sandbox, tmp_path: Path) -> None:
    task = task_of("turns")
    texts = ["a = 1", "b = 2", "c = 3"]
    samples = [
        written(task, [*texts, f"{RIGHT_PRINT}\nprint(0)"], 0),
        written(task, [f"{RIGHT_PRINT}\nprint(0)", *texts[:2], "print(0)"], 1),
    ]
    found = recorded(sandbox, task, samples, tmp_path)
    assert [line["passes_after"] is not None for line in found] == [True, False]


@pytest.mark.real
def test_it_resumes_and_leaves_samples_that_passed_alone(sandbox: Sandbox, tmp_path: Path) -> None:
    task = task_of()
    text = f"{RIGHT_PRINT}\nprint(0)"
    samples = [
        written(task, [text], number, verdicts=RIGHT if number == 1 else WRONG)
        for number in range(3)
    ]
    assert record_endings(sandbox, task, run_of(task, samples[:2], tmp_path)) == 1
    whole = (tmp_path / ENDINGS).read_bytes()
    (tmp_path / ENDINGS).write_bytes(whole + b'{"item": "torn')
    heard: list[tuple[int, int]] = []
    lines = recorded(
        sandbox, task, samples, tmp_path, listen=lambda done, total: heard.append((done, total))
    )
    assert [line["sample"] for line in lines] == [0, 2]
    assert (tmp_path / ENDINGS).read_bytes().startswith(whole)
    assert heard == [(1, 2), (2, 2)]
    assert record_endings(sandbox, task, run_of(task, samples, tmp_path)) == 0
    assert record_endings(sandbox, task, run_of(task, samples, tmp_path), fresh=True) == 2


def test_the_ends_are_in_order_and_without_the_judged_program() -> None:
    sample = written(task_of(), ["x = [1]\nprint(x)\nimport os\nx.sort()\nprint(os)"])
    ends = [each.splitlines()[-1] for each in endings_of(sample)]
    assert ends == ["print(x)", "x.sort()"]
    before = sample.program[: sample.program.index("x = [1]")]
    assert all(each.startswith(before) for each in endings_of(sample))
    assert endings_of(replace(sample, steps=())) == []


def test_where_it_does_not_apply_it_says_so(tmp_path: Path) -> None:
    class Untouched:
        """No program may run."""

    untouched: Any = Untouched()
    concat = task_of()
    wrong_arm = replace(run_of(concat, [], tmp_path).config, arm="gold_prefix")
    with pytest.raises(InputError, match="do not end with a generated text"):
        record_endings(untouched, concat, replace(run_of(concat, [], tmp_path), config=wrong_arm))
    assert "gold_prefix" not in ENDING_ARMS
    other = open_task("own", arm="concat", language="go")
    assert isinstance(other, ProblemTask)
    with pytest.raises(InputError, match="Python alone"):
        record_endings(untouched, other, run_of(other, [], tmp_path))
    config = replace(run_of(concat, [], tmp_path).config, problems_sha256="0" * 64)
    with pytest.raises(InputError, match="another version of the problems"):
        record_endings(untouched, concat, replace(run_of(concat, [], tmp_path), config=config))
    assert not (tmp_path / ENDINGS).exists()
