"""The first turn whose variables differ from the reference's, in the real sandbox."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from multiturn.benchmarks.arms.registry import arm_named
from multiturn.benchmarks.interchange.replay import replay
from multiturn.benchmarks.loaders.open_task import open_task
from multiturn.benchmarks.loaders.tasks import ProblemTask
from multiturn.benchmarks.problem_set import own_problems
from multiturn.benchmarks.runner.results import SavedRun, read_run
from multiturn.benchmarks.runner.samples import Sample
from multiturn.benchmarks.task import ArmSettings
from multiturn.benchmarks.variables.differences import (
    VARIABLE_ARMS,
    VARIABLES,
    first_difference,
    record_first_differences,
    turns_of,
)
from multiturn.benchmarks.variables.observation import TurnVariables
from multiturn.core.errors import InputError
from multiturn.sandbox.encoding import FrameData, Opaque
from multiturn.sandbox.oracles.verdicts import Judgement, Verdict
from multiturn.sandbox.protocol import Limits, Sandbox

pytestmark = pytest.mark.real

RESULTS = Path(__file__).parents[2] / "docs" / "results" / "multi-turn" / "own" / "smollm2-135m"
WRONG = {"strict": Verdict(Judgement.WRONG_ANSWER, "got 1, expected 2")}
RIGHT = {"strict": Verdict(Judgement.PASSED)}

WEIGHTS = "weights = [1, 2, 3, 4]"
GAP = "def gap(p):\n    return abs(sum(weights[:p]) - sum(weights[p:]))"
BEST = "best = min(range(len(weights) + 1), key=gap)"
PRINT = "print([best, gap(best)])"


def task_of(arm: str = "turns", seconds: float = 20) -> ProblemTask:
    task = open_task("own", arm=arm, limits={"cpu_seconds": seconds, "wall_seconds": 3 * seconds})
    assert isinstance(task, ProblemTask)
    return task


def written(
    task: ProblemTask, texts: Sequence[str], number: int = 0, *, turn: int | None = None,
    problem: str = "balancing_index", **settings: Any,
) -> Sample:  # fmt: skip
    """A sample in which a model wrote these texts."""
    item = next(
        item for item in task.items()
        if item.problem == problem and item.case == 0 and item.turn == turn
    )  # fmt: skip
    left = iter(texts)
    solver = task.solver(item, ArmSettings(truncation="none", **settings))
    solution = replay(solver, lambda _action: next(left, ""))
    return Sample(
        item=item, sample=number, verdicts=WRONG, steps=solution.steps, program=solution.program
    )


def recorded(
    sandbox: Sandbox, task: ProblemTask, samples: Sequence[Sample], place: Path, **options: Any
) -> list[dict[str, Any]]:
    """The lines about some samples."""
    saved = read_run(RESULTS / "turns.fair.t0.2")
    config = replace(saved.config, arm=task.arm, problems_sha256=task.problems_sha256)
    run = SavedRun(path=place, config=config, samples=tuple(samples), complete=True)
    record_first_differences(sandbox, task, run, **options)
    return [json.loads(line) for line in (place / VARIABLES).read_text().splitlines()[1:]]


NO_DIFFERENCE = {
    "the reference": [WEIGHTS, GAP, BEST, PRINT],
    "another way": ["weights = tuple([1, 2, 3, 4])", "gap = lambda p: 0", "best = 3", "print(1)"],
    "an array": ["weights = np.array([1, 2, 3, 4])", GAP, "best = np.int64(3)", PRINT],
    "names of its own": [WEIGHTS + "\ni = 9", GAP, f"for i in 'ab':\n    pass\n{BEST}", PRINT],
    "a statement over two turns": ["weights = [1, 2,", f"3, 4]\n{GAP}", BEST, PRINT],
    "a carriage return": [f"{WEIGHTS}\r\nx = 1\ry = 2", GAP, BEST, PRINT],
    "a decorator": [WEIGHTS, f"import functools\n@functools.cache\n{GAP}", BEST, PRINT],
    "much output": [WEIGHTS, f"print('x' * 10**7)\n{GAP}", BEST, PRINT],
    "its own exit": [WEIGHTS, GAP, BEST, f"{PRINT}\nimport sys\nsys.exit(0)"],
}

DIFFERENCES = {
    "another value": ([WEIGHTS, GAP, "best = 2", PRINT], 2, "value", "best"),
    "a variable that is missing": ([WEIGHTS, GAP, "bset = 3", PRINT], 2, "missing", "best"),
    "an earlier variable that is changed": (
        [WEIGHTS, f"{GAP}\nweights.append(5)", BEST, PRINT], 1, "value", "weights",
    ),
    "a number for a function": ([WEIGHTS, "gap = 3", "best = 3", PRINT], 1, "value", "gap"),
    "an exception": ([WEIGHTS, f"{GAP}\n1 / 0", BEST, PRINT], 1, "raised", None),
    "an exception in a function": ([WEIGHTS, "def gap(p): 1 / 0", BEST, PRINT], 2, "raised", None),
    "no syntax": ([WEIGHTS, GAP, "best = (", PRINT], 2, "syntax", None),
    "no syntax after a wrong value": (["weights = []", GAP, "best = (", PRINT], 0, "value",
                                      "weights"),
    "a return outside": ([WEIGHTS, f"{GAP}\nreturn 1", BEST, PRINT], 1, "syntax", None),
    "an early exit": ([f"{WEIGHTS}\nimport sys\nsys.exit()", GAP, BEST, PRINT], 1, "raised", None),
    "an exit with a code": ([WEIGHTS, f"{GAP}\nexit(3)", BEST, PRINT], 1, "raised", None),
    "a loop without end": ([WEIGHTS, GAP, f"{BEST}\nwhile True: pass", PRINT], 2, "raised", None),
    "a text that is empty": ([WEIGHTS, "", BEST, PRINT], 1, "missing", "gap"),
}  # fmt: skip


def test_programs_are_compared_turn_by_turn(sandbox: Sandbox, tmp_path: Path) -> None:
    task = task_of(seconds=2)
    texts = [*NO_DIFFERENCE.values(), *(each[0] for each in DIFFERENCES.values())]
    samples = [written(task, each, number) for number, each in enumerate(texts)]
    found = recorded(sandbox, task, samples, tmp_path)
    assert [line["sample"] for line in found] == list(range(len(texts)))
    for name, line in zip(NO_DIFFERENCE, found, strict=False):
        assert (line["turn"], line["reason"]) == (None, "none"), (name, line)
    for (name, (_, *expected)), line in zip(
        DIFFERENCES.items(), found[len(NO_DIFFERENCE) :], strict=True
    ):
        assert [line["turn"], line["reason"], line["name"]] == expected, (name, line)
    assert found[len(NO_DIFFERENCE)]["detail"] == "got 2, expected 3"


FRAME = FrameData(("a", "b"), (0, 1), ("int64", "float64"), ((1, 2), (0.5, float("nan"))))


@pytest.mark.parametrize(
    ("got", "expected", "same"),
    [
        (replace(FRAME, dtypes=("float64", "object"), items=((1.0, 2.0), FRAME.items[1])), FRAME,
         True),
        (replace(FRAME, items=((1, 3), FRAME.items[1])), FRAME, False),
        (replace(FRAME, index=(1, 2)), FRAME, False), (replace(FRAME, columns=("b", "a")), FRAME,
                                                       False),
        ([1, 2], FRAME, False), (FRAME, [1, 2], False),
        (Opaque("function"), Opaque("type"), True), (3, Opaque("function"), False),
        (Opaque("map"), [1], False), (float("nan"), float("nan"), True), (True, 1, False),
        ({1, 2}, [1, 2], True), ({"a": 1}, {"a": 1.0000000001}, True), ("1", 1, False),
    ],
    ids=str,
)  # fmt: skip
def test_values_are_compared_as_by_the_strict_oracle(
    got: object, expected: object, same: bool
) -> None:
    found = TurnVariables(turns=({"x": got},), unknown=(frozenset(),))
    one = first_difference(found, TurnVariables(turns=({"x": expected},)), [["x"]])
    assert one.reason == ("none" if same else "value")


@pytest.mark.parametrize(
    "found",
    [
        TurnVariables(turns=()), TurnVariables(error="the process was ended"),
        TurnVariables(turns=({},), unknown=(frozenset({"x"}),)),
        TurnVariables(turns=(None,), unknown=(frozenset(),)),
        TurnVariables(turns=(), turn=-3, reason="raised"),
        TurnVariables(turns=({"x": 1},) * 9, unknown=(frozenset(),) * 9, turn=900, reason="raised"),
    ],
    ids=str,
)  # fmt: skip
def test_records_that_a_program_has_spoilt(found: TurnVariables) -> None:
    one = first_difference(found, TurnVariables(turns=({"x": 1},)), [["x"]])
    assert one.reason in ("none", "unknown", "raised")


def test_a_process_that_dies_is_unknown(sandbox: Sandbox, tmp_path: Path) -> None:
    task = task_of(seconds=1)
    hidden = "while True:\n    try:\n        while True: pass\n    except BaseException: pass"
    texts = [
        [WEIGHTS, f"{GAP}\nimport os\nos._exit(0)", BEST, PRINT],
        [WEIGHTS, f"{GAP}\n{hidden}", BEST, PRINT],
        [WEIGHTS, f"{GAP}\nimport sys\nsys.modules['signal'].setitimer = None", BEST, PRINT],
    ]
    samples = [written(task, each, number) for number, each in enumerate(texts)]
    found = recorded(sandbox, task, samples, tmp_path)
    assert [found[0]["reason"], found[2]["reason"]] == ["unknown", "unknown"]
    # Two alarms in a row end even this one.
    assert found[1]["reason"] in ("unknown", "raised")


def test_a_repeated_prompt_does_not_end_a_turn(sandbox: Sandbox, tmp_path: Path) -> None:
    task = task_of()
    problem = task.problems["balancing_index"]
    prompts = problem.fill(problem.inputs[0]).prompts
    ahead = f"{WEIGHTS}\n\n# {prompts[1]}\nweights = []\ndef gap(p):\n    return 0"
    sample = written(task, [ahead, GAP, BEST, PRINT])
    (line,) = recorded(sandbox, task, [sample], tmp_path)
    assert (line["turn"], line["name"]) == (0, "weights")


def test_turns_that_were_not_written(sandbox: Sandbox, tmp_path: Path) -> None:
    task = task_of()
    sample = written(task, [WEIGHTS, GAP, BEST, PRINT])
    begin = sample.program.index("\n\n# Find the position")
    short = replace(sample, steps=sample.steps[:2], program=sample.program[:begin])
    none = replace(sample, sample=1, steps=(), program="")
    found = recorded(sandbox, task, [short, none], tmp_path)
    assert [(line["turn"], line["reason"]) for line in found] == [
        (2, "not_written"), (0, "not_written"),
    ]  # fmt: skip


def test_a_single_turn_below_the_reference(sandbox: Sandbox, tmp_path: Path) -> None:
    task = task_of("gold_prefix")
    texts = [BEST, "best = 1", "best = (", "1 / 0", "x = 1"]
    samples = [written(task, [text], number, turn=2) for number, text in enumerate(texts)]
    found = recorded(sandbox, task, samples, tmp_path)
    assert [(line["turn"], line["reason"]) for line in found] == [
        (None, "none"), (2, "value"), (2, "syntax"), (2, "raised"), (2, "missing"),
    ]  # fmt: skip


def test_every_reference_agrees_with_itself(sandbox: Sandbox, tmp_path: Path) -> None:
    """Turn by turn in the layout of the arm, for one case of each problem."""
    task = task_of()
    samples = [
        written(task, problem.fill(problem.inputs[0]).references, problem=problem.id)
        for problem in own_problems()
    ]
    found = recorded(sandbox, task, samples, tmp_path)
    assert [line for line in found if line["reason"] != "none"] == []


def test_saved_runs_are_left_as_they_are_and_resume(sandbox: Sandbox, tmp_path: Path) -> None:
    saved = read_run(RESULTS / "turns.fair.t0.2")
    task = task_of()
    config = replace(saved.config, problems_sha256=task.problems_sha256)
    failing = [each for each in saved.samples if not each.verdicts["strict"].passed][:70]
    run = replace(saved, path=tmp_path, config=config, samples=tuple(failing))
    assert record_first_differences(sandbox, task, run) == 70
    lines = (tmp_path / VARIABLES).read_bytes()
    assert sorted(each.name for each in tmp_path.iterdir()) == [VARIABLES]
    (tmp_path / VARIABLES).write_bytes(lines[: lines.rindex(b"\n", 0, -400) + 30])
    assert 0 < record_first_differences(sandbox, task, run) < 70
    assert (tmp_path / VARIABLES).read_bytes() == lines
    assert record_first_differences(sandbox, task, run) == 0


def test_samples_that_passed_are_looked_at_on_request(sandbox: Sandbox, tmp_path: Path) -> None:
    task = task_of()
    sample = replace(written(task, [WEIGHTS, GAP, BEST, PRINT]), verdicts=RIGHT)
    assert recorded(sandbox, task, [sample], tmp_path) == []
    assert len(recorded(sandbox, task, [sample], tmp_path, passed=True)) == 1


@pytest.mark.parametrize("arm", ["concat", "listed", "prose", "shuffled"])
def test_arms_without_turns_are_refused(sandbox: Sandbox, tmp_path: Path, arm: str) -> None:
    with pytest.raises(InputError, match="no turns of their own"):
        recorded(sandbox, task_of(arm), [], tmp_path)


def test_problems_without_references_are_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    task = task_of()
    (problem, *_) = task.problems.values()
    turns = tuple(replace(turn, reference="") for turn in problem.turns)
    bare = ProblemTask(
        [replace(problem, turns=turns)], arm_named("turns"), name="own", sha256="0" * 64,
        limits=Limits(),
    )  # fmt: skip
    with pytest.raises(InputError, match="no reference solution"):
        recorded(sandbox, bare, [], tmp_path)


@pytest.mark.parametrize("arm", VARIABLE_ARMS)
def test_the_turns_of_saved_programs_are_found(arm: str) -> None:
    """Where the repository has runs of the arm."""
    for place in sorted(RESULTS.parent.rglob(f"{arm}*/run.json")):
        run = read_run(place.parent)
        problems = task_of().problems
        for sample in run.samples[:50]:
            found = turns_of(problems[sample.item.problem], sample, arm)
            assert found is not None, (place, sample.item.id)
            assert list(found.ends) == sorted(set(found.ends))
