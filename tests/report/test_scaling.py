"""Figures against parameters and training tokens."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("statsmodels", reason="the extra `report` is not installed")

from multiturn.report.analysis.model_sizes import Known, ModelSizes, family_of, parameters_of
from multiturn.report.analysis.rates import run_rates
from multiturn.report.analysis.scaling import (
    PAPER_PERPLEXITIES,
    PAPER_RATES,
    ScalingPoint,
    fit_power_laws,
    rate_points,
)
from multiturn.report.make import make_report
from multiturn.report.pages.render import to_markdown
from multiturn.report.records.read import read_records
from multiturn.report.statistics.clusters import Interval
from tests.report.make_runs import sample, write_run


def points(count: int, family: str = "f", tokens: bool = True) -> list[ScalingPoint]:
    return [
        ScalingPoint(
            family=family, model=str(n), parameters=10.0 ** (6 + n),
            tokens=Known(10.0 ** (9 + 2 * n) if tokens else None, ""),
            value=Interval(0.01 * 2.0**n),
        )
        for n in range(count)
    ]  # fmt: skip


def test_a_power_law_needs_four_sizes_of_one_family() -> None:
    assert fit_power_laws(points(3), "parameters") == []
    assert fit_power_laws([*points(3), *points(3, "g")], "parameters") == []
    (law,) = fit_power_laws(points(5), "parameters")
    assert law.exponent.estimate == pytest.approx(0.30103, abs=1e-5)
    none = ScalingPoint(
        family="f", model="x", parameters=1e12, tokens=Known(None, ""), value=Interval(0.0)
    )
    assert fit_power_laws([*points(3), none], "parameters") == []


def test_a_power_law_of_tokens_needs_four_known_counts() -> None:
    (law,) = fit_power_laws(points(4), "tokens")
    assert law.exponent.estimate == pytest.approx(0.30103 / 2, abs=1e-5)
    assert fit_power_laws([*points(3), *points(5, tokens=False)[3:]], "tokens") == []
    # The paper's 6.1B has no count that sources agree on.
    assert fit_power_laws(PAPER_RATES, "tokens") == []
    assert len(fit_power_laws(PAPER_RATES, "parameters")) == 3


def test_the_papers_figures_are_marked() -> None:
    assert len(PAPER_RATES) == 12
    for point in [*PAPER_RATES, *PAPER_PERPLEXITIES]:
        assert "2203.13474" in point.source
        assert "the paper's" in point.family
        assert point.tokens.source
    assert PAPER_RATES[8].tokens.value == (350_000 + 2 * 150_000) * 524_288


@pytest.mark.parametrize(
    ("name", "size", "family"),
    [
        ("qwen2.5-coder-1.5b", 1.5e9, "qwen2.5-coder"), ("gpt-4", None, "gpt-4"),
        ("codegen-350M-mono", 350e6, "codegen-mono"), ("b12", None, "b12"), ("7b", 7e9, "7b"),
        ("qwen2.5-coder-0.5b-q4_k_m", 5e8, "qwen2.5-coder-q4_k_m"), ("模型-1b", 1e9, "模型"),
    ],
)  # fmt: skip
def test_sizes_and_families_are_read_from_names(name: str, size: float | None, family: str) -> None:
    assert parameters_of(name) == size
    assert family_of(name) == family


def test_models_of_different_families_have_no_common_law(tmp_path: Path) -> None:
    models = ["a-1b", "a-2b", "b-4b", "b-8b", "c-16b"]
    for number, model in enumerate(models):
        lines = [sample(f"p{n}", passed=n <= number) for n in range(20)]
        write_run(tmp_path / model, lines, model=model)
    records = read_records([tmp_path])
    found = rate_points(records, run_rates(records), ModelSizes())
    assert len(found) == 5
    assert fit_power_laws(found, "parameters") == []
    same = [f"a-{2**n}b" for n in range(5)]
    for number, model in enumerate(same):
        lines = [sample(f"p{n}", passed=n <= number) for n in range(20)]
        write_run(tmp_path / "one" / model, lines, model=model)
    records = read_records([tmp_path / "one"])
    (law,) = fit_power_laws(rate_points(records, run_rates(records), ModelSizes()), "parameters")
    assert law.points == 5


def test_unknown_sizes_say_unknown(tmp_path: Path) -> None:
    write_run(tmp_path, [sample("a", passed=True), sample("b")], model="mine")
    records = read_records([tmp_path])
    text = to_markdown(make_report(records, {}, safety=False))
    assert "Pass rate against training tokens: those of these models are unknown." in text
    assert "| mine | unknown | unknown | unknown |" in text
    given = ModelSizes(parameters={"mine": 2e9}, tokens={"mine": 3e9})
    text = to_markdown(make_report(records, {}, safety=False, sizes=given))
    assert "| mine | 2 | 3 | given |" in text


def test_published_counts_have_a_source() -> None:
    found = ModelSizes().tokens_of("qwen2.5-coder-0.5b")
    assert found.value == 23.5e12
    assert "2409.12186" in found.source
    assert ModelSizes().tokens_of("smollm2-135m").value == 2e12
    assert ModelSizes().tokens_of("codegen-6B-nl").value is None
    assert ModelSizes().tokens_of("codegen-350M-nl").value == 350_000 * 524_288
