"""Tokenizers of the hub: what their files keep besides the rule by which text is cut."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tokenizers

from multiturn.core.errors import InputError, ModelFileError
from multiturn.data.packing.encoder import Encoder
from multiturn.text.tokenizers import Tokenizer
from multiturn.text.tokenizers_files import from_hub_files

TEXT = "  Def f(x):\n\treturn 'é e\u0301 ﬁ ½' , x .\n\n" * 3
END = 1_000 - 39

Make = Callable[..., Path]


@pytest.fixture
def make(trained: Tokenizer, tmp_path: Path) -> Make:
    """Writes the trained tokenizer with changes, and settings beside it."""
    trained.save(tmp_path)
    plain = json.loads((tmp_path / "tokenizer.json").read_text("utf-8"))

    def write(changes: Any = None, **beside: Any) -> Path:
        content = json.loads(json.dumps(plain))
        if callable(changes):
            changes(content)
        else:
            content |= changes or {}
        (tmp_path / "tokenizer.json").write_text(json.dumps(content), "utf-8")
        for name, values in beside.items():
            (tmp_path / f"{name}.json").write_text(json.dumps(values))
        return tmp_path

    return write


TRUNCATION = {"direction": "Right", "max_length": 5, "strategy": "LongestFirst", "stride": 0}
PADDING = {
    "strategy": {"Fixed": 512},
    "direction": "Right",
    "pad_to_multiple_of": 64,
    "pad_id": 3,
    "pad_type_id": 0,
    "pad_token": "#",
}


def dropout(content: dict[str, Any]) -> None:
    content["model"]["dropout"] = 0.5


@pytest.mark.parametrize("change", [{"truncation": TRUNCATION}, {"padding": PADDING}, dropout])
def test_what_belongs_to_training_is_switched_off(
    make: Make, trained: Tokenizer, change: Any
) -> None:
    place = make(change)
    expected = trained.encode(TEXT)
    read = from_hub_files(place)
    assert [read.encode(TEXT) for _ in range(5)] == [expected] * 5
    assert read.encode(TEXT, parse_special=True) == expected
    encoder = Encoder(place)
    encoder._fast = None
    assert [ids.tolist() for ids in encoder.encode([TEXT.encode()] * 2)] == [expected] * 2
    assert [ids.tolist() for ids in Encoder(place).encode([TEXT.encode()])] == [expected]
    read.save(place / "..")
    assert json.loads((place / ".." / "tokenizer.json").read_text("utf-8"))["truncation"] is None


NORMALIZERS: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"type": "NFC"}, ("NFC",)),
    ({"type": "NFKC"}, ("NFKC",)),
    ({"type": "Lowercase"}, ("Lowercase",)),
    ({"type": "Strip", "strip_left": True, "strip_right": False}, ("Strip",)),
    ({"type": "StripAccents"}, ("StripAccents",)),
    ({"type": "Prepend", "prepend": " "}, ("Prepend",)),
    ({"type": "Replace", "pattern": {"String": " "}, "content": "_"}, ("Replace",)),
    ({"type": "Nmt"}, ("Nmt",)),
    (
        {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": False,
        },
        ("BertNormalizer",),
    ),
    (
        {
            "type": "Sequence",
            "normalizers": [
                {"type": "NFD"},
                {"type": "Sequence", "normalizers": [{"type": "Lowercase"}]},
            ],
        },
        ("NFD", "Lowercase"),
    ),
]


@pytest.mark.parametrize(("normalizer", "named"), NORMALIZERS)
def test_a_normalizer_is_named_and_not_packed_with(
    make: Make, normalizer: dict[str, Any], named: tuple[str, ...]
) -> None:
    place = make({"normalizer": normalizer})
    read = from_hub_files(place)
    assert read.changes == named
    # So the name is deserved.
    assert any(read.decode(read.encode(text)) != text for text in (TEXT, " x ", "\x00x"))
    with pytest.raises(InputError, match=rf"changes the text.*{named[0]}") as caught:
        Encoder(place)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "normalizer",
    [
        None,
        {"type": "Sequence", "normalizers": []},
        {"type": "Strip", "strip_left": False, "strip_right": False},
        {"type": "Prepend", "prepend": ""},
    ],
)
def test_a_normalizer_that_does_nothing_is_none(make: Make, normalizer: Any) -> None:
    place = make({"normalizer": normalizer})
    read = from_hub_files(place)
    assert read.changes == () and read.decode(read.encode(TEXT)) == TEXT
    assert Encoder(place).tokenizer.changes == ()


def cut_by(*steps: dict[str, Any], **byte_level: Any) -> dict[str, Any]:
    last = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [*steps, last | byte_level]}}


SPLIT = {"type": "Split", "pattern": {"Regex": r"\s+"}, "invert": False}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (cut_by(add_prefix_space=True), "a prefix space"),
        (cut_by({"type": "WhitespaceSplit"}), "WhitespaceSplit, which removes characters"),
        (cut_by({"type": "Whitespace"}), "Whitespace, which removes characters"),
        (cut_by({"type": "BertPreTokenizer"}), "BertPreTokenizer, which removes"),
        (cut_by({"type": "CharDelimiterSplit", "delimiter": "x"}), "CharDelimiterSplit, which"),
        (cut_by({**SPLIT, "behavior": "Removed"}), "Split, which removes characters"),
        (cut_by({"type": "Punctuation", "behavior": "Removed"}), "Punctuation, which removes"),
    ],
)
def test_pre_tokenizers_that_change_the_text_are_named(
    make: Make, change: dict[str, Any], named: str
) -> None:
    place = make(change)
    read = from_hub_files(place)
    assert read.changes[0].startswith(named)
    assert read.decode(read.encode("x" + TEXT + "!")) != "x" + TEXT + "!"
    with pytest.raises(InputError, match=named):
        Encoder(place)


@pytest.mark.parametrize(
    "change",
    [
        cut_by(),
        cut_by({"type": "Digits", "individual_digits": True}),
        cut_by({"type": "Punctuation", "behavior": "Isolated"}),
        *(
            cut_by({**SPLIT, "behavior": behavior})
            for behavior in ("Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")
        ),
    ],
)
def test_pre_tokenizers_that_only_cut_are_taken(make: Make, change: dict[str, Any]) -> None:
    read = from_hub_files(make(change))
    assert read.changes == () and read.decode(read.encode(TEXT)) == TEXT


@pytest.mark.parametrize(
    ("inside", "beside", "front"),
    [
        (True, {}, True),
        (True, {"add_prefix_space": False}, False),
        (True, {"x": 1}, False),
        (False, {"add_prefix_space": True}, True),
        (False, {}, False),
    ],
)
def test_the_setting_beside_a_file_wins_as_in_transformers(
    make: Make, inside: bool, beside: dict[str, Any], front: bool
) -> None:
    def change(content: dict[str, Any]) -> None:
        content["pre_tokenizer"]["add_prefix_space"] = inside

    read = from_hub_files(make(change, tokenizer_config=beside))
    assert read.changes == (("a prefix space",) if front else ())
    assert read.decode(read.encode("x")) == (" x" if front else "x")


@pytest.mark.parametrize("side", ["lstrip", "rstrip"])
def test_an_added_token_that_swallows_blanks_is_named(make: Make, side: str) -> None:
    def change(content: dict[str, Any]) -> None:
        token = content["added_tokens"][0]
        content["added_tokens"].append(
            {**token, "id": 1_000, "content": "<mask>", "special": False, side: True}
        )

    place = make(change)
    read = from_hub_files(place)
    assert "<mask>" in read.changes[0] and side in read.changes[0]
    assert read.decode(read.encode("a <mask> b")) != "a <mask> b"
    with pytest.raises(InputError, match="strips blanks"):
        Encoder(place)


def model_of(kind: str) -> Any:
    def change(content: dict[str, Any]) -> None:
        vocabulary = content["model"]["vocab"]
        if kind == "Unigram":
            content["model"] = {
                "type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["a", -1.0]],
                "byte_fallback": False,
            }  # fmt: skip
        elif kind == "WordPiece":
            content["model"] = {
                "type": "WordPiece", "unk_token": "#", "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100, "vocab": vocabulary,
            }  # fmt: skip
        elif kind == "WordLevel":
            content["model"] = {"type": "WordLevel", "vocab": vocabulary, "unk_token": "#"}
        elif kind == "byte_fallback":
            content["model"]["byte_fallback"] = True
            content["pre_tokenizer"] = None
        elif kind == "Metaspace":
            content["pre_tokenizer"] = {
                "type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True,
            }  # fmt: skip
        else:
            content["model"][kind] = "##"
        content["added_tokens"] = []

    return change


@pytest.mark.parametrize(
    "kind",
    [
        *("Unigram", "WordPiece", "WordLevel", "byte_fallback", "Metaspace"),
        *("continuing_subword_prefix", "end_of_word_suffix"),
    ],
)
def test_tokenizers_of_other_kinds_are_refused_by_name(make: Make, kind: str) -> None:
    with pytest.raises(ModelFileError, match=f"not a byte-level BPE.*{kind}") as caught:
        from_hub_files(make(model_of(kind)))
    assert "\n" not in str(caught.value)


def test_a_sentencepiece_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes(b"\n\x0e\n\x05<unk>")
    with pytest.raises(ModelFileError, match=r"SentencePiece.*tokenizer\.model"):
        from_hub_files(tmp_path)


def test_cleaning_up_of_decoders_is_not_followed(make: Make, trained: Tokenizer) -> None:
    """transformers may take the blank out of ' .'; a program would not be the one written."""
    strip = {"type": "Strip", "content": " ", "start": 1, "stop": 1}
    decoder = {"type": "Sequence", "decoders": [BYTES, {"type": "Fuse"}, strip]}
    place = make({"decoder": decoder}, tokenizer_config={"clean_up_tokenization_spaces": True})
    read = from_hub_files(place)
    assert read.decode(read.encode(TEXT)) == TEXT == trained.decode(trained.encode(TEXT))


TEMPLATE = {
    "type": "TemplateProcessing",
    "single": [
        {"SpecialToken": {"id": "<s>", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
        {"SpecialToken": {"id": "</s>", "type_id": 0}},
    ],
    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
    "special_tokens": {
        "<s>": {"id": "<s>", "ids": [5], "tokens": ["&"]},
        "</s>": {"id": "</s>", "ids": [6, 7], "tokens": ["'", "("]},
    },
}
BYTES = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}


@pytest.mark.parametrize(
    ("processor", "around"),
    [
        (None, ((), ())),
        (BYTES, ((), ())),
        (TEMPLATE, ((5,), (6, 7))),
        ({"type": "Sequence", "processors": [BYTES, TEMPLATE]}, ((5,), (6, 7))),
        (
            {"type": "RobertaProcessing", "sep": ["x", 8], "cls": ["y", 9],
             "trim_offsets": True, "add_prefix_space": False},
            ((9,), (8,)),
        ),
    ],
)  # fmt: skip
def test_a_post_processor_says_what_stands_around_a_prompt(
    make: Make, processor: Any, around: tuple[Any, Any]
) -> None:
    place = make({"post_processor": processor})
    read = from_hub_files(place)
    assert (read.before, read.after) == around
    plain = read.encode("x = 1")
    assert read.encode_prompt("x = 1") == [*around[0], *plain, *around[1]]
    # The peer: the library's own way with special tokens.
    library = tokenizers.Tokenizer.from_str(read.to_json())
    assert library.encode("x = 1").ids == read.encode_prompt("x = 1")
    assert read.encode_prompt("") == []


def with_specials(content: dict[str, Any]) -> None:
    token = content["added_tokens"][0]
    for index, text in enumerate(("<s>", "</s>")):
        content["added_tokens"].append(
            {**token, "id": 1_000 + index, "content": text, "special": True}
        )


@pytest.mark.parametrize(
    ("settings", "around"),
    [
        ({"tokenizer_class": "LlamaTokenizerFast"}, ((1000,), ())),
        ({"tokenizer_class": "LlamaTokenizer", "add_bos_token": False}, ((), ())),
        (
            {"tokenizer_class": "LlamaTokenizerFast", "add_bos_token": True, "add_eos_token": True},
            ((1000,), (1001,)),
        ),
        ({"tokenizer_class": "GPTNeoXTokenizerFast"}, ((), ())),
        ({"tokenizer_class": "GPTNeoXTokenizerFast", "add_bos_token": True}, ((1000,), ())),
        ({"tokenizer_class": "GPT2TokenizerFast", "add_bos_token": True}, ((), ())),
        ({"tokenizer_class": "Qwen2Tokenizer", "add_bos_token": False}, ((), ())),
        ({"tokenizer_class": "PreTrainedTokenizerFast", "add_bos_token": True}, ((), ())),
        ({"add_eos_token": True}, ((), ())),
    ],
)
def test_classes_that_make_their_own_template(
    make: Make, settings: dict[str, Any], around: tuple[Any, Any]
) -> None:
    """The values are those of transformers 4.57, `AutoTokenizer.from_pretrained(...)("x")`."""
    specials = {"bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": False}}
    read = from_hub_files(make(with_specials, tokenizer_config=specials | settings))
    assert (read.before, read.after) == around
    assert read.bos_text == "<s>"


def test_a_token_to_be_added_that_is_not_there_is_named(make: Make) -> None:
    place = make(tokenizer_config={"tokenizer_class": "LlamaTokenizer", "bos_token": "<nope>"})
    with pytest.raises(ModelFileError, match=r"add_bos_token.*<nope>"):
        from_hub_files(place)


def test_a_start_that_the_template_wrote_is_not_doubled(make: Make) -> None:
    settings = {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>"}
    read = from_hub_files(make(with_specials, tokenizer_config=settings))
    once = read.encode_prompt("<s>x", parse_special=True)
    assert once == read.encode_prompt("x") and once.count(1000) == 1


@pytest.mark.parametrize(
    ("beside", "ends"),
    [
        ({}, (END,)),
        ({"config": {"eos_token_id": 7}}, (7,)),
        ({"config": {"eos_token_id": [7, 9]}}, (7, 9)),
        ({"config": {"eos_token_id": None}}, (END,)),
        ({"config": {"eos_token_id": []}}, (END,)),
        ({"generation_config": {"eos_token_id": 8}}, (8,)),
        ({"generation_config": {"eos_token_id": [8, 9, 8]}}, (8, 9)),
        ({"config": {"eos_token_id": 7}, "generation_config": {"eos_token_id": [9, 7]}}, (9, 7)),
        ({"config": {"eos_token_id": [7, 9]}, "generation_config": {"eos_token_id": 9}}, (9,)),
        ({"config": {"eos_token_id": 7}, "generation_config": {"max_length": 20}}, (7,)),
        ({"tokenizer_config": {"eos_token": "\t\t"}}, (999,)),
        ({"tokenizer_config": {"eos_token": {"content": "\t\t"}}, "config": {}}, (999,)),
        ({"tokenizer_config": {"eos_token": "<nope>"}}, (END,)),
    ],
)
def test_the_ends_of_a_text(make: Make, beside: dict[str, Any], ends: tuple[int, ...]) -> None:
    assert from_hub_files(make(**beside)).end_of_text == ends


def test_what_follows_a_document_is_not_what_ends_an_answer(make: Make) -> None:
    place = make(config={"eos_token_id": 7}, generation_config={"eos_token_id": [9, 7]})
    assert from_hub_files(place).document_end == 7
    assert Encoder(place).end_of_text == 7


@pytest.mark.parametrize("name", ["tokenizer_config", "generation_config", "config"])
def test_a_broken_file_beside_it_is_named(make: Make, name: str) -> None:
    place = make()
    for content in ("{", "[1]"):
        (place / f"{name}.json").write_text(content)
        with pytest.raises(ModelFileError, match=name):
            from_hub_files(place)
