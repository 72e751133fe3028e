"""Sequences by number: their order, how documents are packed, where they come from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multiturn.core.errors import InputError
from multiturn.jaxformer.config import DataConfig
from multiturn.jaxformer.datasets.open import open_data
from multiturn.jaxformer.datasets.packed import TokenizedDocument, pack
from multiturn.jaxformer.datasets.protocol import SequenceDataset
from multiturn.jaxformer.datasets.records import (
    RecordTurn,
    TrainingRecord,
    read_records,
    tokenize_record,
)
from multiturn.jaxformer.datasets.shuffle import IndexShuffle, permute_indices
from multiturn.jaxformer.datasets.text_files import find_text_files, in_validation_split
from multiturn.text.tokenizers_codegen import train_tokenizer

unhurried = settings(deadline=None)  # A busy machine is no fault of the code.


@unhurried
@given(st.integers(1, 3000), st.integers(0, 2**32 - 1), st.integers(0, 5))
def test_a_shuffle_is_a_permutation(count: int, seed: int, number: int) -> None:
    places = permute_indices(np.arange(count), count, (seed, number))
    assert sorted(places.tolist()) == list(range(count))


@unhurried
@given(st.integers(1, 10**12), st.integers(0, 2**32 - 1), st.data())
def test_a_place_of_a_shuffle_is_found_by_itself(
    count: int, seed: int, data: st.DataObject
) -> None:
    places = data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=20))
    together = permute_indices(places, count, (seed, 0))
    alone = [int(permute_indices([place], count, (seed, 0))[0]) for place in places]
    assert together.tolist() == alone
    assert all(0 <= place < count for place in alone)


def test_shuffles_differ_by_seed_and_pass_and_leave_little_in_place() -> None:
    first = permute_indices(np.arange(10_000), 10_000, (0, 0))
    for key in ((0, 1), (1, 0)):
        assert (permute_indices(np.arange(10_000), 10_000, key) == first).mean() < 0.01
    assert (first == np.arange(10_000)).mean() < 0.01
    neighbours = np.abs(np.diff(first)).mean()
    assert 3000 < neighbours < 3700  # A third of the range, as for independent draws.


@unhurried
@given(st.integers(1, 50), st.integers(1, 20), st.integers(0, 100))
def test_every_pass_reads_each_sequence_once(count: int, batch: int, seed: int) -> None:
    order = IndexShuffle(count, batch, seed)
    read = [index for number in range(3 * count) for index in order.sequences(number)]
    for number in range(3):
        assert sorted(read[number * count : (number + 1) * count]) == list(range(count))


@unhurried
@given(st.integers(1, 40), st.integers(1, 12), st.data())
def test_hosts_read_their_rows_of_the_same_batch(
    count: int, batch: int, data: st.DataObject
) -> None:
    rows = data.draw(st.lists(st.integers(0, batch - 1), unique=True))
    order = IndexShuffle(count, batch, 7)
    whole = order.sequences(3)
    assert order.sequences(3, rows) == [whole[row] for row in rows]


def test_skipped_batches_are_passed_over() -> None:
    order = IndexShuffle(10, 2, 0, skip=((6, 6), (3, 5), (9, 9)))
    assert [order.next_batch(number) for number in (2, 3, 5, 6, 7, 9)] == [2, 7, 7, 7, 7, 10]


@unhurried
@given(
    st.lists(st.lists(st.integers(0, 99), max_size=12), min_size=1, max_size=8),
    st.integers(1, 9),
)
def test_packing_predicts_each_token_but_a_documents_first_once(
    texts: list[list[int]], length: int
) -> None:
    documents = [
        TokenizedDocument(f"d{number}", np.asarray(ids, np.int32), len(ids))
        for number, ids in enumerate(texts)
    ]
    stream = [token for ids in texts for token in ids]
    owners = [f"d{number}" for number, ids in enumerate(texts) for _ in ids]
    if len(stream) < 2:
        with pytest.raises(InputError, match="the data are empty"):
            pack(documents, length=length, vocab_size=100, source="here")
        return
    within = [place for place in range(1, len(stream)) if owners[place] == owners[place - 1]]
    if not within:
        with pytest.raises(InputError, match="no token of the data counts"):
            pack(documents, length=length, vocab_size=100, source="here")
        return
    samples = pack(documents, length=length, vocab_size=100, source="here")
    assert isinstance(samples, SequenceDataset)
    read = samples.read(range(samples.count))
    counted = read.loss_mask > 0
    assert read.targets[counted].tolist() == [stream[place] for place in within]
    assert read.tokens[counted].tolist() == [stream[place - 1] for place in within]
    for index in range(samples.count):
        first, last = index * length, min((index + 1) * length, len(stream) - 1)
        there = samples.origins(index)
        assert set(owners[first : last + 1]) <= set(there)
        # Two tokens are of one segment exactly where they are of one document.
        row, mine = read.segments[index][: last - first], owners[first:last]
        for place in range(1, len(mine)):
            assert (row[place] == row[place - 1]) == (mine[place] == mine[place - 1])


def test_other_data_have_another_fingerprint() -> None:
    def made(ids: list[int], length: int = 4) -> str:
        document = TokenizedDocument("d", np.asarray(ids, np.int32), 1)
        return pack([document], length=length, vocab_size=9, source="").fingerprint

    assert made([1, 2, 3]) == made([1, 2, 3])
    assert len({made([1, 2, 3]), made([1, 2, 4]), made([1, 2, 3, 4]), made([1, 2, 3], 5)}) == 4


def test_a_token_outside_the_vocabulary_is_named_with_its_document() -> None:
    with pytest.raises(InputError, match=r"d7 has a token .* got 9; allowed: 0 to 8"):
        pack(
            [TokenizedDocument("d7", np.asarray([1, 9], np.int32), 2)],
            length=4,
            vocab_size=9,
            source="",
        )


def test_text_files_are_named_in_order_and_odd_ones_left_out(tmp_path: Path) -> None:
    (tmp_path / "b.py").write_text("b = 1\n")
    (tmp_path / "a.py").write_text("a = 1\n")
    (tmp_path / "same.py").write_text("a = 1\n")
    (tmp_path / "latin.py").write_bytes(b"# caf\xe9\n")
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "large.py").write_text("x = 1\n" * 100)
    (tmp_path / "not.txt").write_text("text")
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "c.py").write_text("c = 1\n")
    found = find_text_files(tmp_path, "**/*.py", exclude=("test/*",), max_bytes=100)
    assert [file.name for file in found] == ["a.py", "b.py"]
    with pytest.raises(InputError, match="no text file matches"):
        find_text_files(tmp_path, "*.rs")
    with pytest.raises(InputError, match="no such directory"):
        find_text_files(tmp_path / "none", "*")


def test_held_out_files_never_train(corpus: Path, tmp_path: Path) -> None:
    config = DataConfig(path=str(corpus), tokenizer="train:310", held_out=0.2)
    split = open_data(config, length=32, vocab_size=320, run_directory=tmp_path)
    names = {name for index in range(split.train.count) for name in split.train.origins(index)}
    held = split.validation["python"]
    kept = {name for index in range(held.count) for name in held.origins(index)}
    assert kept and names.isdisjoint(kept)
    assert kept == {path.name for path in corpus.iterdir() if in_validation_split(path.name, 0.2)}
    # The same again, with the vocabulary that was kept.
    again = open_data(config, length=32, vocab_size=320, run_directory=tmp_path)
    assert again.train.fingerprint == split.train.fingerprint


def test_data_of_another_vocabulary_are_refused(corpus: Path, tmp_path: Path) -> None:
    config = DataConfig(path=str(corpus), tokenizer="train:310")
    with pytest.raises(
        InputError, match=r"vocabulary of the data is larger .* got '310 tokens'.* model's 300"
    ):
        open_data(config, length=32, vocab_size=300, run_directory=tmp_path)


RECORDS = """\
{"turns": [{"prompt": "add one", "code": "x = x + 1"}, {"prompt": "print it", "code": "print(x)"}]}

