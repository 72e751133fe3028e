"""Scores of prompts and references: what is scored below what, and that they resume."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from multiturn.benchmarks.loaders.open_task import open_task
from multiturn.benchmarks.loaders.tasks import ProblemTask
from multiturn.benchmarks.perplexity import SCORES, score_run
from multiturn.benchmarks.runner.results import SavedRun, read_run
from multiturn.core.errors import EngineError, InputError
from multiturn.engines.protocol import EngineInfo, Score

RESULTS = Path(__file__).parents[2] / "docs" / "results" / "multi-turn" / "own" / "smollm2-135m"
INFO = EngineInfo(
    engine="fake", model="fake", weights_sha256=None, context_window=10_000, chat_template=None
)


class Letters:
    """Scores each letter by 1 nat; the first without context by nothing."""

    def __init__(self, fail_after: int | None = None) -> None:
        self.asked: list[tuple[str, str]] = []
        self.fail_after = fail_after

    def score(self, text: str, *, given: str = "") -> Score:
        if self.fail_after is not None and len(self.asked) >= self.fail_after:
            raise EngineError("gone")
        self.asked.append((given, text))
        logprobs = [-1.0] * len(text)
        if not given and logprobs:
            logprobs[0] = math.nan
        return Score(tuple(range(len(text))), tuple(logprobs))


def saved(name: str, place: Path, count: int = 4) -> tuple[ProblemTask, SavedRun]:
    run = read_run(RESULTS / name)
    task = open_task("own", arm=run.config.arm)
    assert isinstance(task, ProblemTask)
    return task, replace(run, path=place, samples=run.samples[:count])


def test_prompts_are_scored_below_the_program_so_far(tmp_path: Path) -> None:
    task, run = saved("turns.published.t0.2", tmp_path, 1)
    scorer = Letters()
    assert score_run(scorer, INFO, task, run) == 1
    (sample,) = run.samples
    problem = task.problems[sample.item.problem]
    filled = problem.fill(problem.inputs[sample.item.case])
    count = len(problem.turns)
    for (given, text), prompt in zip(scorer.asked[:count], filled.prompts, strict=True):
        assert text == f"# {prompt}\n"
        assert sample.program.startswith(given + text)
    for (given, text), prompt, reference in zip(
        scorer.asked[count:], filled.prompts, filled.references, strict=True
    ):
        assert text == reference
        assert given.endswith(f"# {prompt}\n")
    line = json.loads((tmp_path / SCORES).read_text().splitlines()[1])
    assert line["item"] == sample.item.id
    assert line["prompts"][0]["nats"] == line["prompts"][0]["tokens"]
    assert line["prompts"][0]["bytes"] == len(f"# {filled.prompts[0]}\n".encode())


def test_a_single_prompt_has_all_references_below_it(tmp_path: Path) -> None:
    task, run = saved("concat.fair.t0.2", tmp_path, 1)
    scorer = Letters()
    score_run(scorer, INFO, task, run)
    (sample,) = run.samples
    problem = task.problems[sample.item.problem]
    filled = problem.fill(problem.inputs[sample.item.case])
    (given, prompt), (below, references) = scorer.asked
    assert prompt == f"# {' '.join(filled.prompts)}\n"
    assert below == given + prompt
    assert references == "\n\n".join(filled.references)


def test_scores_resume_with_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for place in (first, second):
        place.mkdir()
    task, run = saved("turns.published.t0.2", first)
    score_run(Letters(), INFO, task, run)
    task, run = saved("turns.published.t0.2", second)
    with pytest.raises(EngineError):
        score_run(Letters(fail_after=20), INFO, task, run)
    done = (second / SCORES).read_bytes()
    assert 1 < done.count(b"\n") < 5
    (second / SCORES).write_bytes(done[:-9])  # as a kill may leave it
    assert score_run(Letters(), INFO, task, run) == 4 - (done.count(b"\n") - 2)
    assert (second / SCORES).read_bytes() == (first / SCORES).read_bytes()
    assert score_run(Letters(), INFO, task, run) == 0


def test_scores_of_another_engine_are_not_mixed(tmp_path: Path) -> None:
    task, run = saved("turns.published.t0.2", tmp_path, 1)
    score_run(Letters(), INFO, task, run)
    other = replace(INFO, engine="other")
    with pytest.raises(InputError, match="another engine"):
        score_run(Letters(), other, task, run)
    assert score_run(Letters(), other, task, run, fresh=True) == 1


def test_another_model_is_refused(tmp_path: Path) -> None:
    task, run = saved("turns.published.t0.2", tmp_path, 1)
    with pytest.raises(InputError, match="another model"):
        score_run(Letters(), replace(INFO, weights_sha256="0" * 64), task, run)
