"""Tokenizers from each of their sources, and the round trip of any text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multiturn.core.errors import InputError, ModelFileError
from multiturn.text.tokenizers import END_OF_TEXT, Tokenizer
from multiturn.text.tokenizers_codegen import codegen_tokenizer, train_tokenizer, whitespace_runs
from multiturn.text.tokenizers_files import from_hub_files

CODE = "def f(x):\n\tif x:\n\t\treturn  'é'   # 12\n\n\n        pass\n"


def test_a_trained_tokenizer_has_the_asked_size_and_order(trained: Tokenizer) -> None:
    assert trained.size == 1_000
    assert trained.end_of_text == (1_000 - 39,)
    assert trained.vocabulary[1_000 - 39] == END_OF_TEXT
    assert [trained.vocabulary[token] for token in range(962, 1_000)] == whitespace_runs()
    assert len(trained.merges) == 1_000 - 39 - 256


def test_it_has_learned_what_is_frequent(trained: Tokenizer) -> None:
    assert len(trained.encode("return self.assertTrue")) < len("return self.assertTrue") / 2


def test_whitespace_runs_are_thirty_of_spaces_and_eight_of_tabs() -> None:
    runs = whitespace_runs()
    assert [len(run) for run in runs] == [*range(31, 1, -1), *range(9, 1, -1)]
    assert {run[0] for run in runs[:30]} == {" "} and {run[0] for run in runs[30:]} == {"\t"}


def test_the_longest_run_is_taken(trained: Tokenizer) -> None:
    assert trained.encode(" " * 31) == [962]
    assert trained.encode(" " * 33) == [962, 962 + 29]
    assert trained.encode("\t" * 9) == [992]


@pytest.mark.parametrize("size", [0, 294, 10**6])
def test_a_size_out_of_reach_is_refused(size: int) -> None:
    with pytest.raises(InputError, match="size"):
        train_tokenizer(["too little text"], size)


def test_the_smallest_size_is_bytes_and_runs() -> None:
    small = train_tokenizer(["any"], 295)
    assert small.encode("ab") == small.encode("a") + small.encode("b")
    assert small.decode(small.encode(CODE)) == CODE


def test_codegen_rule_on_a_gpt2_vocabulary(gpt2_files: Path, trained: Tokenizer) -> None:
    built = codegen_tokenizer(gpt2_files / "vocab.json", gpt2_files / "merges.txt")
    assert built.size == trained.size
    assert built.encode(CODE) == trained.encode(CODE)
    assert built.end_of_text == trained.end_of_text


def test_saved_and_read_again(trained: Tokenizer, tmp_path: Path) -> None:
    trained.save(tmp_path)
    again = from_hub_files(tmp_path)
    assert again.encode(CODE) == trained.encode(CODE)
    assert again.end_of_text == trained.end_of_text
    assert again.vocabulary == trained.vocabulary


def test_two_files_with_added_tokens(gpt2_files: Path, trained: Tokenizer, tmp_path: Path) -> None:
    for name in ("vocab.json", "merges.txt"):
        (tmp_path / name).write_bytes((gpt2_files / name).read_bytes())
    added = {run: 962 + index for index, run in enumerate(whitespace_runs())}
    (tmp_path / "added_tokens.json").write_text(json.dumps(added))
    (tmp_path / "config.json").write_text(json.dumps({"eos_token_id": [7, 961]}))
    read = from_hub_files(tmp_path)
    assert read.encode(CODE) == trained.encode(CODE)
    assert read.end_of_text == (7, 961)


def test_special_tokens_in_plain_text_are_text(trained: Tokenizer) -> None:
    text = f"a{END_OF_TEXT}b"
    assert trained.end_of_text[0] not in trained.encode(text)
    assert trained.end_of_text[0] in trained.encode(text, parse_special=True)
    for parse in (False, True):
        assert trained.decode(trained.encode(text, parse_special=parse)) == text


def test_a_trained_vocabulary_has_every_byte(trained: Tokenizer) -> None:
    assert trained.missing_bytes == frozenset()


@given(st.text())
def test_any_text_survives(trained: Tokenizer, text: str) -> None:
    assert trained.decode(trained.encode(text)) == text
    assert trained.decode(trained.encode(text, parse_special=True)) == text


@given(st.text(alphabet=" \t\n\r\u00a0\u3000a", max_size=80))
def test_any_whitespace_survives(trained: Tokenizer, text: str) -> None:
    assert trained.decode(trained.encode(text)) == text


@given(st.lists(st.integers(0, 999)))
@settings(deadline=None)
def test_any_ids_decode(trained: Tokenizer, ids: list[int]) -> None:
    joined = b"".join(trained.token_bytes(token) for token in ids)
    assert trained.decode(ids) == joined.decode("utf-8", "replace")


def test_a_lone_surrogate_is_refused(trained: Tokenizer) -> None:
    with pytest.raises(InputError, match="lone surrogate"):
        trained.encode("a\ud800b")


def test_an_unknown_id_is_refused(trained: Tokenizer) -> None:
    with pytest.raises(InputError, match="not in the vocabulary"):
        trained.decode([1_000])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer.json", "{"),
        ("tokenizer.json", "[]"),
        ("vocab.json", '{"a": 0, "b": 7}'),
        ("vocab.json", '{"a": "0"}'),
        ("vocab.json", "{"),
        ("merges.txt", "a b c\n"),
        ("merges.txt", "zzz qqq\n"),
    ],
)
def test_broken_files_are_named(gpt2_files: Path, tmp_path: Path, name: str, content: str) -> None:
    for good in ("vocab.json", "merges.txt"):
        (tmp_path / good).write_bytes((gpt2_files / good).read_bytes())
    (tmp_path / name).write_text(content)
    with pytest.raises(ModelFileError, match=name):
        from_hub_files(tmp_path)


def test_an_empty_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no tokenizer"):
        from_hub_files(tmp_path)
