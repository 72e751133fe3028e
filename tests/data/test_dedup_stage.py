"""Deduplication of whole corpora: planted copies, clusters, bounded ranges, opt-out."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow.parquet
import pytest

from multiturn.core.errors import InputError
from multiturn.data.build.drop_log import Counts, DropLog
from multiturn.data.build.executors.local import ProcessExecutor, SequentialExecutor
from multiturn.data.build.progress import silent
from multiturn.data.build.stage import StageContext, document_files
from multiturn.data.dedup.minhash import MinHash
from multiturn.data.dedup.opt_out import OptOut
from multiturn.data.dedup.stage import Deduplicate
from multiturn.data.documents.files import read_documents, write_documents
from multiturn.data.documents.record import Document

pytestmark = pytest.mark.real


def program(rng: random.Random, lines: int = 80) -> str:
    names = [f"name_{rng.randrange(10**6)}" for _ in range(30)]
    return "\n".join(
        f"{rng.choice(names)} = {rng.choice(names)}({rng.choice(names)}, {rng.randrange(1000)})"
        for _ in range(lines)
    )


def changed(text: str, rng: random.Random, lines: int) -> str:
    every = text.split("\n")
    for place in rng.sample(range(len(every)), lines):
        every[place] = f"changed_{rng.randrange(10**6)} = None"
    return "\n".join(every)


def write_corpus(folder: Path, parts: list[list[tuple[str, str]]]) -> None:
    for number, part in enumerate(parts):
        write_documents(
            folder / f"part-{number:05d}.parquet",
            [Document(content=text.encode(), source="test:a", path=path) for path, text in part],
        )


def context(
    before: Path, after: Path, executor: SequentialExecutor | ProcessExecutor | None = None
) -> StageContext:
    after.mkdir(parents=True, exist_ok=True)
    return StageContext(
        before=before,
        after=after,
        fingerprint="f" * 64,
        seed=0,
        executor=executor or SequentialExecutor(),
        progress=silent,
        keep_drops=True,
    )


def kept_paths(folder: Path) -> list[str]:
    return [doc.path for path in document_files(folder) for doc in read_documents(path)]


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """Three parts; 40 programs, 40 near copies with 2 of 80 lines changed, 5 exact copies."""
    rng = random.Random(3)
    programs = [program(rng) for _ in range(40)]
    first = [(f"original-{n}.py", text) for n, text in enumerate(programs)]
    second = [(f"near-{n}.py", changed(text, rng, 2)) for n, text in enumerate(programs)]
    third = [(f"exact-{n}.py", text) for n, text in enumerate(programs[:5])]
    third += [(f"other-{n}.py", program(rng)) for n in range(20)]
    third += [("short-1.py", "import os\n"), ("short-2.py", "import re\n")]
    before = tmp_path / "documents"
    write_corpus(before, [first, second, third])
    return before


def test_planted_copies_are_found_and_nothing_else(planted: Path, tmp_path: Path) -> None:
    after = tmp_path / "deduplicated"
    counts = Deduplicate().run(context(planted, after))
    kept = kept_paths(after)
    # 2 of 80 lines leave a similarity of about 0.9: the chance to miss one is 0.0004.
    assert counts.drops == {
        ("deduplicated", "a near duplicate"): 40,
        ("deduplicated", "an exact duplicate"): 5,
    }
    assert kept == [f"original-{n}.py" for n in range(40)] + [
        *(f"other-{n}.py" for n in range(20)),
        "short-1.py",
        "short-2.py",
    ]
    assert counts.documents.total() == len(kept)


def test_clusters_name_all_members_with_the_one_that_stays(planted: Path, tmp_path: Path) -> None:
    after = tmp_path / "deduplicated"
    Deduplicate().run(context(planted, after))
    rows = [
        row
        for path in sorted((after / "clusters").glob("*.parquet"))
        for row in pyarrow.parquet.read_table(path).to_pylist()
    ]
    of_first = [(row["document"], row["how"]) for row in rows if row["cluster"] == 0]
    assert of_first == [
        ("test:a:original-0.py", "kept"),
        ("test:a:near-0.py", "near"),
        ("test:a:exact-0.py", "exact"),
    ]
    assert len(rows) == 40 + 40 + 5
    assert not any("other" in row["document"] for row in rows)


def test_neither_memory_nor_processes_change_the_result(planted: Path, tmp_path: Path) -> None:
    results = []
    for name, stage, executor in (
        ("plain", Deduplicate(), SequentialExecutor()),
        ("narrow", Deduplicate(memory=1 << 20), SequentialExecutor()),
        ("two", Deduplicate(), ProcessExecutor(2)),
    ):
        after = tmp_path / name
        stage.run(context(planted, after, executor))
        results.append(
            {
                path.relative_to(after): path.read_bytes()
                for path in sorted(after.rglob("*"))
                if path.is_file()
            }
        )
    assert results[0] == results[1] == results[2]
    assert Path("part-00000.parquet") in results[0]
    assert not any("work" in path.parts for path in results[0])


def test_records_in_many_ranges_give_the_pairs_of_one(
    planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("multiturn.data.dedup.stage._SORTING", 1000)  # 40 ranges or so
    monkeypatch.setattr("multiturn.data.dedup.signatures._RUN_RECORDS", 100)  # many runs
    after = tmp_path / "ranges"
    counts = Deduplicate(memory=1 << 20).run(context(planted, after))
    assert counts.drops.total() == 45


def test_only_exact_copies_without_near(planted: Path, tmp_path: Path) -> None:
    counts = Deduplicate(near=None).run(context(planted, tmp_path / "exact"))
    assert counts.drops == {("deduplicated", "an exact duplicate"): 5}


def test_an_empty_corpus_stays_empty(tmp_path: Path) -> None:
    before = tmp_path / "documents"
    write_corpus(before, [[], []])
    counts = Deduplicate().run(context(before, tmp_path / "after"))
    assert counts.to_plain() == Counts().to_plain()
    assert len(document_files(tmp_path / "after")) == 2


@pytest.mark.parametrize("share", [0.02, 0.05, 0.1])
def test_recall_of_near_duplicates_is_the_stated_one(share: float, tmp_path: Path) -> None:
    """Pairs at their real similarity: as many are found as the formula says, within 3 sigma."""
    rng = random.Random(11)
    settings = MinHash()
    pairs = []
    expected = spread = 0.0
    for _ in range(150):
        left = program(rng, 60)
        right = changed(left, rng, round(60 * share))
        one, two = (set(settings.shingles(text.encode()).tolist()) for text in (left, right))
        chance = settings.probability(len(one & two) / len(one | two))
        expected += chance
        spread += chance * (1 - chance)
        pairs.append((left, right))
    before = tmp_path / "documents"
    write_corpus(
        before,
        [
            [(f"left-{n}", left) for n, (left, _) in enumerate(pairs)],
            [(f"right-{n}", right) for n, (_, right) in enumerate(pairs)],
        ],
    )
    Deduplicate(near=settings).run(context(before, tmp_path / "after"))
    kept = set(kept_paths(tmp_path / "after"))
    found = sum(f"right-{n}" not in kept for n in range(len(pairs)))
    assert abs(found - expected) <= 3 * spread**0.5 + 1


def opted(step: OptOut, *documents: Document) -> tuple[list[str], Counts]:
    drop_log = DropLog()
    return [doc.path for doc in step.run(documents, drop_log)], drop_log.counts


def test_opt_out_by_repository_and_by_hash(tmp_path: Path) -> None:
    given = tmp_path / "opt-out.txt"
    named = Document(content=b"secret plan", source="git:x", path="named.py")
    given.write_text(f"# asked on Monday\nOwner/Name  # all of it\n\n{named.sha256.upper()}\n")
    step = OptOut.from_file(given)
    kept, counts = opted(
        step,
        named,
        Document(content=b"a", source="github:owner/name", path="theirs.py"),
        Document(content=b"b", source="github:owner/name-of-another", path="other.py"),
    )
    assert kept == ["other.py"]
    assert counts.drops == {
        ("opt-out", "opted out by hash"): 1,
        ("opt-out", "opted out by repository"): 1,
    }


def test_an_opt_out_holds_after_redaction() -> None:
    document = Document(content=b"mail me@example.org", source="git:x", path="a.py")
    step = OptOut(hashes=frozenset({document.sha256}))
    document.content = b"mail <EMAIL>"
    assert opted(step, document)[0] == []


def test_a_wrong_hash_or_a_missing_list_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="64 hexadecimal digits"):
        OptOut(hashes=frozenset({"abc"}))
    with pytest.raises(InputError, match="opt-out list cannot be read"):
        OptOut.from_file(tmp_path / "none.txt")
