"""`multiturn bench variables` and `bench endings`, and the report that reads what they wrote."""

from __future__ import annotations

import lzma
import shutil
from pathlib import Path

import pytest

from multiturn.apps.cli.main import run

pytestmark = pytest.mark.real

OWN = Path(__file__).parents[3] / "docs" / "results" / "multi-turn" / "own" / "smollm2-135m"


def part_of(name: str, place: Path, count: int) -> Path:
    """The first samples of a saved run, as an unfinished run."""
    place.mkdir(parents=True)
    shutil.copy(OWN / name / "run.json", place)
    lines = lzma.decompress((OWN / name / "samples.jsonl.xz").read_bytes()).splitlines(True)
    (place / "samples.partial.jsonl").write_bytes(b"".join(lines[:count]))
    return place


def test_turns_are_found_and_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    turns = part_of("turns.fair.t0.2", tmp_path / "runs" / "turns", 30)
    part_of("concat.fair.t0.2", tmp_path / "runs" / "concat", 30)
    before = (turns / "samples.partial.jsonl").read_bytes()
    assert run(["bench", "variables", str(tmp_path / "runs")]) == 0
    said = capsys.readouterr().out.replace("\n", "")
    assert "concat: not applicable" in said
    assert "new samples" in said
    assert (turns / "samples.partial.jsonl").read_bytes() == before
    pytest.importorskip("statsmodels", reason="the extra `report` is not installed")
    out = tmp_path / "out"
    assert run(["report", str(tmp_path / "runs"), "-o", str(out), "--no-safety"]) == 0
    assert "Failures by the turn in which they start" in (out / "report.md").read_text()
    assert "from here on" in (out / "index.html").read_text()


def test_endings_are_found_and_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    concat = part_of("concat.fair.t0.2", tmp_path / "runs" / "concat", 20)
    before = (concat / "samples.partial.jsonl").read_bytes()
    assert run(["bench", "endings", str(tmp_path / "runs")]) == 0
    assert "20 new samples" in capsys.readouterr().out.replace("\n", " ")
    assert run(["bench", "endings", str(tmp_path / "runs")]) == 0
    assert " 0 new samples" in capsys.readouterr().out.replace("\n", " ")
    assert (concat / "samples.partial.jsonl").read_bytes() == before
    arm = concat / "run.json"
    arm.write_text(arm.read_text().replace('"arm": "concat"', '"arm": "gold_prefix"'))
    assert run(["bench", "endings", str(concat)]) == 0
    assert "gold_prefix do not end" in capsys.readouterr().out.replace("\n", " ")
    arm.write_text(arm.read_text().replace('"arm": "gold_prefix"', '"arm": "concat"'))
    pytest.importorskip("statsmodels", reason="the extra `report` is not installed")
    out = tmp_path / "out"
    assert run(["report", str(tmp_path / "runs"), "-o", str(out), "--no-safety"]) == 0
    assert "At the best end" in (out / "report.md").read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--parameters", "mine"], ["--parameters", "=3"], ["--training-tokens", "mine=-3"],
        ["--training-tokens", "mine=nan"], ["--overlap-tokens", "3"], ["--corpus", "{empty}"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_wrong_options_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    pytest.importorskip("statsmodels", reason="the extra `report` is not installed")
    pytest.importorskip("pyarrow", reason="the extra `data` is not installed")
    part_of("turns.fair.t0.2", tmp_path / "run", 3)
    empty = tmp_path / "empty"
    empty.mkdir()
    given = [each.format(empty=empty) for each in arguments]
    code = run(["report", str(tmp_path / "run"), "-o", str(tmp_path / "out"), *given])
    said = capsys.readouterr().err.strip()
    assert code == 2
    assert said.count("\n") == 0
    assert said.startswith("error:")
    assert not (tmp_path / "out").exists()