{"id": "second", "turns": [{"prompt": "two\\nlines", "code": "y = 2\\n"}]}
"""


def test_the_loss_of_records_is_on_their_code(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(RECORDS)
    records = list(read_records(path))
    assert [record.id for record in records] == ["r.jsonl:1", "second"]
    tokenizer = train_tokenizer(["x = x + 1\nprint(x)\n"] * 3, 300)
    document = tokenize_record(records[0], tokenizer)
    assert document.loss_mask is not None
    whole = tokenizer.decode(document.tokens.tolist())
    assert whole == "# add one\nx = x + 1\n\n# print it\nprint(x)\n\n<|endoftext|>"
    counted = tokenizer.decode(document.tokens[document.loss_mask > 0].tolist())
    # The sign of the next prompt is what ends the code of a turn.
    assert counted == "x = x + 1\n\n#print(x)\n\n<|endoftext|>"
    second = tokenizer.decode(tokenize_record(records[1], tokenizer).tokens.tolist())
    assert second.startswith("# two\n# lines\ny = 2\n\n")


def test_code_that_is_given_is_continued_as_it_stands_and_not_in_the_loss() -> None:
    tokenizer = train_tokenizer(["def f(x):\n    return x\n"] * 3, 300)
    begun = 'def f(x):\n    """Doubled."""\n'
    for prompt, comment in (("", ""), ("Double it.", "# Double it.\n")):
        turn = RecordTurn(prompt, "    return 2 * x\n", begun)
        document = tokenize_record(TrainingRecord((turn, RecordTurn("Next.", "f(1)"))), tokenizer)
        text = tokenizer.decode(document.tokens.tolist())
        code = "    return 2 * x\n\n"
        assert text == f"{comment}{begun}{code}# Next.\nf(1)\n\n<|endoftext|>"
        assert document.loss_mask is not None
        counted = tokenizer.decode(document.tokens[document.loss_mask > 0].tolist())
        assert counted == f"{code}#f(1)\n\n<|endoftext|>"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "r.jsonl:2 is not JSON"),
        ('{"turns": []}', "a record has no turns"),
        ('{"turn": []}', "unknown key: got 'turn'; .*did you mean 'turns'"),
        (r'{"turns": [{"prompt": "a", "code": "\ud800"}]}', "r.jsonl:2 has half of a surrogate"),
        (
            r'{"turns": [{"prompt": "a", "code": "b", "begun": "\ud800"}]}',
            "r.jsonl:2 has half of a surrogate",
        ),
        ('{"turns": [{"prompt": 1, "code": ""}]}', r"turns\[0\].prompt: expected text"),
    ],
)
def test_a_bad_record_is_named(tmp_path: Path, line: str, told: str) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"turns": [{"prompt": "a", "code": "b"}]}\n' + line + "\n")
    with pytest.raises(InputError, match=told):
        list(read_records(path))


def test_records_end_at_line_feeds_only(tmp_path: Path) -> None:
    code = "x = '\u2028\x85\x1c'\n"
    line = json.dumps({"turns": [{"prompt": "one\u2028line", "code": code}]}, ensure_ascii=False)
    (tmp_path / "r.jsonl").write_bytes(b"\xef\xbb\xbf" + f"{line}\r\n\n{line}\n".encode())
    first, second = read_records(tmp_path / "r.jsonl")
    assert first.turns[0].code == second.turns[0].code == code
    assert (first.id, second.id) == ("r.jsonl:1", "r.jsonl:3")
