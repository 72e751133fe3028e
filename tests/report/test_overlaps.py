"""Generated code that a training corpus has, too."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("statsmodels", reason="the extra `report` is not installed")
pytest.importorskip("pyarrow", reason="the extra `data` is not installed")

from multiturn.core.errors import StoreError
from multiturn.data.api import build_corpus
from multiturn.data.recipe import CorpusRecipe
from multiturn.data.sources.directory import Directory
from multiturn.report.analysis.overlaps import find_overlaps
from multiturn.report.make import make_report
from multiturn.report.pages.render import to_markdown
from multiturn.report.problem_texts import CaseTexts
from multiturn.report.records.columns import Records
from multiturn.report.records.read import read_records
from tests.report.make_runs import sample, step, write_run

pytestmark = pytest.mark.real

KNOWN = "def is_leap(year):\n    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)\n"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    place = tmp_path / "files"
    place.mkdir()
    (place / "calendar.py").write_text("import time\n\n\n" + KNOWN + "\nepoch = 1970\n")
    (place / "other.py").write_text("x = 1\n")
    source = Directory(path=place, label="calendar", licence="PSF-2.0")
    build_corpus(CorpusRecipe(name="tiny", sources=(source,), steps=()), tmp_path / "corpus",
                 workers=1)  # fmt: skip
    return tmp_path / "corpus"


def records_of(place: Path) -> Records:
    copied = [step(text="x = 2"), step(text=KNOWN.replace("    ", "\t"))]
    for model, steps in (("copies", copied), ("writes", [step(text="print(5)")])):
        lines = [sample(f"p{n}", steps=steps, program=f"# {KNOWN}") for n in range(4)]
        write_run(place / model, lines, model=model)
    return read_records([place])


def test_overlaps_have_source_and_licence(tmp_path: Path, corpus: Path) -> None:
    records = records_of(tmp_path / "runs")
    case = CaseTexts(prompts=(), gold=1, inputs={}, references=("y = 3", "print(y)"))
    found = find_overlaps(records, corpus, {("0" * 64, "p0", 0): case}, threshold=20)
    assert found.documents == 2
    by_model = {each.model: each for each in found.rates}
    assert (by_model["copies"].long.estimate, by_model["copies"].longest) == (1, 29)
    # A prompt that is in the corpus is no overlap of the model's.
    assert (by_model["writes"].long.estimate, by_model["writes"].longest) == (0, 0)
    assert (by_model[""].programs, by_model[""].longest) == (1, 0)
    (one,) = found.longest
    assert (one.model, one.licence) == ("copies", "PSF-2.0")
    assert one.document == "directory:calendar:calendar.py"
    text = to_markdown(make_report(records, {}, safety=False, overlaps=found))
    assert "| 29 | copies | p0/0 | directory:calendar:calendar.py | PSF-2.0 |" in text
    assert "return year % 4" in text


def test_without_a_corpus_it_is_said(tmp_path: Path) -> None:
    text = to_markdown(make_report(records_of(tmp_path), {}, safety=False))
    assert "Not searched; `multiturn report ... --corpus DIR`" in text.replace("\\", "")


def test_a_directory_that_is_no_corpus_is_one_line(tmp_path: Path) -> None:
    records = records_of(tmp_path / "runs")
    with pytest.raises(StoreError, match="no corpus"):
        find_overlaps(records, tmp_path / "runs", {}, threshold=20)
