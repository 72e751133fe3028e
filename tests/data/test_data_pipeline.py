"""Builds: the same bytes on any number of workers, after any kill; every drop accounted for."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from multiturn.core.errors import InputError, StoreError
from multiturn.data.build.drop_log import Counts
from multiturn.data.build.executors.local import ProcessExecutor, SequentialExecutor, local_executor
from multiturn.data.build.fingerprint import describe, fingerprint
from multiturn.data.build.pipeline import build
from multiturn.data.build.query import DocumentQuery, find_documents, find_drops
from multiturn.data.build.source import SourceError
from multiturn.data.build.statistics import read_statistics, verify
from multiturn.data.build.statistics_page import statistics_page
from multiturn.data.documents.files import read_columns, read_documents, write_documents
from multiturn.data.documents.record import Document
from multiturn.data.presets import code_steps
from multiturn.data.recipe import CorpusRecipe, load_recipe
from multiturn.data.sources.archives import Archives
from multiturn.data.sources.directory import Directory

pytestmark = pytest.mark.real


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Forty small projects, some with files that are dropped."""
    root = tmp_path / "tree"
    for number in range(40):
        folder = root / f"p{number:02d}"
        folder.mkdir(parents=True)
        (folder / "LICENSE").write_text("Licensed under the Apache License, Version 2.0\n")
        for inner in range(4):
            (folder / f"m{inner}.py").write_text(
                f"def function{inner}():\n    return {number} + {inner}\n"
            )
        (folder / "bad.py").write_bytes(b"def broken(:\n    caf\xe9 = 1\n" * 3)
        (folder / "two.py").write_text("print 'python two is no python three'\n")
    return root


