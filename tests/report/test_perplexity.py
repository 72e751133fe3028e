"""Perplexities in reports, on scores with known answers."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

pytest.importorskip("statsmodels", reason="the extra `report` is not installed")

from multiturn.benchmarks.perplexity import SCHEMA, SCORES
from multiturn.report.analysis.perplexity import perplexity_ratios, run_perplexities
from multiturn.report.make import make_report
from multiturn.report.pages.render import to_markdown
from multiturn.report.records.perplexity_lines import read_perplexities
from multiturn.report.records.read import read_records
from tests.report.make_runs import sample, write_run


def scored(place: Path, nats: list[float], passed: int, **changes: object) -> None:
    """A run whose problem n has 10 tokens of a prompt with so many nats each."""
    lines = [sample(f"p{n}", passed=n < passed) for n in range(len(nats))]
    write_run(place, lines, **changes)  # type: ignore[arg-type]
    text = json.dumps({"schema": SCHEMA}) + "\n"
    for n, each in enumerate(nats):
        prompt = {"tokens": 10, "nats": 10 * each, "bytes": 40}
        reference = {"tokens": 5, "nats": 5.0, "bytes": 20}
        line = {"item": f"p{n}/0", "sample": 0, "prompts": [prompt], "references": [reference]}
        text += json.dumps(line) + "\n"
    (place / SCORES).write_text(text)


def test_perplexity_is_that_of_a_token(tmp_path: Path) -> None:
    scored(tmp_path, [1.0, 2.0, 3.0, 2.0], passed=2)
    prompts, references = run_perplexities(read_records([tmp_path]))
    assert prompts.perplexity.estimate == pytest.approx(math.exp(2))
    assert prompts.bits_per_byte == pytest.approx(80 / 160 / math.log(2))
    assert prompts.passed.estimate == pytest.approx(math.exp(1.5))
    assert prompts.failed.estimate == pytest.approx(math.exp(2.5))
    assert prompts.ratio.estimate == pytest.approx(math.e)
    assert prompts.ratio.low is not None
    assert prompts.ratio.low < 1 < math.e
    assert references.perplexity.estimate == pytest.approx(math.e)


def test_the_interval_is_the_t_interval_of_equal_problems(tmp_path: Path) -> None:
    from scipy import stats

    values = [1.0, 2.0, 3.0, 2.5, 1.2]
    scored(tmp_path, values, passed=0)
    prompts = run_perplexities(read_records([tmp_path]))[0]
    low, high = stats.t.interval(0.95, 4, loc=sum(values) / 5, scale=stats.sem(values))
    assert prompts.perplexity.low == pytest.approx(math.exp(low))
    assert prompts.perplexity.high == pytest.approx(math.exp(high))
    assert prompts.passed.estimate is None


def test_arms_are_compared_with_turns(tmp_path: Path) -> None:
    scored(tmp_path / "t", [1.0, 2.0, 3.0], passed=1)
    scored(tmp_path / "c", [1.5, 2.5, 3.5], passed=1, arm="concat")
    records = read_records([tmp_path])
    ratios = [
        r for r in perplexity_ratios(records, run_perplexities(records)) if r.part == "prompts"
    ]
    (ratio,) = ratios
    assert ratio.arm == "concat"
    assert ratio.ratio.estimate == pytest.approx(math.exp(0.5))
    assert ratio.ratio.low == pytest.approx(math.exp(0.5))  # paired: no spread


def test_runs_without_scores_say_how_to_make_them(tmp_path: Path) -> None:
    write_run(tmp_path, [sample("a"), sample("b", passed=True)])
    text = to_markdown(make_report(read_records([tmp_path]), {}, safety=False))
    assert "bench score" in text


@pytest.mark.parametrize("text", ["", "{", '{"schema": "multiturn.bench-perplexity/2"}\n', "[]\n"])
def test_scores_that_are_none_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / SCORES).write_text(text)
    assert not read_perplexities(tmp_path)


def test_half_written_and_strange_scores_do_not_count(tmp_path: Path) -> None:
    scored(tmp_path, [1.0, 2.0], passed=1)
    file = tmp_path / SCORES
    file.write_text(file.read_text() + '[]\n{"item": 3}\n' + file.read_text().splitlines()[1][:-5])
    found = read_perplexities(tmp_path)
    assert found is not None
    assert len(found) == 2
