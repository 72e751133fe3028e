"""`multiturn data`, as a person calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

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


def data(work: Path, *arguments: str) -> Any:
    return subprocess.run(
        [Path(sys.executable).with_name("multiturn"), "data", *arguments],
        cwd=work,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_corpus_from_its_recipe_to_each_document(work: Path) -> None:
    built = data(work, "build", "recipe.py", "--keep-drops", "--workers", "1")
    assert built.returncode == 0, built.stderr
    assert "corpora/mine: 2 documents" in built.stdout
    assert "documents: 1 of 1" in built.stderr
    stats = json.loads(data(work, "stats", "corpora/mine", "--json").stdout)
    assert stats["documents"] == 2
    assert stats["tables"]["Dropped, by step and reason"] == [
        {"name": "python syntax: no valid syntax", "documents": 1, "bytes": 38}
    ]
    assert "redact: email" in data(work, "stats", "corpora/mine").stdout
    page = data(work, "stats", "corpora/mine", "--html", "out/page.html")
    assert page.returncode == 0
    assert (work / "out" / "page.html").read_text().startswith("<!doctype html>")
    shown = data(work, "show", "corpora/mine")
    assert "directory:code:mail.py  python  MIT" in shown.stdout
    one = data(work, "show", "corpora/mine", "directory:code:mail.py")
    assert "<EMAIL>" in one.stdout
    assert "somewhere" not in one.stdout
    dropped = data(work, "show", "corpora/mine", "--dropped")
    assert dropped.stdout.startswith("directory:code:old.py  python syntax: no valid syntax")
    assert "1 files, all as they were made" in data(work, "verify", "corpora/mine").stdout


def test_mistakes_are_one_line_each(work: Path) -> None:
    data(work, "build", "recipe.py", "--workers", "1")
    (part,) = (work / "corpora" / "mine" / "documents").glob("*.parquet")
    part.write_bytes(b"broken")
    for arguments, told in (
        (["build", "none.py"], "no such recipe"),
        (["build", "none"], "no such recipe"),
        (["build", "recipe.py", "--workers", "0"], "too few workers"),
        (["stats", "code"], "no corpus in this folder"),
        (["show", "corpora/mine"], "cannot be read"),
        (["show", "corpora/mine", "--dropped"], "without its drops"),
        (["show", "corpora/mine", "--stage", "packd"], "unknown stage"),
        (["verify", "corpora/mine"], "files of the corpus are wrong"),
        (["bigquery", "--language", "pyhton"], "did you mean python"),
        (["bigquery", "--export", "gs://a/b"], "an export costs money"),
        (["bigquery", "--export", "gs://a/b", "--spend-at-most", "much"], "is no amount"),
    ):
        done = data(work, *arguments)
        assert done.returncode == 2, (arguments, done.stdout, done.stderr)
        assert told in done.stderr
        assert "Traceback" not in done.stderr
        assert done.stderr.count("error: ") == 1


def test_the_query_can_be_read_before_anybody_is_asked(work: Path) -> None:
    done = data(work, "bigquery", "--language", "go", "--sql")
    assert done.returncode == 0, done.stderr
    assert r"\.(go)$" in done.stdout
