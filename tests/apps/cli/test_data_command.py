"""`multiturn data`, as a person calls it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from multiturn.apps.cli.main import run

RECIPE = """
from pathlib import Path
from multiturn.data.presets import code_steps
from multiturn.data.recipe import CorpusRecipe
from multiturn.data.sources.directory import Directory

recipe = CorpusRecipe(
    name="mine", steps=code_steps(("python",)),
    sources=(Directory(path=Path(__file__).parent / "code", label="code", licence="MIT"),),
)
"""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "recipe.py").write_text(RECIPE)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "good.py").write_text("def add(a, b):\n    return a + b\n")
    (tmp_path / "code" / "mail.py").write_text("AUTHOR = 'someone@somewhere.io'  # a person\n")
    (tmp_path / "code" / "old.py").write_text("print 'this is python two, not three'\n")
    return tmp_path


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


Data = Callable[..., Done]


@pytest.fixture
def data(work: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Data:
    """Does what the installed script does, in this process: a new one takes half a second."""
    monkeypatch.chdir(work)

    def call(*arguments: str) -> Done:
        code = run(["data", *arguments])
        return Done(code, *capsys.readouterr())

    return call


def test_a_corpus_from_its_recipe_to_each_document(work: Path, data: Data) -> None:
    built = data("build", "recipe.py", "--keep-drops", "--workers", "1")
    assert built.returncode == 0, built.stderr
    assert "corpora/mine: 2 documents" in built.stdout
    assert "documents: 1 of 1" in built.stderr
    stats = json.loads(data("stats", "corpora/mine", "--json").stdout)
    assert stats["documents"] == 2
    assert stats["tables"]["Dropped, by step and reason"] == [
        {"name": "python syntax: no valid syntax", "documents": 1, "bytes": 38}
    ]
    assert "redact: email" in data("stats", "corpora/mine").stdout
    page = data("stats", "corpora/mine", "--html", "out/page.html")
    assert page.returncode == 0
    assert (work / "out" / "page.html").read_text().startswith("<!doctype html>")
    shown = data("show", "corpora/mine")
    assert "directory:code:mail.py  python  MIT" in shown.stdout
    one = data("show", "corpora/mine", "directory:code:mail.py")
    assert "<EMAIL>" in one.stdout
    assert "somewhere" not in one.stdout
    dropped = data("show", "corpora/mine", "--dropped")
    assert dropped.stdout.startswith("directory:code:old.py  python syntax: no valid syntax")
    assert "1 files, all intact" in data("verify", "corpora/mine").stdout


def test_mistakes_are_one_line_each(work: Path, data: Data) -> None:
    data("build", "recipe.py", "--workers", "1")
    (part,) = (work / "corpora" / "mine" / "documents").glob("*.parquet")
    part.write_bytes(b"broken")
    for arguments, message in (
        (["build", "none.py"], "no such recipe"),
        (["build", "none"], "no such recipe"),
        (["build", "recipe.py", "--workers", "0"], "too few workers"),
        (["stats", "code"], "no corpus in this folder"),
        (["show", "corpora/mine"], "cannot be read"),
        (["show", "corpora/mine", "--dropped"], "without --keep-drops"),
        (["show", "corpora/mine", "--stage", "packd"], "unknown stage"),
        (["verify", "corpora/mine"], "files of the corpus are wrong"),
        (["bigquery", "--language", "pyhton"], "did you mean python"),
        (["bigquery", "--export", "gs://a/b"], "an export costs money"),
        (["bigquery", "--export", "gs://a/b", "--spend-at-most", "much"], "is not an amount"),
    ):
        done = data(*arguments)
        assert done.returncode == 2, (arguments, done.stdout, done.stderr)
        assert message in done.stderr
        assert "Traceback" not in done.stderr
        assert done.stderr.count("error: ") == 1


def test_the_query_can_be_read_before_anybody_is_asked(data: Data) -> None:
    done = data("bigquery", "--language", "go", "--sql")
    assert done.returncode == 0, done.stderr
    assert r"\.(go)$" in done.stdout
