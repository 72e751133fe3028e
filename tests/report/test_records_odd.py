"""Records of kinds that no program of ours writes: said clearly, and never a wrong number."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from multiturn.core.errors import InputError

pytest.importorskip("statsmodels", reason="the extra `report` is not installed")

from multiturn.report.analysis.arms import compare_arms
from multiturn.report.analysis.rates import run_rates
from multiturn.report.make import make_model_cards, make_report
from multiturn.report.pages.render import to_html, write_report
from multiturn.report.records.columns import Records
from multiturn.report.records.read import read_records
from tests.report.make_runs import RUN, sample, write_run

HALF = [sample("a", passed=True), sample("b")]


def rate(records: Records, run: int = 0) -> float | None:
    return next(each for each in run_rates(records) if each.run == run).rate.estimate


def texts(records: Records) -> str:
    return "\n".join(notice.text for notice in records.notices)


def pages(records: Records) -> str:
    return to_html(make_report(records, {}, safety=False))


def test_gzip_is_read(tmp_path: Path) -> None:
    write_run(tmp_path, HALF, file="samples.jsonl.gz", edit=gzip.compress)
    records = read_records([tmp_path])
    assert rate(records) == 0.5
    assert not records.notices


@pytest.mark.parametrize("keep", [0, 1, 5, 20, 60, -1])
def test_a_cut_gzip_is_left_out(tmp_path: Path, keep: int) -> None:
    write_run(tmp_path / "a", HALF, arm="a")
    write_run(tmp_path / "b", HALF * 9, arm="concat", file="samples.jsonl.gz",
              edit=lambda data: gzip.compress(data)[:keep])  # fmt: skip
    records = read_records([tmp_path])
    assert rate(records) == 0.5
    assert "left out" in texts(records) or "no samples" in texts(records)


@pytest.mark.parametrize("name", ["samples.jsonl.zst", "samples.json", "samples.jsonl.bak"])
def test_samples_in_a_file_that_is_not_read(tmp_path: Path, name: str) -> None:
    write_run(tmp_path, HALF, file=name)
    records = read_records([tmp_path])
    assert rate(records) is None
    assert f"no samples: it has no figures; {name} cannot be read" in texts(records)


def test_gzip_under_the_name_of_text(tmp_path: Path) -> None:
    write_run(tmp_path, HALF, edit=gzip.compress)
    records = read_records([tmp_path])
    assert rate(records) is None
    assert "no samples" in texts(records)
    assert pages(records)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_other_encodings(tmp_path: Path, encoding: str) -> None:
    write_run(tmp_path, HALF, edit=lambda data: data.decode().encode(encoding))
    records = read_records([tmp_path])
    assert rate(records) == (0.5 if encoding == "utf-8-sig" else None)


def test_a_record_with_a_byte_order_mark(tmp_path: Path) -> None:
    write_run(tmp_path, HALF)
    file = tmp_path / "run.json"
    file.write_text(file.read_text(), encoding="utf-8-sig")
    assert rate(read_records([tmp_path])) == 0.5


def test_samples_without_a_record_are_said(tmp_path: Path) -> None:
    write_run(tmp_path / "a", HALF)
    write_run(tmp_path / "b", HALF, arm="concat")
    (tmp_path / "b" / "run.json").unlink()
    records = read_records([tmp_path])
    assert len(records.runs) == 1
    assert "no record of a run" in texts(records)
    assert records.notices[0].run.endswith("b")


@pytest.mark.parametrize("name", ["nothing", "file"])
def test_a_place_that_is_no_directory(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"no such directory|no saved run here"):
        read_records([tmp_path / name])


def test_a_record_stands_for_its_run(tmp_path: Path) -> None:
    write_run(tmp_path, HALF)
    assert rate(read_records([tmp_path / "run.json"])) == 0.5


def test_a_copy_of_a_run_is_left_out(tmp_path: Path) -> None:
    write_run(tmp_path / "a", HALF)
    shutil.copytree(tmp_path / "a", tmp_path / "copy of a")
    records = read_records([tmp_path])
    assert len(records.runs) == 1
    assert len(records.run) == 2
    assert "left out: a copy of" in texts(records)


def test_two_runs_with_the_same_name_are_told_apart(tmp_path: Path) -> None:
    write_run(tmp_path / "x" / "first", HALF)
    write_run(tmp_path / "y" / "second", [*HALF, sample("c")], sampling={"top_p": 0.5})
    write_run(tmp_path / "y" / "third", [sample("a", passed=True), sample("b", passed=True)])
    records = read_records([tmp_path])
    labels = [run.label for run in records.runs]
    assert len(set(labels)) == 3
    assert {label.rpartition("(")[2] for label in labels} == {"x/first)", "y/second)", "y/third)"}
    assert "it has the conditions and the seed of" in texts(records)
    assert sorted(filter(None, (rate(records, n) for n in range(3)))) == pytest.approx(
        [1 / 3, 0.5, 1]
    )


def test_two_empty_runs_are_no_copies(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_run(tmp_path / name, [], expected=5)
    assert len(read_records([tmp_path]).runs) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"sampling": {"temperature": float("nan")}}, {"sampling": {"temperature": -1}},
        {"sampling": {"n": "many"}}, {"sampling": {"n": -3}}, {"sampling": {"top_p": None}},
        {"settings": {"budget": "none"}}, {"settings": {"truncation": 3}}, {"oracles": []},
        {"oracles": "strict"}, {"model": None}, {"model": {"name": "x"}}, {"task": ["own"]},
        {"engine": "llama"}, {"expected": -1}, {"versions": 3}, {"settings": {"budget": 1.5}},
    ],
    ids=str,
)  # fmt: skip
def test_a_record_with_strange_values_is_left_out(tmp_path: Path, change: dict[str, Any]) -> None:
    write_run(tmp_path / "a", HALF)
    write_run(tmp_path / "b", HALF, **({"arm": "concat"} | change))
    records = read_records([tmp_path])
    assert len(records.runs) == 1
    assert "lacks what a report needs" in texts(records) or "not the record" in texts(records)


@pytest.mark.parametrize(
    "record",
    [
        {"run_id": "3", "artifact_uri": "mlruns/0", "status": 1}, [], 3, None, "run",
        {"schema": "inspect/2", "eval": {}}, {"schema": None}, {"config": {"tasks": ["humaneval"]}},
    ],
    ids=str,
)  # fmt: skip
def test_the_record_of_another_tool_is_left_out(tmp_path: Path, record: object) -> None:
    write_run(tmp_path / "a", HALF)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "run.json").write_text(json.dumps(record))
    records = read_records([tmp_path])
    assert len(records.runs) == 1
    assert "left out" in texts(records)


def test_a_record_that_nests_without_end(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"schema": ' + "[" * 100_000)
    with pytest.raises(InputError, match="no run can be read"):
        read_records([tmp_path])


def changed(**changes: Any) -> bytes:
    return json.dumps({**sample("c", passed=True), **changes}).encode() + b"\n"


STRANGE: dict[str, bytes] = {
    "human-eval": b'{"task_id": "HumanEval/0", "completion": "x", "passed": true}\n',
    "deep": b'{"item": ' + b"[" * 100_000 + b"\n",
    "deep known": b'{"item": {"id": ' + b'{"a":' * 100_000 + b"\n",
    "huge tokens": changed(steps=[{"prompt_tokens": 10**30, "new_tokens": 1}]),
    "large tokens": changed(steps=[{"prompt_tokens": 2**62, "new_tokens": 2**62}]),
    "negative tokens": changed(steps=[{"prompt_tokens": -5}]),
    "tokens as text": changed(steps=[{"prompt_tokens": "5"}]),
    "nan": changed(steps=[{"prompt_tokens": float("nan")}]),
    "nan elsewhere": changed(score=float("nan")),
    "infinity": changed(sample=float("inf")),
    "huge number": changed(sample=10**40),
    "negative number": changed(sample=-1),
    "half a number": changed(sample=0.5),
    "no verdicts": changed(verdicts={}),
    "verdicts as a list": changed(verdicts=[]),
    "item as text": changed(item="c/0"),
    "null": b"null\n",
    "nul": b"\x00" * 50 + b"\n",
    "two in one line": changed().rstrip() + changed(),
    "keys twice": b'{"item": {"id": "x"}, "item": 3}\n',
    "surrogate": b'{"item": "\\ud800"}\n',
}


@pytest.mark.parametrize("line", STRANGE.values(), ids=STRANGE.keys())
def test_a_strange_line_does_not_count(tmp_path: Path, line: bytes) -> None:
    write_run(tmp_path, HALF, edit=lambda data: line + data)
    records = read_records([tmp_path])
    assert rate(records) == 0.5
    assert "do not count" in texts(records)
    assert pages(records)


@pytest.mark.parametrize(
    "edit",
    [
        lambda line: line.pop("program"),
        lambda line: line.update(program=None),
        lambda line: line["steps"][0].update(text=None),
    ],
    ids=["no program", "null", "no text"],
)
def test_a_sample_without_a_program_counts_and_is_not_shown(
    tmp_path: Path, edit: Callable[[dict[str, Any]], object]
) -> None:
    lines = [sample("a", passed=True), sample("b")]
    edit(lines[1])
    write_run(tmp_path, lines)
    records = read_records([tmp_path])
    assert rate(records) == 0.5
    assert records.failed == (1,)
    assert not records.failures
    assert pages(records)


def test_repeated_failures_count_and_are_shown_once(tmp_path: Path) -> None:
    write_run(tmp_path, [sample("a"), sample("b", passed=True), sample("a"), sample("a")])
    records = read_records([tmp_path])
    assert records.failed == (1,)
    assert len(records.failures) == 1


def test_more_samples_than_the_record_says(tmp_path: Path) -> None:
    write_run(tmp_path, [*HALF, sample("c")], expected=2)
    assert "3 samples are there, but its record says 2" in texts(read_records([tmp_path]))


def test_runs_judged_by_other_first_oracles_are_not_compared(tmp_path: Path) -> None:
    write_run(tmp_path / "a", HALF)
    write_run(tmp_path / "b", HALF, arm="concat", oracles=["legacy", "strict"])
    records = read_records([tmp_path])
    assert compare_arms(records) == []
    assert "different first oracles" in texts(records)


def test_runs_with_other_top_p_are_not_compared(tmp_path: Path) -> None:
    write_run(tmp_path / "a", HALF)
    write_run(tmp_path / "b", HALF, arm="concat", sampling={"top_p": 1.0})
    assert compare_arms(read_records([tmp_path])) == []


def test_one_name_for_two_files_of_weights_is_said(tmp_path: Path) -> None:
    for name in "ab":
        engine = {**RUN["engine"], "weights_sha256": name * 64}
        write_run(tmp_path / name, HALF, arm={"a": "turns", "b": "concat"}[name], engine=engine)
    assert "2 different files of weights" in texts(read_records([tmp_path]))


@pytest.mark.parametrize(
    "name",
    ["模型-1b", "مدل", "m\x00\x1b[31m\n", "\u202egnp", "a" * 400, "..", "", "con", "🙂", "a\u0301",
     "-o", "{{x}}", "%s", "a,b\"c", "=1+1"],
)  # fmt: skip
def test_names_of_any_kind(tmp_path: Path, name: str) -> None:
    write_run(tmp_path / "runs", HALF, model=name, task=name)
    records = read_records([tmp_path / "runs"])
    document = make_report(records, {}, safety=False)
    files = write_report(document, tmp_path / "out")
    assert all(file.resolve().is_relative_to(tmp_path / "out") for file in files)
    assert all(file.stat().st_size for file in files)
    (card,) = make_model_cards(records)
    assert Path(card).name == card
    assert len(card) > 3


def test_names_that_differ_in_signs_alone_have_files_of_their_own(tmp_path: Path) -> None:
    for number, name in enumerate(["a/b", "a b", "A-b", "a.b"]):
        write_run(tmp_path / str(number), HALF, model=name, task=name)
    records = read_records([tmp_path])
    assert len({name.lower() for name in make_model_cards(records)}) == 4
    tables = make_report(records, {}, safety=False).tables
    assert len({table.name for table in tables}) == len(tables)


@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.parametrize("passed", [True, False])
def test_runs_of_two_models_with_hardly_a_sample(tmp_path: Path, count: int, passed: bool) -> None:
    for model in ("a-1b", "b-2b"):
        for arm in ("turns", "concat", "gold_prefix", "listed"):
            turn = 0 if arm == "gold_prefix" else None
            lines = [sample(f"p{n}", passed=passed, turn=turn, turns=1) for n in range(count)]
            write_run(tmp_path / model / arm, lines, model=model, arm=arm, expected=3)
    records = read_records([tmp_path])
    assert pages(records)
    for each in compare_arms(records):
        assert each.found.interval.estimate == 0
        assert each.conclusion.value == ("tied" if count > 1 and passed else "not enough data")
        assert each.nothing_passed != passed
