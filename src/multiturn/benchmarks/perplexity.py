"""How likely a model finds the prompts and the reference code of saved samples.

As in the paper, a prompt is scored in its context: below the program that the model had written by
then. Reference code is scored below the prompts of the arm and the reference code before it. Scores
go to `SCORES` in the directory of the run, a line for each sample (`runner.side_file`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from multiturn.benchmarks.arms.layout import SEPARATOR, header_text, in_main, opened_main
from multiturn.benchmarks.interchange.replay import replay
from multiturn.benchmarks.loaders.tasks import ProblemTask
from multiturn.benchmarks.problem_set import Problem
from multiturn.benchmarks.runner.results import SavedRun
from multiturn.benchmarks.runner.samples import Sample
from multiturn.benchmarks.runner.side_file import open_side_file
from multiturn.benchmarks.solver import Generate
from multiturn.core.errors import InputError
from multiturn.engines.protocol import EngineInfo, Scorer

__all__ = ["SCHEMA", "SCORES", "TextScore", "score_run", "score_sample"]

SCHEMA = "multiturn.bench-perplexity/1"
SCORES = "perplexity.jsonl"

_ARMS = ("turns", "shuffled", "concat", "listed", "prose", "gold_prefix")


@dataclass(frozen=True, slots=True)
class TextScore:
    """The score of one text.

    Attributes:
        tokens: how many were scored; a first token without context is not.
        nats: the negative sum of their natural log-probabilities.
        bytes: of the text, in UTF-8.
    """

    tokens: int
    nats: float
    bytes: int


def score_sample(
    scorer: Scorer, task: ProblemTask, run: SavedRun, sample: Sample
) -> dict[str, list[TextScore]]:
    """Score the prompts of a sample, and the reference code under its arm.

    Args:
        scorer: of the model that wrote the sample.
        task: the benchmark of the run.
        run: the run.
        sample: one of its samples.

    Returns:
        By ``prompts`` and ``references``: the scores of each generation's prompt, and of the
        reference code in its place; no references if the problem has none.

    Raises:
        InputError: the arm runs programs between its turns, or belongs to another benchmark.
        ContextOverflowError, EngineError: of the engine.
    """
    problem = task.problems[sample.item.problem]
    header = header_text(problem, run.config.settings.header)
    found = {"prompts": [], "references": []}  # type: dict[str, list[TextScore]]
    written = [step.text for step in sample.steps]
    for given, text, _ in _asked(task, run, sample, written, header):
        found["prompts"].append(_score(scorer, text, given))
    references = _references(problem, sample, run.config.arm)
    for given, text, answer in _asked(task, run, sample, references, header):
        found["references"].append(_score(scorer, answer, given + text))
    return found


def score_run(
    scorer: Scorer,
    info: EngineInfo,
    task: ProblemTask,
    run: SavedRun,
    *,
    fresh: bool = False,
    listen: Callable[[int, int], None] = lambda _done, _total: None,
) -> int:
    """Score the samples of a run that have no scores yet.

    Args:
        scorer: of the model that wrote the samples.
        info: of the engine, for the record.
        task: the benchmark of the run.
        run: the run.
        fresh: drop earlier scores.
        listen: receives how many samples of how many have scores.

    Returns:
        How many samples were scored now.

    Raises:
        InputError: the arm cannot be scored, the weights are not those of the run, or the earlier
            scores are of another engine.
        StorageError: another process works on the run, or the file cannot be written.
        ContextOverflowError, EngineError: of the engine. Scores so far are saved.
    """
    if run.config.arm not in _ARMS:
        raise InputError("this arm cannot be scored", got=run.config.arm, allowed=", ".join(_ARMS))
    weights = run.config.engine.weights_sha256
    if weights is not None and info.weights_sha256 is not None and weights != info.weights_sha256:
        raise InputError(
            "another model wrote this run", got=info.model, allowed=run.config.engine.model
        )
    about = {
        "schema": SCHEMA,
        "engine": info.engine,
        "model": info.model,
        "weights_sha256": info.weights_sha256,
    }
    total = len(run.samples)
    with open_side_file(
        run.path / SCORES, about, fresh=fresh, mismatch="the run has scores of another engine"
    ) as scores:
        left = [sample for sample in run.samples if sample.key not in scores.done]
        for number, sample in enumerate(left):
            listen(total - len(left) + number, total)
            scores.add([(sample.key, _line(score_sample(scorer, task, run, sample)))])
    listen(total, total)
    return len(left)


def _asked(
    task: ProblemTask, run: SavedRun, sample: Sample, answers: Sequence[str], header: str
) -> Iterator[tuple[str, str, str]]:
    """What precedes each prompt of a sample, the prompt, and the answer, given all answers."""
    if not answers:
        return
    actions: list[Generate] = []

    def write(action: Generate) -> str:
        actions.append(action)
        return answers[len(actions) - 1] if len(actions) <= len(answers) else ""

    replay(task.solver(sample.item, run.config.settings), write)
    opened = header + opened_main(task.problems[sample.item.problem])
    before = opened if actions and actions[0].prompt.startswith(opened) else header
    for action, answer in zip(actions, answers, strict=False):
        if run.config.arm == "gold_prefix" and SEPARATOR in action.prompt:
            # It has reference code there; its last comment is the prompt.
            before = action.prompt[: action.prompt.rindex(SEPARATOR) + len(SEPARATOR)]
        yield before, action.prompt[len(before) :], answer
        before = action.prompt + answer + SEPARATOR


def _references(problem: Problem, sample: Sample, arm: str) -> list[str]:
    """The reference code in the place of each generation; none where the order differs."""
    if arm == "shuffled" or not all(turn.reference for turn in problem.turns):
        return []
    references = list(problem.fill(problem.inputs[sample.item.case]).references)
    if arm in ("turns", "gold_prefix"):
        references = [in_main(problem, reference) for reference in references]
    if arm == "gold_prefix":
        return [references[sample.item.turn or 0]]
    return references if arm == "turns" else [SEPARATOR.join(references)]


def _score(scorer: Scorer, text: str, given: str) -> TextScore:
    logprobs = [value for value in scorer.score(text, given=given).logprobs if math.isfinite(value)]
    return TextScore(len(logprobs), -math.fsum(logprobs), len(text.encode("utf-8", "replace")))


def _line(scores: Mapping[str, Sequence[TextScore]]) -> dict[str, Any]:
    return {
        name: [
            {"tokens": each.tokens, "nats": round(each.nats, 6), "bytes": each.bytes}
            for each in found
        ]
        for name, found in scores.items()
    }
