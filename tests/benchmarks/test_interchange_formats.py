"""Samples and results in the formats of human-eval and Inspect."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiturn.benchmarks.interchange.human_eval import (
    ExternalCompletion,
    read_completions,
    score_completions,
    write_completions,
)
from multiturn.benchmarks.interchange.inspect.log import eval_log, write_eval_log
from multiturn.benchmarks.interchange.lm_eval import documents
from multiturn.benchmarks.interchange.replay import as_completion, replay
from multiturn.benchmarks.loaders.human_eval import HumanEvalProblem
from multiturn.benchmarks.loaders.open_task import open_task
from multiturn.benchmarks.loaders.tasks import HumanEvalTask
from multiturn.benchmarks.problem_set import own_problems
from multiturn.benchmarks.runner.config import SampleSettings, Selection, describe_run
from multiturn.benchmarks.runner.results import SavedRun, read_run
from multiturn.benchmarks.runner.run import run_specs
from multiturn.benchmarks.runner.run_spec import RunSpec
from multiturn.benchmarks.task import ArmSettings
from multiturn.core.errors import InputError
from multiturn.engines.protocol import Request
from multiturn.engines.scripted import ScriptedEngine, ScriptSettings
from multiturn.sandbox.protocol import Sandbox
from multiturn.text.truncation import PublishedRule

PROBLEMS = [
    HumanEvalProblem(
        task_id=f"T/{number}",
        prompt=f'def add{number}(a, b):\n    """The sum."""\n',
        entry_point=f"add{number}",
        canonical_solution="    return a + b\n",
        test="def check(candidate):\n    assert candidate(2, 3) == 5\n",
    )
    for number in range(3)
]
TASK = HumanEvalTask(PROBLEMS, sha256="0" * 64)
LINES = [
    {"task_id": "T/1", "completion": "    return a + b\n"},
    {"task_id": "T/0", "completion": "    return a - b\n", "passed": True, "result": "passed"},
    {"task_id": "T/1", "completion": "    return b + a\n"},
    {"task_id": "T/0", "completion": "    return a +"},
    # The other program has truncated it already, so the published rule does not apply.
    {"task_id": "T/2", "completion": "    return help_me(a, b)\n\n\n\ndef help_me(a, b):\n"
     "    # adds\n    return a + b\n"},
]  # fmt: skip


@pytest.mark.parametrize("packed", [False, True])
def test_somebody_elses_samples_are_judged_in_their_order(
    tmp_path: Path, sandbox: Sandbox, packed: bool
) -> None:
    path = tmp_path / "samples.jsonl"
    data = "\n".join(map(json.dumps, LINES)).encode()
    path.write_bytes(gzip.compress(data) if packed else data)
    found = list(score_completions(read_completions(path), TASK, sandbox))
    assert [(one.item.id, one.sample, one.verdicts["strict"].passed) for one in found] == [
        ("T/1", 0, True),
        ("T/0", 0, False),
        ("T/1", 1, True),
        ("T/0", 1, False),
        ("T/2", 0, True),
    ]
    again = tmp_path / "again.jsonl"
    write_completions(found, again)
    assert read_completions(again) == read_completions(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no samples"),
        ("{", "line 1 is not JSON"),
        ("[1]", "line 1 is not a mapping"),
        ('{"task_id": "T/0", "completion": "x"}\n{"task_id": 3}', "line 2: task_id"),
        ('{"task_id": "T/0", "completion": null}', "completion"),
        ("\x1f\x8b\x00", "neither text nor gzip"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_broken_file_is_refused_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=words) as error:
        read_completions(path)
    assert "\n" not in str(error.value)


def test_an_unknown_task_is_refused_before_anything_runs(sandbox: Sandbox) -> None:
    completions = [ExternalCompletion("T/0", "x"), ExternalCompletion("T/9", "x")]
    with pytest.raises(InputError, match=r"sample 2 .*T/9"):
        score_completions(completions, TASK, sandbox)


@given(st.text())
def test_replayed_text_is_cut_as_an_engine_cuts_it(text: str) -> None:
    rule = PublishedRule()
    completion = as_completion(text, rule)
    clean = text.encode("utf-8", "replace").decode()
    cut = rule.find(clean)
    assert completion.text == clean[: cut.position if cut else None]
    assert completion.raw_text == clean


@pytest.fixture(scope="module")
def run(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> SavedRun:
    """Six samples of the own set, by an engine that knows the answers of every first case."""
    references = {}
    for problem in own_problems()[:3]:
        filled = problem.fill(problem.inputs[0])
        for prompt, code in zip(filled.prompts, filled.references, strict=True):
            references[f"# {prompt}\n"] = code

    def answer(request: Request, index: int) -> str:
        return next((ref for ask, ref in references.items() if request.prompt.endswith(ask)), "x")

    engine = ScriptedEngine(answer, settings=ScriptSettings(context_window=100_000))
    task = open_task("own", arm="turns")
    config = describe_run(
        task,
        model="scripted",
        engine=engine.info,
        sandbox=sandbox,
        settings=ArmSettings(),
        sampling=SampleSettings(n=1),
        selection=Selection(cases=2, limit=3),
    )
    place = tmp_path_factory.mktemp("run") / "cell"
    run_specs([RunSpec(label="cell", task=task, config=config, place=place)], engine, sandbox)
    return read_run(place)


def test_a_log_keeps_to_inspects_schema(run: SavedRun) -> None:
    """The schema is Inspect's own, with unknown keys refused; docs/interchange.md made it."""
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    schema = json.loads(Path(__file__).with_name("inspect_log_schema.json").read_text())
    log = eval_log(run, task=open_task("own", arm="turns"))
    validator = jsonschema.validators.validator_for(schema)(schema)
    assert [error.message for error in validator.iter_errors(log)] == []
    log["eval"]["modle"] = "x"
    assert not validator.is_valid(log)


