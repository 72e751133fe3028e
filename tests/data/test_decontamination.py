"""Texts of benchmarks in documents: found whatever the layout, written down, split."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiturn.core.errors import InputError
from multiturn.data.build.executors.local import ProcessExecutor, SequentialExecutor
from multiturn.data.build.progress import silent
from multiturn.data.build.stage import StageContext, document_files
from multiturn.data.decontamination.ngrams import Find, NgramIndex
from multiturn.data.decontamination.problems import BenchmarkProblem, read_problems
from multiturn.data.decontamination.stage import Decontaminate
from multiturn.data.documents.files import read_documents, write_documents
from multiturn.data.documents.record import Document

TEXT = "Sort the list of numbers by their last digit and print the sum of the first three"


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    path = tmp_path / "problems.jsonl"
    records = [
        {"id": "digits", "prompts": [TEXT, "Print it."], "inputs": [{"n": [1, 2]}]},
        {"id": "tiny", "prompts": ["Print one."]},
        {"id": "clean", "prompts": ["a b c d e f g h i j k l m n o p"]},
    ]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def context(
    folder: Path, executor: SequentialExecutor | ProcessExecutor | None = None
) -> StageContext:
    after = folder / "decontaminated"
    after.mkdir(exist_ok=True)
    return StageContext(
        before=folder / "documents",
        after=after,
        fingerprint="0" * 64,
        seed=0,
        executor=executor or SequentialExecutor(),
        progress=silent,
        keep_drops=False,
    )


def write_corpus(folder: Path) -> None:
    layout = f"# {TEXT.upper().replace(' ', ',  ')}!\nx = 1\n"
    for number, texts in enumerate([["print(1)\n" * 9, layout], [f'"""{TEXT}"""\n', "y = 2\n"]]):
        write_documents(
            folder / "documents" / f"part-{number:05d}.parquet",
            [
                Document(content=text.encode(), source="git:r", path=f"{number}-{place}.py")
                for place, text in enumerate(texts)
            ],
        )


def test_contaminated_documents_go_and_the_ledger_says_why(problems: Path, tmp_path: Path) -> None:
    write_corpus(tmp_path)
    counts = Decontaminate(problems=(problems,)).run(context(tmp_path))
    after = tmp_path / "decontaminated"
    kept = [doc.path for path in document_files(after) for doc in read_documents(path)]
    assert kept == ["0-0.py", "1-1.py"]
    assert counts.drops == {("decontaminated", "the text of a benchmark"): 2}
    rows = [
        json.loads(line)
        for path in sorted((after / "finds").glob("*.jsonl"))
        for line in path.read_text().splitlines()
    ]
    assert {(row["document"], row["file"], row["problem"]) for row in rows} == {
        ("git:r:0-1.py", "problems.jsonl", "digits"),
        ("git:r:1-0.py", "problems.jsonl", "digits"),
    }
    assert rows[0]["ngram"] == " ".join(TEXT.lower().split()[:10])
    assert len(rows) == 2 * (len(TEXT.split()) - 10 + 1)
    summary = json.loads((after / "problems.json").read_text())["files"]["problems.jsonl"]
    assert summary["problems"] == 3
    assert summary["documents_by_problem"] == {"digits": 2}
    assert summary["too_short"] == ["tiny"]


def test_recording_keeps_the_documents(problems: Path, tmp_path: Path) -> None:
    write_corpus(tmp_path)
    counts = Decontaminate(problems=(problems,), action="record").run(context(tmp_path))
    assert counts.documents.total() == 4
    assert not counts.drops
    assert counts.events == {("decontaminated", "documents with the text of a benchmark"): 2}


def test_two_processes_give_the_same_bytes(problems: Path, tmp_path: Path) -> None:
    results = []
    for name, executor in (("one", SequentialExecutor()), ("two", ProcessExecutor(2))):
        folder = tmp_path / name
        folder.mkdir()
        write_corpus(folder)
        Decontaminate(problems=(problems,)).run(context(folder, executor))
        after = folder / "decontaminated"
        results.append(
            {p.relative_to(after): p.read_bytes() for p in after.rglob("*") if p.is_file()}
        )
    assert results[0] == results[1]


words = st.lists(st.sampled_from(["a", "b", "cc", "D", "é9"]), min_size=0, max_size=30)


@given(words, words, st.integers(2, 6))
def test_finds_are_those_of_a_plain_search(problem: list[str], document: list[str], size: int):
    def runs(found: list[str]) -> list[str]:
        small = [word.encode().lower().decode() for word in found]
        return [" ".join(small[i : i + size]) for i in range(len(small) - size + 1)]

    index = NgramIndex([BenchmarkProblem("f", "p", (" ".join(problem),))], size)
    found = list(index.find("; ".join(document).encode()))
    expected = [run for run in dict.fromkeys(runs(document)) if run in runs(problem)]
    assert found == [Find("f", "p", run) for run in expected]
    assert len(index) == len(set(runs(problem)))


def test_files_as_benchmarks_are_published(tmp_path: Path) -> None:
    packed = tmp_path / "HumanEval.jsonl.gz"
    record = {"task_id": "HumanEval/0", "prompt": "def f():", "canonical_solution": "return 1"}
    packed.write_bytes(gzip.compress(json.dumps(record).encode()))
    assert read_problems(packed) == [
        BenchmarkProblem("HumanEval.jsonl.gz", "HumanEval/0", ("def f():", "return 1"))
    ]
    listed = tmp_path / "some.json"
    listed.write_text('["one", {"name": "two", "x": {"y": ["deep", 3]}}]')
    assert read_problems(listed) == [
        BenchmarkProblem("some.json", "1", ("one",)),
        BenchmarkProblem("some.json", "two", ("deep",)),
    ]
    plain = tmp_path / "task.txt"
    plain.write_text("do it")
    assert read_problems(plain) == [BenchmarkProblem("task.txt", "task.txt", ("do it",))]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", b"{"),
        ("a.jsonl", b""),
        ("a.jsonl.gz", b"no gzip"),
        ("a.txt", b"\xff"),
        ("a.jsonl.gz", gzip.compress(b"{}", mtime=0)[:-6]),
    ],
)
def test_a_broken_file_is_one_clear_error(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"problem.*a\."):
        Decontaminate(problems=(path,))


def test_changed_problems_are_another_recipe(problems: Path) -> None:
    before = Decontaminate(problems=(problems,))
    problems.write_text(problems.read_text() + '{"id": "more", "prompts": ["x y"]}\n')
    assert Decontaminate(problems=(problems,)) != before
