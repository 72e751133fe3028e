"""A packed corpus as training sequences: what predicts what, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from multiturn.core.errors import InputError, MultiturnError
from multiturn.data.build.executors.local import SequentialExecutor
from multiturn.data.build.progress import silent
from multiturn.data.build.stage import StageContext
from multiturn.data.documents.files import write_documents
from multiturn.data.documents.record import Document
from multiturn.data.loader.corpus import PackedCorpus
from multiturn.data.packing.stage import Pack
from multiturn.data.packing.vocabulary import NewTokenizer
from multiturn.jaxformer.config import DataConfig
from multiturn.jaxformer.datasets.open import open_data
from multiturn.jaxformer.datasets.protocol import SequenceDataset
from multiturn.jaxformer.datasets.shards import ShardDataset

TEXTS = {
    f"{n}.py": "".join(f"v{n}_{i} = {n * i}\n" for i in range(n + 5)).encode() for n in range(40)
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("packed-corpus")
    write_documents(
        place / "documents" / "part-00000.parquet",
        [Document(content=content, source="s", path=path) for path, content in TEXTS.items()],
    )
    (place / "packed").mkdir()
    Pack(tokenizer=NewTokenizer(size=310), length=32, min_remainder=16, shard_tokens=2048).run(
        StageContext(
            before=place / "documents",
            after=place / "packed",
            fingerprint="0" * 64,
            seed=0,
            executor=SequentialExecutor(),
            progress=silent,
            keep_drops=False,
        )
    )
    return place


def test_a_row_predicts_its_own_tokens_alone(folder: Path) -> None:
    corpus = PackedCorpus(folder)
    samples = ShardDataset(corpus)
    assert isinstance(samples, SequenceDataset)
    assert (samples.count, samples.length) == (len(corpus), 32)
    read = samples.read(range(samples.count))
    for index in range(samples.count):
        row = np.asarray(corpus[index], np.int32)
        filled = sum(piece.length for piece in corpus.pieces(index))
        np.testing.assert_array_equal(read.tokens[index], row)
        np.testing.assert_array_equal(read.targets[index, :-1], row[1:])
        expected = np.zeros(32, np.float32)
        expected[: filled - 1] = 1  # The last real token has no successor in its row.
        for piece in corpus.pieces(index)[1:]:
            expected[piece.begin - 1] = 0  # The document before says nothing of the next.
        np.testing.assert_array_equal(read.loss_mask[index], expected)
        # Two tokens are of one segment exactly where they come from one piece.
        owners = np.repeat(
            np.arange(len(corpus.pieces(index))), [piece.length for piece in corpus.pieces(index)]
        )
        borders = np.diff(read.segments[index, :filled]) != 0
        np.testing.assert_array_equal(borders, np.diff(owners) != 0)


def test_rows_in_any_order_and_where_they_came_from(folder: Path) -> None:
    samples = ShardDataset(PackedCorpus(folder))
    last = samples.count - 1
    together = samples.read([last, 0, last])
    for place, index in enumerate((last, 0, last)):
        np.testing.assert_array_equal(together.tokens[place], samples.read([index]).tokens[0])
    named = {name for index in range(samples.count) for name in samples.origins(index)}
    assert named <= {f"s:{path}" for path in TEXTS} and len(named) > 30


def test_opened_by_a_config_with_its_own_tokenizer(folder: Path, tmp_path: Path) -> None:
    config = DataConfig(path=str(folder), kind="packed", held_out_path=str(folder))
    split = open_data(config, length=32, vocab_size=310, run_directory=tmp_path)
    assert list(split.validation) == [folder.name]
    content = split.tokenizer.decode(split.train.read([0]).tokens[0].tolist())
    first = split.train.origins(0)[0].removeprefix("s:")
    assert content[:20] in TEXTS[first].decode()


@pytest.mark.parametrize(
    ("length", "vocab_size", "told"),
    [
        (
            64,
            310,
            r"sequence length of the data is not that of the batch: got 32; .*batch\.length=32",
        ),
        (32, 300, r"vocabulary of the data is larger than the model's: got '310 tokens'"),
    ],
)
def test_what_does_not_fit_the_run_is_refused(
    folder: Path, tmp_path: Path, length: int, vocab_size: int, told: str
) -> None:
    config = DataConfig(path=str(folder), kind="packed")
    with pytest.raises(InputError, match=told):
        open_data(config, length=length, vocab_size=vocab_size, run_directory=tmp_path)


def without_rows(packed: Path) -> None:
    manifest = packed / "manifest.json"
    plain = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(plain | {"shards": []}))


def without_a_file(packed: Path) -> None:
    next(packed.glob("*.tokens*")).unlink()


def with_an_empty_file(packed: Path) -> None:
    next(packed.glob("*.tokens*")).write_bytes(b"")


@pytest.mark.parametrize("harm", [without_rows, without_a_file, with_an_empty_file])
def test_an_empty_or_missing_shard_is_told_before_any_time_is_spent(
    folder: Path, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(folder / "packed", copied)
    harm(copied)
    config = DataConfig(path=str(copied), kind="packed")
    with pytest.raises(MultiturnError):
        open_data(config, length=32, vocab_size=310, run_directory=tmp_path)