def test_inspect_reads_the_log(run: SavedRun, tmp_path: Path) -> None:
    inspect_log = pytest.importorskip("inspect_ai.log", reason="inspect-ai is not installed")
    path = tmp_path / "log.json"
    write_eval_log(run, path, task=open_task("own", arm="turns"))
    log = inspect_log.read_eval_log(str(path))
    assert log.status == "success" and log.version == 2
    assert log.eval.metadata["problems_sha256"] == run.config.problems_sha256
    assert [sample.id for sample in log.samples] == [s.item.id for s in run.samples]
    passed = [sample.scores["strict"].value == "C" for sample in log.samples]
    assert passed == [sample.verdicts["strict"].passed for sample in run.samples]
    shares = {score.name: score.metrics["accuracy"].value for score in log.results.scores}
    assert shares["strict"] == pytest.approx(sum(passed) / len(passed))


def test_a_log_holds_every_sample_with_verdict_program_and_prompt(run: SavedRun) -> None:
    log = eval_log(run, task=open_task("own", arm="turns"))
    assert run.complete and log["status"] == "success" and len(log["samples"]) == 6
    values = {sample["id"]: sample["scores"]["strict"]["value"] for sample in log["samples"]}
    assert set(values.values()) == {"C", "I"}
    for sample, ours in zip(log["samples"], run.samples, strict=True):
        assert sample["scores"]["strict"]["answer"] == ours.program
        assert ours.program.startswith(sample["input"])
        assert len(sample["messages"]) == 1 + len(ours.steps)
    assert eval_log(run)["samples"][0]["input"] == run.samples[0].item.id


def test_lm_evals_documents_are_judged_by_our_oracles(sandbox: Sandbox) -> None:
    """A right answer passes, a wrong one does not, whatever stands around it in fences."""
    task = open_task("own", arm="prose")
    problem = own_problems()[0]
    code = "\n".join(problem.fill(problem.inputs[0]).references)
    doc = {"id": f"{problem.id}/0", "arm": "prose"}
    for answer, expected in (
        (code, 1.0),
        (f"```python\n{code}\n```\nThat is all.", 1.0),
        ("print('no')", 0.0),
        ("", 0.0),
    ):
        assert documents.judge(doc, [answer])["strict"] == expected
    assert task.items()[0].id == doc["id"]


def test_an_arm_that_runs_programs_in_between_cannot_be_replayed() -> None:
    task = open_task("own", arm="feedback")
    with pytest.raises(InputError, match="cannot be replayed"):
        replay(task.solver(task.items()[0], ArmSettings()), lambda _: "x = 1\n")
