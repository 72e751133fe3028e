"""Leaderboards, two runs side by side, and model cards."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

pytest.importorskip("statsmodels", reason="the extra `report` is not installed")

from multiturn.report.analysis.models import leaderboards, side_by_side
from multiturn.report.make import make_model_cards, make_report
from multiturn.report.pages.render import to_markdown
from multiturn.report.records.read import read_records
from multiturn.report.statistics.contrasts import Conclusion
from tests.report.make_runs import sample, write_run


def run(place: Path, passed: int, problems: int = 20, **changes: object) -> None:
    lines = [sample(f"p{n}", passed=n < passed) for n in range(problems)]
    write_run(place, lines, **changes)  # type: ignore[arg-type]


def test_a_leaderboard_says_who_is_tied(tmp_path: Path) -> None:
    for model, passed in (("a", 15), ("b", 16), ("c", 2)):
        run(tmp_path / model, passed, model=model)
    rows = leaderboards(read_records([tmp_path]))
    assert [(row.rank, row.model) for row in rows] == [(1, "b"), (2, "a"), (3, "c")]
    assert [row.conclusion for row in rows[1:]] == [Conclusion.TIED, Conclusion.BETTER]


def test_models_are_compared_over_shared_items(tmp_path: Path) -> None:
    run(tmp_path / "a", 5, 20, model="a")
    run(tmp_path / "b", 5, 10, model="b")
    rows = leaderboards(read_records([tmp_path]))
    assert [row.rate.estimate for row in rows] == [0.5, 0.5]


def test_a_single_model_has_no_board(tmp_path: Path) -> None:
    run(tmp_path / "a", 5)
    assert leaderboards(read_records([tmp_path])) == []


def test_two_runs_side_by_side(tmp_path: Path) -> None:
    run(tmp_path / "a", 9, arm="turns")
    run(tmp_path / "b", 1, arm="concat")
    records = read_records([tmp_path])
    found = side_by_side(records, 1, 0)
    assert found is not None
    assert found.found.interval.estimate == pytest.approx(0.4)
    assert found.p_mcnemar == pytest.approx(2 / 2**8)
    assert found.conclusion is Conclusion.BETTER
    assert found.problems[0].first != found.problems[0].second
    text = to_markdown(make_report(records, {}, safety=False))
    assert "Side by side" in text
    assert "What differs: arm: concat, turns" in text


def test_runs_of_other_problems_are_not_side_by_side(tmp_path: Path) -> None:
    run(tmp_path / "a", 9)
    run(tmp_path / "b", 9, problems_sha256="1" * 64)
    assert side_by_side(read_records([tmp_path])) is None


def test_a_model_card_has_what_the_records_say_and_says_what_is_missing(tmp_path: Path) -> None:
    run(tmp_path / "a", 9, model="small: <1b>", engine={"engine": "test 1", "model": "The Weights"})
    lines = [sample("p", passed=True)]
    write_run(tmp_path / "b", lines, model="small: <1b>", arm="concat", expected=9)
    cards = make_model_cards(read_records([tmp_path]))
    assert list(cards) == ["small-1b.md"]
    (card,) = cards.values()
    _, head, body = card.split("---\n", 2)
    data = yaml.safe_load(head)
    (index,) = data["model-index"]
    assert index["name"] == "small: <1b>"
    # The incomplete run has no figure in the index of the hub.
    assert [each["metrics"][0]["value"] for each in index["results"]] == [0.45]
    assert "45.0 (" in body
    assert "1 of these rows are of incomplete" not in body
    assert "2 of these rows are of incomplete runs" in body
    assert "**License:** [More Information Needed]" in body
    assert "The Weights" in body
    assert "<1b>" not in body.replace("--model small: <1b>", "").replace("\\<1b\\>", "")


def test_the_hub_reads_a_card(tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    run(tmp_path / "a", 9, model="m")
    (text,) = make_model_cards(read_records([tmp_path])).values()
    card = hub.ModelCard(text)
    assert card.data.model_name == "m"
    assert card.data.eval_results[0].metric_value == 0.45