def recipe_of(tree: Path) -> CorpusRecipe:
    folders = sorted(tree.iterdir())
    return CorpusRecipe(
        name="small",
        sources=tuple(Directory(path=folder) for folder in folders),
        steps=code_steps(("python",)),
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def test_one_worker_and_two_give_the_same_bytes(tree: Path, tmp_path: Path) -> None:
    tallies = []
    for name, executor in (("one", SequentialExecutor()), ("two", ProcessExecutor(2))):
        tallies.append(
            build(
                recipe_of(tree),
                tmp_path / name,
                executor=executor,
                downloads=tmp_path,
                keep_drops=True,
            )
        )
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert tallies[0] == tallies[1]
    assert tallies[0].documents == {("python", "Apache-2.0"): 160}
    assert tallies[0].drops == {
        ("text", "not UTF-8"): 40,
        ("language", "another language (unknown)"): 40,
        ("python syntax", "no valid syntax"): 40,
    }


def test_a_second_run_makes_nothing_anew(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(recipe_of(tree), out, executor=SequentialExecutor(), downloads=tmp_path)
    parts = sorted((out / "documents").glob("part-*.parquet"))
    before = [path.stat().st_mtime_ns for path in parts]
    parts[3].unlink()
    parts[5].with_suffix(".json").unlink()
    build(recipe_of(tree), out, executor=SequentialExecutor(), downloads=tmp_path)
    changed = {i for i, path in enumerate(parts) if path.stat().st_mtime_ns != before[i]}
    assert changed == {3, 5}


def test_two_builds_in_one_folder_do_not_meet(tree: Path, tmp_path: Path) -> None:
    def build_again(progress: object) -> None:
        with pytest.raises(StoreError, match="another build is running"):
            build(
                recipe_of(tree), tmp_path / "out", executor=SequentialExecutor(), downloads=tmp_path
            )

    recipe = recipe_of(tree)
    out = tmp_path / "out"
    build(recipe, out, executor=SequentialExecutor(), downloads=tmp_path, progress=build_again)


def test_a_changed_step_makes_everything_anew(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(recipe_of(tree), out, executor=SequentialExecutor(), downloads=tmp_path)
    fewer = CorpusRecipe(name="small", sources=recipe_of(tree).sources[:10], steps=())
    counts = build(fewer, out, executor=SequentialExecutor(), downloads=tmp_path)
    assert counts.documents.total() == 10 * 7
    assert len(list((out / "documents").glob("part-*.parquet"))) == 10


KILLED = """
import sys, time
from pathlib import Path
from multiturn.data.build import pipeline
from multiturn.data.build.executors.local import ProcessExecutor
from multiturn.data.recipe import load_recipe
if __name__ == "__main__":
    recipe = load_recipe(Path(sys.argv[1]))
    def tell(progress):
        print(progress.done, flush=True)
        time.sleep(0.02)

    out = Path(sys.argv[2])
    pipeline.build(
        recipe, out, executor=ProcessExecutor(2), downloads=out, keep_drops=True, progress=tell
    )
"""


def test_a_build_killed_anywhere_goes_on_to_the_same_bytes(tree: Path, tmp_path: Path) -> None:
    script, recipe = tmp_path / "script.py", tmp_path / "recipe.py"
    script.write_text(KILLED)
    recipe.write_text(
        "from pathlib import Path\n"
        "from multiturn.data.presets import code_steps\n"
        "from multiturn.data.recipe import CorpusRecipe\n"
        "from multiturn.data.sources.directory import Directory\n"
        f"recipe = CorpusRecipe(name='small', steps=code_steps(('python',)), sources=tuple(\n"
        f"    Directory(path=p) for p in sorted(Path({str(tree)!r}).iterdir())))\n"
    )
    out = tmp_path / "killed"
    for after in (1, 2, 3):
        with subprocess.Popen(
            [sys.executable, script, recipe, out], stdout=subprocess.PIPE, start_new_session=True
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if int(line) >= after:
                    break
            os.killpg(process.pid, signal.SIGKILL)
    done = len(list((out / "documents").glob("part-*.json")))
    assert 3 <= done < 40
    build(
        load_recipe(recipe), out, executor=SequentialExecutor(), downloads=tmp_path, keep_drops=True
    )
    build(
        load_recipe(recipe),
        tmp_path / "whole",
        executor=SequentialExecutor(),
        downloads=tmp_path,
        keep_drops=True,
    )
    assert contents(out) == contents(tmp_path / "whole")
    assert verify(out) == (40, [])


def test_a_fault_of_one_part_is_one_error_and_keeps_the_others(tree: Path, tmp_path: Path) -> None:
    good = recipe_of(tree).sources[:3]
    archive = tmp_path / "a.zip"
    archive.write_bytes(b"")
    recipe = CorpusRecipe(name="x", sources=(*good, Archives(paths=(archive,))), steps=())
    out = tmp_path / "out"
    build(recipe, out, executor=SequentialExecutor(), downloads=tmp_path)
    with pytest.raises(SourceError, match="no such archive"):
        archive.unlink()
        build(recipe, tmp_path / "other", executor=SequentialExecutor(), downloads=tmp_path)


def test_everything_read_is_either_kept_or_dropped(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(recipe_of(tree), out, executor=SequentialExecutor(), downloads=tmp_path, keep_drops=True)
    kept = [document.id for document in find_documents(out, DocumentQuery())]
    dropped = [row["id"] for row in find_drops(out, DocumentQuery())]
    files = [path for path in tree.rglob("*") if path.is_file()]
    assert len(kept) + len(dropped) == len({*kept, *dropped}) == len(files)
    one = next(iter(find_documents(out, DocumentQuery(identifier=kept[7]))))
    assert one.id == kept[7]
    bad = next(iter(find_drops(out, DocumentQuery(identifier="directory:p00:bad.py"))))
    assert (bad["step"], bad["reason"]) == ("text", "not UTF-8")
    assert "caf\\xe9" in bad["text"]


def test_statistics_and_their_page(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    hostile = tree / "<img src=x onerror=alert(1)>"
    hostile.mkdir()
    (hostile / "x.py").write_text("# SPDX-License-Identifier: MIT\nx = 1  # long enough now\n")
    build(recipe_of(tree), out, executor=SequentialExecutor(), downloads=tmp_path)
    statistics = read_statistics(out)
    tables = {table.title: dict(table.rows) for table in statistics.tables()}
    assert tables["Languages"]["python"][0] == 161
    assert tables["Licences"]["MIT"] == (1, 56)
    assert tables["Dropped, by step and reason"]["text: not UTF-8"][0] == 40
    page = statistics_page(statistics)
    assert "<img" not in page
    assert "http" not in page
    assert "161" in page


def test_verify_names_what_changed(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(recipe_of(tree), out, executor=SequentialExecutor(), downloads=tmp_path)
    parts = sorted((out / "documents").glob("part-*.parquet"))
    parts[0].unlink()
    parts[1].write_bytes(parts[1].read_bytes() + b"x")
    checked, problems = verify(out)
    assert checked == 40
    assert [(p.path.rpartition("/")[2], p.fault) for p in problems] == [
        ("part-00000.parquet", "missing"),
        ("part-00001.parquet", "changed since it was made"),
    ]
    with pytest.raises(StoreError, match="no corpus in this folder"):
        verify(tmp_path)


def test_files_of_documents_keep_everything(tmp_path: Path) -> None:
    documents = [
        Document(
            content=os.urandom(20_000),
            source="s",
            path=f"é{n}",
            revision="1",
            licence="MIT",
            language="c",
            metadata={"a": "b\n"} if n % 2 else {},
        )
        for n in range(2000)
    ]
    path = tmp_path / "x.parquet"
    assert write_documents(path, iter(documents)) == 2000
    assert list(read_documents(path)) == documents
    assert [row for (row,) in read_columns(path, ["sha256"])] == [d.sha256 for d in documents]
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(StoreError, match="cannot be read"):
        list(read_documents(path))


def test_a_broken_stream_of_documents_leaves_no_file(tmp_path: Path) -> None:
    def broken() -> Iterator[Document]:
        yield Document(content=b"a", source="s", path="p")
        raise SourceError("gone")

    with pytest.raises(SourceError):
        write_documents(tmp_path / "x.parquet", broken())
    assert not list(tmp_path.iterdir())


def test_fingerprints_tell_settings_apart() -> None:
    steps = code_steps(("python",))
    assert fingerprint(steps) == fingerprint(code_steps(("python",)))
    assert fingerprint(steps) != fingerprint(code_steps(("go",)))
    assert json.loads(json.dumps(describe(steps))) == describe(steps)
    with pytest.raises(InputError, match="not plain data"):
        describe(object())


MAKE = "from multiturn.data.recipe import CorpusRecipe as C\n"
BAD_NAME = MAKE + "C(name='../x', sources=(1,), steps=())"
NO_SOURCES = MAKE + "C(name='x', sources=(), steps=())"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("recipe = 3", "defines no recipe"),
        ("", "defines no recipe"),
        ("import no_such_package_here", "which is not installed"),
        ("1 / 0", "ZeroDivisionError"),
        (BAD_NAME, "cannot be used as a folder"),
        (NO_SOURCES, "has no sources"),
    ],
)
def test_bad_recipes_are_one_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "r.py"
    path.write_text(text)
    with pytest.raises(Exception, match=told) as caught:
        load_recipe(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="no such recipe"):
        load_recipe(tmp_path / "none.py")


def test_tallies_add_up_and_survive_json() -> None:
    counts, other = Counts(), Counts()
    counts.documents["python", "MIT"] += 2
    other.documents["python", "MIT"] += 3
    other.sources[("pypi:a",)] += 10
    counts.add(other)
    assert counts.documents == {("python", "MIT"): 5}
    assert Counts.from_plain(json.loads(json.dumps(counts.to_plain()))) == counts


def test_workers_must_be_some() -> None:
    assert isinstance(local_executor(1), SequentialExecutor)
    with pytest.raises(InputError):
        local_executor(0)


def _die(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.01)
    return number


def test_a_worker_that_dies_is_one_clear_line() -> None:
    with pytest.raises(Exception, match="a worker process died"):
        list(ProcessExecutor(2).map(_die, range(8)))
