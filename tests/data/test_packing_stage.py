"""Packing of whole corpora: every token and its way back, the same bytes after any kill."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from multiturn.core.errors import InputError, StoreError
from multiturn.data.build.executors.local import ProcessExecutor, SequentialExecutor
from multiturn.data.build.progress import silent
from multiturn.data.build.stage import StageContext, document_files
from multiturn.data.documents.files import read_documents, write_documents
from multiturn.data.documents.record import Document
from multiturn.data.loader.corpus import PackedCorpus
from multiturn.data.packing.fim import FillInTheMiddle
from multiturn.data.packing.stage import Pack
from multiturn.data.packing.vocabulary import NewTokenizer
from multiturn.text.tokenizers_files import from_hub_files

pytestmark = pytest.mark.real

FIM = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")
SMALL = NewTokenizer(size=400, documents=50, special=FIM)


def write_corpus(folder: Path, parts: int = 4, documents: int = 12) -> None:
    rng = random.Random(5)
    for part in range(parts):
        found = []
        for number in range(documents):
            lines = rng.choice([1, 3, 20, 120])
            text = "".join(
                f"def f{rng.randrange(999)}(é):\n    return '<|endoftext|>' * {rng.random()}\n"
                for _ in range(lines)
            )
            found.append(
                Document(
                    content=text.encode(),
                    source="git:r",
                    path=f"{part}/{number}.py",
                    revision="v1",
                    licence="MIT",
                    language="python",
                )
            )
        write_documents(folder / f"part-{part:05d}.parquet", found)


def packed(
    folder: Path,
    stage: Pack,
    *,
    executor: SequentialExecutor | ProcessExecutor | None = None,
    seed: int = 0,
) -> PackedCorpus:
    before = folder / "documents"
    if not before.exists():
        before.mkdir(parents=True)
        write_corpus(before)
    after = folder / "packed"
    after.mkdir(exist_ok=True)
    stage.run(
        StageContext(
            before=before,
            after=after,
            fingerprint="0" * 64,
            seed=seed,
            executor=executor or SequentialExecutor(),
            progress=silent,
            keep_drops=True,
        )
    )
    return PackedCorpus(folder)


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def texts_by_document(corpus: PackedCorpus) -> dict[int, bytes]:
    """Every document put together again from the pieces of all rows."""
    tokenizer = from_hub_files(corpus.folder / "tokenizer")
    pieces: dict[int, list[tuple[int, bytes]]] = {}
    for index in range(len(corpus)):
        row = corpus[index]
        for piece in corpus.pieces(index):
            tokens = row[piece.begin : piece.begin + piece.length]
            text = b"".join(tokenizer.token_bytes(int(token)) for token in tokens)
            pieces.setdefault(piece.origin.number, []).append((piece.origin.offset, text))
    return {number: b"".join(text for _, text in sorted(found)) for number, found in pieces.items()}


def test_all_documents_can_be_put_together_again(tmp_path: Path) -> None:
    corpus = packed(
        tmp_path, Pack(tokenizer=SMALL, length=128, min_remainder=1, shard_tokens=1 << 13)
    )
    assert len(corpus.manifest.shards) > 2
    documents = [
        document
        for path in document_files(tmp_path / "documents")
        for document in read_documents(path)
    ]
    found = texts_by_document(corpus)
    assert sorted(found) == list(range(len(documents)))
    for number, document in enumerate(documents):
        assert found[number] == document.content + b"<|endoftext|>"


def test_every_token_is_traced_to_its_file(tmp_path: Path) -> None:
    corpus = packed(tmp_path, Pack(tokenizer=SMALL, length=64, shard_tokens=1 << 13))
    tokenizer = from_hub_files(corpus.folder / "tokenizer")
    contents = {
        document.path: document.content
        for path in document_files(tmp_path / "documents")
        for document in read_documents(path)
    }
    rng = random.Random(0)
    for _ in range(200):
        shard = rng.randrange(len(corpus.manifest.shards))
        tokens = corpus.shard_tokens(shard)
        place = rng.randrange(len(tokens))
        origin = corpus.trace(shard, place)
        if origin is None:
            continue
        ids = tokenizer.encode(contents[origin.path].decode())
        assert origin.tokens == len(ids) + 1
        assert tokens[place] == [*ids, corpus.manifest.end_of_text][origin.offset]
        assert origin.id == f"git:r@v1:{origin.path}"
        assert origin.licence == "MIT"
    with pytest.raises(InputError, match="no such shard"):
        corpus.trace(99, 0)
    with pytest.raises(InputError, match="no such token"):
        corpus.trace(0, 1 << 40)


def test_tokens_in_are_tokens_out_and_tokens_dropped(tmp_path: Path) -> None:
    stage = Pack(tokenizer=SMALL, length=128, min_remainder=64, shard_tokens=1 << 13)
    before = tmp_path / "documents"
    before.mkdir()
    write_corpus(before)
    corpus = packed(tmp_path, stage)
    counts = json.loads((corpus.folder / "packed.json").read_text())["tally"]["counts"]
    counted = {what: number for _, what, number in counts}
    assert counted["tokens of python"] == counted["tokens"] + counted["tokens in tails too short"]
    assert counted["tokens in tails too short"] > 0
    real = sum(piece.length for index in range(len(corpus)) for piece in corpus.pieces(index))
    assert real == counted["tokens"] == sum(shard.tokens for shard in corpus.manifest.shards)
    rows = sum(shard.rows for shard in corpus.manifest.shards)
    assert rows == len(corpus)
    assert corpus.bytes_per_token == pytest.approx(
        sum(len(d.content) for p in document_files(before) for d in read_documents(p))
        / counted["tokens of python"],
        rel=0.2,
    )


def test_the_shuffle_mixes_parts_and_the_seed_decides_it(tmp_path: Path) -> None:
    stage = Pack(tokenizer=SMALL, length=64, min_remainder=1, shard_tokens=1 << 13)
    corpus = packed(tmp_path / "a", stage)
    parts = Counter(
        piece.origin.path.split("/")[0]
        for row in range(corpus.manifest.shards[0].rows)
        for piece in corpus.pieces(row)
    )
    assert len(parts) >= 2  # a shard in the order of the files would have one
    again = packed(tmp_path / "b", stage)
    other = packed(tmp_path / "c", stage, seed=1)
    assert files(corpus.folder) == files(again.folder)
    assert files(corpus.folder) != files(other.folder)
    first, second = texts_by_document(corpus), texts_by_document(other)
    assert first == second


def test_two_processes_give_the_same_bytes(tmp_path: Path) -> None:
    stage = Pack(
        tokenizer=SMALL, length=64, header=True, fill=FillInTheMiddle(), shard_tokens=1 << 13
    )
    one = packed(tmp_path / "one", stage)
    two = packed(tmp_path / "two", stage, executor=ProcessExecutor(2))
    assert files(one.folder) == files(two.folder)


KILLED = """
import os, signal, sys
from pathlib import Path
from multiturn.data.dedup.stage import Deduplicate
from multiturn.data.build.executors.local import SequentialExecutor, ProcessExecutor
from multiturn.data.packing.stage import Pack
from multiturn.data.packing.vocabulary import NewTokenizer
from multiturn.data.build.pipeline import build
from multiturn.data.recipe import CorpusRecipe
from multiturn.data.sources.directory import Directory

