"""The recipes in the paper's form, end to end on small input of the shape that they are for."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
import zstandard

from multiturn.benchmarks import problem_files
from multiturn.benchmarks.problem_set import BIOINFORMATICS, OWN
from multiturn.core.errors import InputError
from multiturn.data.build.drop_log import Counts
from multiturn.data.build.executors.local import SequentialExecutor
from multiturn.data.build.pipeline import build
from multiturn.data.build.query import DocumentQuery, find_documents
from multiturn.data.build.statistics import verify
from multiturn.data.filters.licence import AllowedLicence
from multiturn.data.licences.expressions import permits
from multiturn.data.licences.texts import BIOPYTHON
from multiturn.data.loader.corpus import PackedCorpus
from multiturn.data.packing.stage import Pack
from multiturn.data.packing.vocabulary import NewTokenizer
from multiturn.data.recipe import load_recipe
from multiturn.data.sources.directory import Directory
from multiturn.data.sources.pypi import PyPIProjects
from multiturn.text.tokenizers_files import from_hub_files

pytestmark = pytest.mark.real

RECIPES = Path(__file__).parents[2] / "recipes" / "data"
LIBRARY = Path(sysconfig.get_path("stdlib"))
MIT = "Licensed under the MIT license.\n"


def library_texts(*names: str) -> list[tuple[str, str]]:
    """Path and text of modules and packages of the standard library."""
    found = []
    for name in names:
        place = LIBRARY / name
        paths = sorted(place.rglob("*.py")) if place.is_dir() else [place]
        found += [(p.relative_to(LIBRARY).as_posix(), p.read_text("utf-8")) for p in paths]
    return found


def built(name: str, out: Path) -> Counts:
    """Build a recipe with all that it says, except a vocabulary that small input can fill."""
    recipe = load_recipe(RECIPES / f"{name}.py")
    *stages, last = recipe.stages
    assert isinstance(last, Pack)
    small = dataclasses.replace(last, tokenizer=NewTokenizer(size=600, documents=30))
    recipe = dataclasses.replace(recipe, stages=(*stages, small))
    counts = build(
        recipe, out, executor=SequentialExecutor(), downloads=out / "downloads", keep_drops=True
    )
    assert verify(out)[1] == []
    assert [stage.name for stage in stages] == ["deduplicated", "decontaminated"]
    return counts


def drops(out: Path, stage: str = "documents") -> dict[str, int]:
    counts = json.loads((out / stage / "complete.json").read_text())["tally"]
    return {f"{step}: {reason}": count for step, reason, count in counts["drops"]}


def origins(corpus: PackedCorpus) -> Iterator[tuple[str, str]]:
    """Source and path of every document of which a token was packed."""
    for row in range(len(corpus)):
        for piece in corpus.pieces(row):
            yield piece.origin.source, piece.origin.path


def test_the_pile_from_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subsets = ["Pile-CC", "Github", "PubMed Central", "Wikipedia (en)"]
    rows = [
        {"text": text, "meta": {"pile_set_name": subsets[number % 4]}}
        for number, (_, text) in enumerate(library_texts("json", "http", "wsgiref"))
    ]
    rows.append({"text": rows[3]["text"], "meta": {"pile_set_name": "OpenWebText2"}})
    rows.append(
        {"text": "mail somebody@somewhere.io now " * 40, "meta": {"pile_set_name": "Github"}}
    )
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    lines.insert(2, '{"meta": {"pile_set_name": "Github"}}')
    for number, some in enumerate((lines[:9], lines[9:])):
        packed = zstandard.compress(("\n".join(some) + "\n").encode())
        (tmp_path / f"{number:02d}.jsonl.zst").write_bytes(packed)
    monkeypatch.setenv("THE_PILE", str(tmp_path / "*.jsonl.zst"))
    out = tmp_path / "out"
    built("pile", out)
    assert drops(out) == {"pile: a record without text": 1}
    assert drops(out, "deduplicated") == {"deduplicated: an exact duplicate": 1}
    corpus = PackedCorpus(out)
    found = set(origins(corpus))
    assert {source for source, _ in found} == {f"pile:{name}" for name in subsets}
    assert ("pile:Pile-CC", "00.jsonl.zst:1") in found
    (mail,) = [d for d in find_documents(out, DocumentQuery()) if d.content.startswith(b"mail ")]
    assert mail.content == b"mail <EMAIL> now " * 40


def repository(path: Path, files: dict[str, str]) -> None:
    """A bare repository with one commit of these files."""
    work = path.parent.parent / "work" / path.stem
    for name, text in files.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text, "utf-8")
    who = ["-c", "user.name=n", "-c", "user.email=n@example.com"]
    for command in (
        ["init", "-q"],
        ["add", "-A"],
        ["commit", "-q", "-m", "all", "--date=2021-10-01T00:00:00Z"],
    ):
        subprocess.run(
            ["git", *who, "-C", str(work), *command],
            check=True,
            env={**os.environ, "GIT_COMMITTER_DATE": "2021-10-01T00:00:00Z"},
        )
    subprocess.run(["git", "clone", "-q", "--bare", str(work), str(path)], check=True)


def test_bigpython_from_repositories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "repositories"
    folder.mkdir()
    one, two = dict(library_texts("json", "http")), dict(library_texts("wsgiref"))
    repository(folder / "one.git", {"LICENSE": MIT, "README.md": "# one\n", **one})
    gpl = "GNU General Public License version 3 of the License\n"
    repository(folder / "copyleft.git", {"COPYING": gpl, **two})
    repository(
        folder / "two.git",
        {
            "LICENSE": MIT,
            "old.py": "print 'Python two, in which this was no call'\n",
            "flat.py": "table = [" + "1, " * 400 + "]\n" + "one = 1\n" * 60,
            **two,
        },
    )
    (folder / "no-repository").mkdir()
    monkeypatch.setenv("BIGPYTHON", str(folder))
    out = tmp_path / "out"
    built("bigpython", out)
    dropped = drops(out)
    assert dropped["git: another file ending"] == 4
    assert dropped["licence: a licence not allowed"] == len(two)
    assert dropped["lines: a long line"] == 1
    assert dropped["python syntax: no valid syntax"] == 1
    found = set(origins(PackedCorpus(out)))
    assert ("git:one.git", "json/decoder.py") in found
    assert {source for source, _ in found} == {"git:one.git", "git:two.git"}


def test_bigquery_from_an_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The columns of the query's result: test_bigquery_source.py holds an export against them.
    texts = library_texts("json", "http", "wsgiref")
    go = "package main\n\n" + "".join(
        f"func f{n}(x int) int {{\n\treturn x + {n}\n}}\n\n" for n in range(60)
    )
    table = {
        "repo_name": [f"owner/{path.split('/')[0]}" for path, _ in texts] + ["owner/go"],
        "ref": ["refs/heads/main"] * (len(texts) + 1),
        "path": [path for path, _ in texts] + ["main.go"],
        "license": ["mit", "apache-2.0"] * (len(texts) // 2) + ["mit"] * (len(texts) % 2 + 1),
        "content": [text for _, text in texts] + [go],
    }
    export = tmp_path / "github"
    export.mkdir()
    half = len(texts) // 2
    for number, rows in enumerate((slice(0, half), slice(half, None))):
        part = {name: column[rows] for name, column in table.items()}
        pyarrow.parquet.write_table(pyarrow.table(part), export / f"{number:012d}.parquet")
    monkeypatch.setenv("GITHUB_EXPORT", str(export))
    out = tmp_path / "out"
    counts = built("bigquery", out)
    assert {language for language, _ in counts.documents} == {"python", "go"}
    # Some modules have a notice of their own, which holds besides.
    assert {("python", "MIT"), ("python", "Apache-2.0"), ("go", "MIT")} <= counts.documents.keys()
    corpus = PackedCorpus(out)
    assert ("github:owner/go", "main.go") in set(origins(corpus))
    tokenizer = from_hub_files(out / "packed" / "tokenizer")
    text = "".join(tokenizer.decode(row.tolist()) for row in corpus)
    assert "// language: go\npackage main\n" in text
    assert text.count("# language: python\n") >= 3


@pytest.mark.parametrize(
    ("name", "variable"),
    [("pile", "THE_PILE"), ("bigpython", "BIGPYTHON"), ("bigquery", "GITHUB_EXPORT")],
)
def test_a_recipe_without_its_input_says_what_to_set(
    name: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(variable, raising=False)
    with pytest.raises(InputError, match=f"{variable} is not set; fix: "):
        load_recipe(RECIPES / f"{name}.py")


def test_the_corpus_of_bioinformatics_has_no_problem_of_a_benchmark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    humaneval = tmp_path / "HumanEval.jsonl"
    task = "Return the number of vowels of a word in which y counts at the end only."
    humaneval.write_text(json.dumps({"task_id": "HumanEval/0", "prompt": task}) + "\n")
    monkeypatch.setattr(problem_files, "fetch_human_eval", lambda: humaneval)
    recipe = load_recipe(RECIPES / "bioinformatics.py")
    (source,) = recipe.sources
    assert isinstance(source, PyPIProjects)
    assert {"biopython", "scikit-bio"} < {each.partition("==")[0] for each in source.projects}
    assert all(each.partition("==")[2] for each in source.projects)
    (licences,) = (step for step in recipe.steps if isinstance(step, AllowedLicence))
    assert permits(BIOPYTHON, licences.allowed)
    assert not permits("GPL-3.0-or-later", licences.allowed)

    folder = tmp_path / "project"
    folder.mkdir()
    program = (LIBRARY / "bisect.py").read_text("utf-8")
    (folder / "kept.py").write_text(program)
    for name, text in {
        "domain": BIOINFORMATICS.problems()[0].single,
        "general": OWN.problems()[0].single,
        "humaneval": task,
    }.items():
        (folder / f"{name}.py").write_text(f"{program}\n\nTEXT_OF_{name} = {text!r}\n")
    *_, decontaminate, _ = recipe.stages
    small = dataclasses.replace(
        recipe,
        sources=(Directory(path=folder, label="project", licence="MIT"),),
        stages=(decontaminate,),
    )
    build(small, tmp_path / "out", executor=SequentialExecutor(), downloads=tmp_path / "downloads")
    assert drops(tmp_path / "out", "decontaminated") == {
        "decontaminated: the text of a benchmark": 3
    }


def hashes(out: Path) -> dict[str, str]:
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


@pytest.mark.slow
def test_bigpython_as_it_stands_gives_the_same_bytes_on_any_cores_after_any_kill(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "repositories"
    folder.mkdir()
    for name in ("asyncio", "email", "idlelib", "json", "lib2to3", "tkinter", "unittest", "xml"):
        if (LIBRARY / name).is_dir():
            repository(folder / f"{name}.git", {"LICENSE": MIT, **dict(library_texts(name))})
    modules = [path.name for path in sorted(LIBRARY.glob("*.py"))]
    repository(folder / "modules.git", {"LICENSE": MIT, **dict(library_texts(*modules))})

    def command(out: str, workers: int) -> list[str]:
        recipe = str(RECIPES / "bigpython.py")
        program = str(Path(sys.executable).with_name("multiturn"))
        options = ["--keep-drops", "--out", str(tmp_path / out), "--workers", str(workers)]
        return [program, "data", "build", recipe, *options]

    environment = {**os.environ, "BIGPYTHON": str(folder)}
    subprocess.run(command("one", 1), env=environment, check=True, capture_output=True)
    subprocess.run(command("two", 2), env=environment, check=True, capture_output=True)
    killed = 0
    for stage in ("documents", "deduplicated", "decontaminated", "packed"):
        with subprocess.Popen(
            command("killed", 1 + killed % 2),
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            assert process.stderr is not None
            if any(line.startswith(f"{stage}: ") for line in process.stderr):
                os.killpg(process.pid, signal.SIGKILL)
        killed += process.returncode == -signal.SIGKILL
    assert killed == 4
    subprocess.run(command("killed", 2), env=environment, check=True, capture_output=True)
    assert len(PackedCorpus(tmp_path / "one")) > 500
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two") == hashes(tmp_path / "killed")
