"""What the best end of each last text changes, from records with known answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

pytest.importorskip("statsmodels", reason="the extra `report` is not installed")

from multiturn.benchmarks.endings import ENDING_ARMS, ENDINGS, SCHEMA
from multiturn.report.analysis.endings import best_endings
from multiturn.report.make import make_report
from multiturn.report.pages.render import to_html, to_markdown
from multiturn.report.records.ending_lines import NO_ENDINGS
from multiturn.report.records.read import read_records
from tests.report.make_runs import sample, write_run


def write_endings(place: Path, found: Mapping[str, int | None], end: str = "") -> None:
    lines = [
        {"schema": SCHEMA},
        *({"item": f"{name}/0", "sample": 0, "passes_after": line, "tried": 1}
          for name, line in found.items()),
    ]  # fmt: skip
    text = "".join(json.dumps(each) + "\n" for each in lines)
    (place / ENDINGS).write_text(text + end)


PROBLEMS = [f"p{number}" for number in range(10)]


def two_arms(place: Path) -> None:
    """Turns pass in 6 of 10 and could in 7; concat passes in 2 and could in 6."""
    turns = write_run(place / "t", [sample(p, passed=n < 6) for n, p in enumerate(PROBLEMS)])
    write_endings(turns, {"p6": 3, **dict.fromkeys(PROBLEMS[7:])})
    concat = write_run(
        place / "c", [sample(p, passed=n < 2) for n, p in enumerate(PROBLEMS)], arm="concat"
    )
    write_endings(concat, {**dict.fromkeys(PROBLEMS[2:6], 4), **dict.fromkeys(PROBLEMS[6:])})


def test_rates_and_differences_count_the_best_ends(tmp_path: Path) -> None:
    two_arms(tmp_path)
    records = read_records([tmp_path])
    found = best_endings(records)
    rates = {
        records.runs[each.run].arm: (each.recorded.estimate, each.best.estimate)
        for each in found.runs
    }
    assert rates == {"turns": (0.6, 0.7), "concat": (0.2, 0.6)}
    (only,) = found.comparisons
    assert (only.first, only.second) == ("turns", "concat")
    assert only.found.interval.estimate == pytest.approx(0.1)
    assert found.missing == 0
    document = make_report(records, {}, safety=False)
    assert "With the best end of every text: +10.0" in document.summary[0]
    text = to_markdown(document)
    assert "turns is better than concat, +40.0" in text
    assert "At the best end, %" in to_html(document)


def test_samples_that_were_not_examined_do_not_count(tmp_path: Path) -> None:
    place = write_run(tmp_path, [sample(p, passed=n < 2) for n, p in enumerate(PROBLEMS)])
    write_endings(
        place, {"p2": 3, "p3": None, "gone": 3},
        '{"item": "p4/0", "sample": 0, "passes_after": 0}\n'
        '{"item": "p5/0", "sample": 0, "passes_after": true}\n'
        '{"item": "p3/0", "sample": 0, "passes_after": 9}\n'
        '{"item": "p6/0", "sample": 0, "passes_aft',
    )  # fmt: skip
    (found,) = best_endings(read_records([tmp_path])).runs
    assert (found.samples, found.recorded.estimate, found.best.estimate) == (4, 0.5, 0.75)


def test_what_is_not_recorded_is_said(tmp_path: Path) -> None:
    write_run(tmp_path / "a", [sample(p) for p in PROBLEMS])
    write_run(tmp_path / "b", [sample(p) for p in PROBLEMS], arm="concat")
    records = read_records([tmp_path])
    assert best_endings(records).missing == 2
    document = make_report(records, {}, safety=False)
    assert "Not recorded for 2 runs; `multiturn bench endings`" in to_markdown(document).replace(
        "\\", ""
    )
    assert "best end" not in document.summary[0]


def test_a_model_without_records_is_left_out_of_the_pool(tmp_path: Path) -> None:
    two_arms(tmp_path / "one")
    for arm in ("turns", "concat"):
        write_run(
            tmp_path / arm, [sample(p, passed=arm == "turns") for p in PROBLEMS], arm=arm,
            model="other-2b",
        )  # fmt: skip
    found = best_endings(read_records([tmp_path]))
    assert found.missing == 1  # all of the other model's turns passed
    assert [each.models for each in found.comparisons] == [("small-1b",)]


def test_runs_that_cannot_have_records_are_not_missed(tmp_path: Path) -> None:
    for arm in NO_ENDINGS:
        write_run(tmp_path / arm, [sample("p")], arm=arm)
    assert best_endings(read_records([tmp_path])).missing == 0
    assert not set(NO_ENDINGS) & set(ENDING_ARMS)
    document = make_report(read_records([tmp_path]), {}, safety=False)
    assert "endings" not in [section.name for section in document.sections]