if __name__ == "__main__":
    tree, out, stage, done, workers = sys.argv[1:]

    def listen(progress):
        if (progress.stage, progress.done) == (stage, int(done)):
            os.kill(os.getpid(), signal.SIGKILL)

    recipe = CorpusRecipe(
        name="killed",
        sources=tuple(Directory(path=path) for path in sorted(Path(tree).iterdir())),
        steps=(),
        stages=(
            Deduplicate(),
            Pack(tokenizer=NewTokenizer(size=320), length=64, shard_tokens=1 << 12),
        ),
    )
    executor = SequentialExecutor() if workers == "1" else ProcessExecutor(int(workers))
    build(recipe, Path(out), executor=executor, downloads=Path(out), progress=listen)
"""


@pytest.mark.slow
def test_a_build_killed_anywhere_ends_with_the_same_bytes(tmp_path: Path) -> None:
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    rng = random.Random(1)
    for project in range(3):
        folder = tmp_path / "tree" / f"p{project}"
        folder.mkdir(parents=True)
        for number in range(8):
            (folder / f"m{number}.py").write_text(
                "".join(f"x{rng.randrange(99)} = {rng.random()}\n" for _ in range(60))
            )

    def run(out: str, stage: str, done: int, workers: int = 1) -> int:
        return subprocess.run(
            [
                sys.executable,
                str(script),
                *map(str, (tmp_path / "tree", tmp_path / out, stage, done, workers)),
            ],
            env={**os.environ, "PYTHONWARNINGS": "error"},
            timeout=120,
        ).returncode

    assert run("whole", "never", 0) == 0
    for stage, done, workers in (
        ("deduplicated", 1, 1),
        ("deduplicated", 4, 1),
        ("deduplicated", 7, 2),
        ("packed", 0, 1),
        ("packed", 2, 1),
        ("packed", 4, 1),
    ):
        assert run("killed", stage, done, workers) == -signal.SIGKILL
    assert run("killed", "never", 0, 2) == 0
    assert files(tmp_path / "killed") == files(tmp_path / "whole")
    # A build that is whole is not touched again.
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "whole" / "packed").glob("shard-*")}
    assert run("whole", "never", 0) == 0
    assert times == {p: p.stat().st_mtime_ns for p in times}


def test_a_short_document_and_one_with_lost_bytes_are_dropped_with_reasons(
    tmp_path: Path,
) -> None:
    before = tmp_path / "documents"
    write_documents(
        before / "part-00000.parquet",
        [
            Document(content=b"x = 1\n", source="a", path="short.py"),
            Document(content=b"y = 22\n" * 100, source="a", path="long.py"),
        ],
    )
    corpus = packed(tmp_path, Pack(tokenizer=NewTokenizer(size=297), length=64))
    drops = json.loads((corpus.folder / "packed.json").read_text())["tally"]["drops"]
    assert drops == [["packed", "fewer than 64 tokens", 1]]
    assert (corpus.folder / "drops" / "part-00000.jsonl.zst").exists()
    assert {corpus.pieces(row)[0].origin.path for row in range(len(corpus))} == {"long.py"}


def test_nothing_to_pack_is_one_clear_error(tmp_path: Path) -> None:
    before = tmp_path / "documents"
    text = b"x = 1\n"
    write_documents(
        before / "part-00000.parquet", [Document(content=text, source="a", path="a.py")]
    )
    with pytest.raises(InputError, match="no documents to pack"):
        packed(tmp_path, Pack(tokenizer=NewTokenizer(size=295)))
    with pytest.raises(StoreError, match="no packed corpus"):
        PackedCorpus(tmp_path)


def test_settings_out_of_range_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="min_remainder"):
        Pack(length=32, min_remainder=64)
    with pytest.raises(InputError, match="length"):
        Pack(length=1)
    with pytest.raises(InputError, match="no tokenizer in this directory"):
        Pack(tokenizer=tmp_path)
    with pytest.raises(InputError, match="rate"):
        FillInTheMiddle(rate=1.5)


def test_a_tokenizer_without_the_special_tokens_is_refused(tmp_path: Path) -> None:
    stage = Pack(tokenizer=NewTokenizer(size=300), fill=FillInTheMiddle())
    with pytest.raises(InputError, match="no such special token"):
        packed(tmp_path, stage)


def test_a_missing_or_cut_shard_is_one_clear_error(tmp_path: Path) -> None:
    corpus = packed(tmp_path, Pack(tokenizer=SMALL, length=64))
    tokens = corpus.folder / "shard-00000.tokens.npy"
    whole = tokens.read_bytes()
    tokens.unlink()
    with pytest.raises(StoreError, match="missing"):
        PackedCorpus(tmp_path)
    tokens.write_bytes(whole[: len(whole) // 2])
    cut = PackedCorpus(tmp_path)
    with pytest.raises(StoreError, match="cannot be read"):
        cut[len(cut) - 1]
    np.save(tokens, np.zeros((3, 64), np.uint16))
    with pytest.raises(StoreError, match="differs from the manifest"):
        PackedCorpus(tmp_path)[0]
