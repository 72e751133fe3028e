"""Rows by their global number, and batches that go on on any number of hosts."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from multiturn.core.errors import InputError
from multiturn.data.build.executors.local import SequentialExecutor
from multiturn.data.build.progress import silent
from multiturn.data.build.stage import StageContext
from multiturn.data.documents.files import write_documents
from multiturn.data.documents.record import Document
from multiturn.data.loader.batches import Batches, Share
from multiturn.data.loader.corpus import PackedCorpus
from multiturn.data.packing.stage import Pack
from multiturn.data.packing.vocabulary import NewTokenizer


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> PackedCorpus:
    folder = tmp_path_factory.mktemp("corpus")
    write_documents(
        folder / "documents" / "part-00000.parquet",
        [
            Document(
                content="".join(f"v{n}_{i} = {n * i}\n" for i in range(n + 5)).encode(),
                source="s",
                path=f"{n}.py",
            )
            for n in range(60)
        ],
    )
    (folder / "packed").mkdir()
    Pack(tokenizer=NewTokenizer(size=310), length=32, min_remainder=16, shard_tokens=2048).run(
        StageContext(
            before=folder / "documents",
            after=folder / "packed",
            fingerprint="0" * 64,
            seed=0,
            executor=SequentialExecutor(),
            progress=silent,
            keep_drops=False,
        )
    )
    return PackedCorpus(folder)


def test_rows_are_views_of_the_files(corpus: PackedCorpus) -> None:
    assert len(corpus.manifest.shards) > 3
    whole = np.concatenate(
        [corpus.shard_tokens(n).reshape(-1, 32) for n in range(len(corpus.manifest.shards))]
    )
    assert len(whole) == len(corpus)
    for index in range(len(corpus)):
        row = corpus[index]
        assert isinstance(row, np.memmap)
        assert not row.flags.owndata and not row.flags.writeable
        assert np.array_equal(row, whole[index])
    with pytest.raises(IndexError):
        corpus[len(corpus)]
    with pytest.raises(IndexError):
        corpus[-1]


def test_segments_change_where_a_document_ends(corpus: PackedCorpus) -> None:
    rows = corpus.read(range(len(corpus)))
    assert rows.tokens.dtype == rows.segments.dtype == np.int32
    end = corpus.manifest.end_of_text
    for tokens, segments in zip(rows.tokens, rows.segments, strict=True):
        inside = segments > 0
        # Behind an end of text another document begins, or filling.
        after_end = (tokens[:-1] == end) & inside[:-1]
        assert (segments[1:][after_end] != segments[:-1][after_end]).all()
        assert (tokens[~inside] == end).all()
    assert rows.segments.max() > 1


def test_a_corpus_can_be_sent_to_another_process(corpus: PackedCorpus) -> None:
    copy = pickle.loads(pickle.dumps(corpus))
    assert np.array_equal(copy[3], corpus[3])


def read(batches: Batches, count: int) -> list[np.ndarray]:
    return [next(batches).tokens for _ in range(count)]


def test_one_pass_reads_each_row_once(corpus: PackedCorpus) -> None:
    batches = Batches(corpus, 1)
    assert sorted(batches.indexes(n)[0] for n in range(len(corpus))) == list(range(len(corpus)))
    second = [batches.indexes(len(corpus) + n)[0] for n in range(len(corpus))]
    assert sorted(second) == list(range(len(corpus)))


def test_restored_at_every_state_the_rest_is_the_same(corpus: PackedCorpus) -> None:
    expected = read(Batches(corpus, 7, seed=3), 40)
    for stop in range(40):
        first = Batches(corpus, 7, seed=3)
        read(first, stop)
        second = Batches(corpus, 7, seed=3)
        second.restore(first.state())
        for got, wanted in zip(read(second, 40 - stop), expected[stop:], strict=True):
            assert np.array_equal(got, wanted)


@pytest.mark.parametrize("hosts", [1, 2, 3, 8])
def test_any_number_of_hosts_reads_the_same_batches(corpus: PackedCorpus, hosts: int) -> None:
    whole = Batches(corpus, 8)
    shares = [Batches(corpus, 8, share=Share(host, hosts)) for host in range(hosts)]
    for number in range(30):
        together = [index for share in shares for index in share.indexes(number)]
        assert together == whole.indexes(number)
    for _ in range(30):
        parts = np.concatenate([next(share).tokens for share in shares])
        assert np.array_equal(parts, next(whole).tokens)


def test_what_does_not_fit_is_refused(corpus: PackedCorpus) -> None:
    with pytest.raises(InputError, match="no such host"):
        Share(2, 2)
    with pytest.raises(InputError, match="batch"):
        Batches(corpus, 0)
    with pytest.raises(InputError, match="other batches"):
        Batches(corpus, 8).restore(Batches(corpus, 4).state())
