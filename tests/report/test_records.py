"""Reading of records: what is wrong in them is said, and no figure is wrong."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from multiturn.core.errors import InputError

pytest.importorskip("msgspec", reason="the extra `report` is not installed")

from multiturn.benchmarks.runner.results import read_run
from multiturn.report.analysis.rates import group_rates, run_rates
from multiturn.report.records.columns import Records
from multiturn.report.records.read import read_records
from multiturn.report.records.run_facts import read_run_facts
from tests.report.make_runs import sample, step, write_run

ROOT = Path(__file__).parents[2]


def rate(records: Records, run: int = 0) -> float | None:
    return next(each for each in run_rates(records) if each.run == run).rate.estimate


def texts(records: Records) -> str:
    return "\n".join(notice.text for notice in records.notices)


def test_saved_runs_have_the_figures_of_bench_show() -> None:
    """The records in the repository, of an earlier version and compressed."""
    place = ROOT / "docs" / "results" / "multi-turn" / "own" / "qwen2.5-coder-0.5b"
    records = read_records([place])
    for each in run_rates(records):
        run = read_run(records.runs[each.run].path)
        judged = [one.verdicts[each.oracle].passed for one in run.samples]
        assert (each.samples, each.passed) == (len(judged), sum(judged))
        new = sum(step.new_tokens for one in run.samples for step in one.steps)
        assert each.new_tokens == pytest.approx(new / len(judged))
    assert not records.notices
    assert {run.truncation for run in records.runs} == {"published", "parse", "next_prompt"}


def test_a_half_written_last_line_does_not_count(tmp_path: Path) -> None:
    lines = [sample("a", passed=True), sample("b"), sample("c", passed=True)]
    write_run(tmp_path, lines, file="samples.partial.jsonl", edit=lambda data: data[:-40])
    records = read_records([tmp_path])
    assert rate(records) == 0.5
    assert "half-written" in texts(records)
    assert "2 of 3 samples" in texts(records)
    assert not records.complete[0]


@pytest.mark.parametrize("cut", range(1, 400, 7))
def test_a_file_that_ends_anywhere_has_only_complete_samples(tmp_path: Path, cut: int) -> None:
    lines = [sample("a", passed=True), sample("b"), sample("c")]
    write_run(tmp_path, lines, edit=lambda data: data[:-cut])
    records = read_records([tmp_path])
    assert len(records.run) == 2
    assert rate(records) == 0.5


def test_repeated_samples_count_once(tmp_path: Path) -> None:
    once = [sample("a", passed=True), sample("b")]
    write_run(tmp_path, [*once, once[0], once[0]], expected=2)
    records = read_records([tmp_path])
    assert rate(records) == 0.5
    assert "2 samples are there more than once" in texts(records)
    assert "another verdict" not in texts(records)


def test_repeated_samples_that_disagree_are_reported(tmp_path: Path) -> None:
    lines = [sample("a", passed=True), sample("b"), sample("a", passed=False)]
    write_run(tmp_path, lines, expected=2)
    records = read_records([tmp_path])
    assert rate(records) == 0.5
    assert "1 of them have another verdict" in texts(records)


def test_the_same_item_in_two_runs_is_no_repetition(tmp_path: Path) -> None:
    for arm in ("turns", "concat"):
        write_run(tmp_path / arm, [sample("a"), sample("b")], arm=arm)
    assert not read_records([tmp_path]).notices


def test_a_run_that_is_named_twice_counts_once(tmp_path: Path) -> None:
    write_run(tmp_path / "a", [sample("a")])
    assert len(read_records([tmp_path, tmp_path / "a", tmp_path / "a" / ".." / "a"]).runs) == 1


@pytest.mark.parametrize("passed", [True, False])
def test_all_or_none_passed(tmp_path: Path, passed: bool) -> None:
    write_run(tmp_path, [sample(f"p{n}", passed=passed) for n in range(20)])
    found = run_rates(read_records([tmp_path]))[0]
    assert found.rate.estimate == passed
    assert found.rate.low == pytest.approx(0.831567 if passed else 0, abs=1e-5)
    assert found.rate.high == pytest.approx(1 if passed else 0.168433, abs=1e-5)


def test_one_sample_has_no_interval(tmp_path: Path) -> None:
    write_run(tmp_path, [sample("a", passed=True)])
    found = run_rates(read_records([tmp_path]))[0]
    assert (found.rate.estimate, found.rate.low) == (1, None)


@pytest.mark.parametrize("file", [False, True])
def test_no_samples_have_no_rate(tmp_path: Path, file: bool) -> None:
    write_run(tmp_path, [], expected=5)
    if file:
        (tmp_path / "samples.partial.jsonl").touch()
    records = read_records([tmp_path])
    found = run_rates(records)[0]
    assert (found.samples, found.rate.estimate, found.new_tokens) == (0, None, None)
    assert "no samples" in texts(records)
    assert group_rates(records) == []


def test_lines_that_are_no_samples_do_not_count(tmp_path: Path) -> None:
    broken = b'{"item": 3}\nnot json\n[]\n\n{"item": {"id": "x"}}\n\xff\xfe\n'
    write_run(tmp_path, [sample("a", passed=True)], edit=lambda data: broken + data)
    records = read_records([tmp_path])
    assert rate(records) == 1
    assert "6 lines are no samples" in texts(records)
    assert "line 1" in texts(records)


def test_unknown_keys_are_ignored_and_another_schema_is_left_out(tmp_path: Path) -> None:
    """A later version may add keys; a later schema may change what they mean."""
    newer = {**sample("a", passed=True), "confidence": 0.5}
    newer["item"]["topic"] = "new"
    write_run(tmp_path / "a", [newer], purpose="new")
    write_run(tmp_path / "b", [sample("a")], schema="multiturn.bench/2")
    records = read_records([tmp_path])
    assert len(records.runs) == 1
    assert rate(records) == 1
    assert "multiturn.bench/2" in texts(records)


def test_a_later_judgement_does_not_become_a_failure(tmp_path: Path) -> None:
    write_run(tmp_path, [sample("a", judgement="abstained"), sample("b", passed=True)])
    records = read_records([tmp_path])
    assert rate(records) == 1
    assert "1 samples have no known verdict" in texts(records)


def test_an_oracle_that_judged_some_samples(tmp_path: Path) -> None:
    lines = [sample("a", passed=True), sample("b"), sample("c", passed=True)]
    del lines[1]["verdicts"]["legacy"]
    write_run(tmp_path, lines)
    strict, legacy = run_rates(read_records([tmp_path]))
    assert (strict.samples, strict.passed) == (3, 2)
    assert (legacy.samples, legacy.passed) == (2, 2)


def test_undecided_samples_are_said(tmp_path: Path) -> None:
    write_run(tmp_path, [sample("a", judgement="undecided"), sample("b", passed=True)])
    records = read_records([tmp_path])
    assert rate(records) == 0.5
    assert "1 samples are undecided" in texts(records)


def test_half_a_character_is_read(tmp_path: Path) -> None:
    line = sample("a", program="print('\ud800')\n", difference="got '\udc00', expected 1")
    write_run(tmp_path, [line, sample("b", passed=True)])
    records = read_records([tmp_path])
    assert rate(records) == 0.5
    assert not records.notices
    assert records.failures[0].line.program == "print('?')\n"


def test_a_damaged_archive_is_left_out(tmp_path: Path) -> None:
    write_run(tmp_path / "a", [sample("a", passed=True)])
    place = write_run(tmp_path / "b", [sample("a")], arm="concat")
    packed = lzma.compress((place / "samples.jsonl").read_bytes())
    (place / "samples.jsonl").unlink()
    (place / "samples.jsonl.xz").write_bytes(packed[:-20])
    records = read_records([tmp_path])
    assert [run.arm for run in records.runs] == ["turns"]
    assert rate(records) == 1
    assert "left out" in texts(records)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": 1}', '{"schema": "multiturn.bench/1"}', "{"]
)
def test_a_record_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(InputError):
        read_run_facts(tmp_path)
    with pytest.raises(InputError, match="no run can be read"):
        read_records([tmp_path])


def test_no_run_at_all_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no saved run here"):
        read_records([tmp_path])


def test_runs_of_other_problems_and_oracles_are_said(tmp_path: Path) -> None:
    write_run(tmp_path / "a", [sample("a")])
    write_run(tmp_path / "b", [sample("a")], arm="concat", problems_sha256="1" * 64)
    versions = {"oracle strict": "1"}
    write_run(tmp_path / "c", [sample("a")], arm="listed", versions=versions)
    found = texts(read_records([tmp_path]))
    assert "different files of problems" in found
    assert "versions 1, 2 of the oracle strict" in found


def test_retained_samples_are_the_same_each_time(tmp_path: Path) -> None:
    write_run(tmp_path, [sample(f"p{n}", program=f"print({n})\n") for n in range(300)])
    first, second = (
        [one.line.program for one in read_records([tmp_path], max_failures=30).failures]
        for _ in range(2)
    )
    assert first == second
    assert len(first) == 30
    assert first != [f"print({n})\n" for n in range(30)]


def test_pass_at_k_of_an_incomplete_run_is_undefined(tmp_path: Path) -> None:
    lines = [sample("a", number=n, passed=n == 0) for n in range(4)]
    write_run(tmp_path, lines, expected=2, sampling={"n": 4})
    found = run_rates(read_records([tmp_path]), (1, 2))[0]
    assert found.pass_at_k[1].estimate is None
    assert found.rate.estimate == 0.25


def test_groups_have_their_own_rates(tmp_path: Path) -> None:
    lines = [
        sample(f"{level}{n}", passed=n < share, difficulty=level)
        for level, share in (("easy", 3), ("hard", 1))
        for n in range(4)
    ]
    write_run(tmp_path, lines)
    found = {g.group: g.rate.estimate for g in group_rates(read_records([tmp_path]))}
    assert found["easy"] == 0.75
    assert found["hard"] == 0.25


def test_tokens_and_cuts(tmp_path: Path) -> None:
    steps: list[dict[str, Any]] = [
        step(text="a", cut_by="comment line"), step(text="b", finish_reason="length")
    ]  # fmt: skip
    write_run(tmp_path, [sample("a", steps=steps), sample("b")])
    found = run_rates(read_records([tmp_path]))[0]
    assert (found.prompt_tokens, found.new_tokens) == (15, 7.5)
    assert (found.cut, found.exhausted) == (0.5, 0.5)


def test_line_separators_of_unicode_do_not_split_lines(tmp_path: Path) -> None:
    line = sample("a", passed=True, program="print('\u2028')\n")
    write_run(tmp_path, [line])
    text = json.dumps(line, ensure_ascii=False) + "\n"
    (tmp_path / "samples.jsonl").write_text(text, encoding="utf-8", newline="\n")
    assert rate(read_records([tmp_path])) == 1
