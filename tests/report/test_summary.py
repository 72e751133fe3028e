"""The sentences of the summary, from records with known answers."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("statsmodels", reason="the extra `report` is not installed")

from multiturn.report.make import make_report
from multiturn.report.records.read import read_records
from tests.report.make_runs import sample, write_run

PROBLEMS = [f"p{number}" for number in range(20)]


def two_arms(place: Path, model: str, turns: int, concat: int) -> None:
    for arm, passing in (("turns", turns), ("concat", concat)):
        write_run(
            place / model / arm,
            [sample(p, passed=n < passing) for n, p in enumerate(PROBLEMS)],
            arm=arm, model=model,
        )  # fmt: skip


def test_one_model_has_a_sentence_of_its_own(tmp_path: Path) -> None:
    two_arms(tmp_path, "small-1b", 14, 2)
    summary = make_report(read_records([tmp_path]), {}, safety=False).summary
    assert len(summary) == 1
    assert summary[0].startswith(
        "small-1b on own under published: turns is better than concat, +60.0 "
    )


def test_several_models_share_a_sentence_below_the_pooled_one(tmp_path: Path) -> None:
    two_arms(tmp_path, "small-1b", 14, 2)
    two_arms(tmp_path, "large-7b", 18, 17)
    two_arms(tmp_path, "tiny-1m", 0, 0)
    pooled, models = make_report(read_records([tmp_path]), {}, safety=False).summary
    # The model that passes nothing is in no mean, and is not dropped in silence.
    assert pooled.startswith(
        "2 models together (large-7b, small-1b) on own under published: turns is better than "
        "concat, +32.5 "
    )
    heading, _, rest = models.partition(": ")
    assert heading == "Model by model, turns minus concat on own under published"
    parts = {part.split()[0]: part.rstrip(".") for part in rest.split("; ")}
    assert parts.keys() == {"small-1b", "large-7b", "tiny-1m"}
    assert parts["small-1b"].startswith("small-1b +60.0 (") and parts["small-1b"].endswith("better")
    assert parts["large-7b"].startswith("large-7b +5.0 (") and parts["large-7b"].endswith("tied")
    assert parts["tiny-1m"] == "tiny-1m passes nothing"


def test_where_nothing_passes_nothing_is_tied_and_no_other_test_pays_for_it(
    tmp_path: Path,
) -> None:
    two_arms(tmp_path, "small-1b", 9, 3)
    (alone,) = make_report(read_records([tmp_path]), {}, safety=False).summary
    two_arms(tmp_path, "tiny-1m", 0, 0)
    small, tiny = make_report(read_records([tmp_path]), {}, safety=False).summary
    assert small == alone
    assert tiny == (
        "tiny-1m on own under published: nothing passes in turns or concat, 0.0 (no interval) "
        "points over 20 problems."
    )
