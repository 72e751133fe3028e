"""The header reader on a real file, on broken ones, and on noise."""

from __future__ import annotations

import random
import shutil
import struct
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multiturn.core.errors import ModelFileError
from multiturn.hub.formats.ggml_types import GGML_TYPES, GGMLType
from multiturn.hub.formats.gguf import ArrayInfo, read_array, read_gguf_header

pytestmark = pytest.mark.real

TEXT, ARRAY, BOOL, UINT32, INT32, FLOAT32 = 8, 9, 7, 4, 5, 6


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


def entry(key: str | bytes, kind: int, payload: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + payload


def array(kind: int, count: int, payload: bytes) -> bytes:
    return struct.pack("<IQ", kind, count) + payload


def tensor(
    name: str, dimensions: Sequence[int], kind: int = 0, offset: int = 0, *, rank: int | None = None
) -> bytes:
    rank = len(dimensions) if rank is None else rank
    sizes = struct.pack(f"<{len(dimensions)}Q", *dimensions)
    return text(name) + struct.pack("<I", rank) + sizes + struct.pack("<IQ", kind, offset)


ARCHITECTURE = entry("general.architecture", TEXT, text("tiny"))
VOCABULARY = (
    entry("tokenizer.ggml.tokens", ARRAY, array(TEXT, 3, text("<s>") + text("</s>") + text("é")))
    + entry("tokenizer.ggml.bos_token_id", UINT32, struct.pack("<I", 0))
    + entry("tokenizer.ggml.eos_token_id", UINT32, struct.pack("<I", 1))
)


def gguf(
    entries: Sequence[bytes] = (ARCHITECTURE,),
    tensors: Sequence[bytes] = (),
    data: int = 0,
    *,
    version: int = 3,
    magic: bytes = b"GGUF",
    entry_count: int | None = None,
    tensor_count: int | None = None,
) -> bytes:
    header = magic + struct.pack(
        "<IQQ",
        version,
        len(tensors) if tensor_count is None else tensor_count,
        len(entries) if entry_count is None else entry_count,
    )
    header += b"".join(entries) + b"".join(tensors)
    return header + bytes(-len(header) % 32) + bytes(data)


@pytest.fixture
def read(tmp_path):
    def read(content: bytes):
        path = tmp_path / "model.gguf"
        path.write_bytes(content)
        return read_gguf_header(path)

    return read


class TestRealFile:
    def test_what_it_says_about_itself(self, smollm2):
        header = read_gguf_header(smollm2)
        assert header.version == 3
        assert header.architecture == "llama"
        assert header.context_length == 8192
        assert header.file_type == "Q4_1"
        assert header.metadata["tokenizer.ggml.tokens"].count == 49152
        assert (header.bos_token, header.eos_token) == ("<|im_start|>", "<|im_end|>")
        assert header.chat_template.startswith("{% for message in messages %}")
        assert header.parameters == 134_515_008
        assert len(header.tensors) == 272

    def test_the_tensors_fill_the_file_to_its_last_byte(self, smollm2):
        header = read_gguf_header(smollm2)
        last = header.tensors[-1]
        assert last.offset + last.bytes == smollm2.stat().st_size
        embedding = next(each for each in header.tensors if each.name == "token_embd.weight")
        assert embedding.shape == (49152, 576)

    def test_arrays_are_read_on_demand(self, smollm2):
        header = read_gguf_header(smollm2)
        tokens = read_array(header, "tokenizer.ggml.tokens")
        assert len(tokens) == 49152
        assert tokens[1] == "<|im_start|>"
        kinds = read_array(header, "tokenizer.ggml.token_type")
        assert len(kinds) == 49152
        assert set(kinds) == {1, 3}
        with pytest.raises(ModelFileError, match="no array"):
            read_array(header, "general.name")

    def test_reading_takes_little_memory(self, smollm2):
        tracemalloc.start()
        try:
            read_gguf_header(smollm2)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 8 << 20

    def test_a_cut_file_says_which_tensor_and_how_much_is_missing(self, smollm2, tmp_path):
        path = tmp_path / "cut.gguf"
        shutil.copy(smollm2, path)
        header = read_gguf_header(path)
        with path.open("r+b") as file:
            file.truncate(header.tensors[7].offset + 5)
        missing = smollm2.stat().st_size - header.tensors[7].offset - 5
        with pytest.raises(ModelFileError) as caught:
            read_gguf_header(path)
        assert f"cut off: {missing} bytes are missing" in str(caught.value)
        assert f"'{header.tensors[7].name}' is the first incomplete one" in str(caught.value)
        assert str(path) in str(caught.value)


class TestSmallFiles:
    def test_every_kind_of_value(self, read):
        numbers = {
            "u8": (0, "<B", 200),
            "i8": (1, "<b", -100),
            "u16": (2, "<H", 60000),
            "i16": (3, "<h", -30000),
            "u32": (4, "<I", 4_000_000_000),
            "i32": (5, "<i", -2_000_000_000),
            "f32": (6, "<f", 0.5),
            "u64": (10, "<Q", 2**63),
            "i64": (11, "<q", -(2**62)),
            "f64": (12, "<d", 1e300),
        }
        entries = [ARCHITECTURE, entry("yes", BOOL, b"\1"), entry("text", TEXT, text("naïve"))]
        for key, (kind, form, value) in numbers.items():
            entries.append(entry(key, kind, struct.pack(form, value)))
            entries.append(
                entry(f"{key}s", ARRAY, array(kind, 2, struct.pack(f"<2{form[1]}", value, 0)))
            )
        entries.append(entry("bools", ARRAY, array(BOOL, 2, b"\1\0")))
        header = read(gguf(entries))
        assert header.metadata["yes"] is True
        assert header.metadata["text"] == "naïve"
        for key, (_, _, value) in numbers.items():
            assert header.metadata[key] == value
            assert list(read_array(header, f"{key}s")) == [value, 0]
        assert read_array(header, "bools") == [True, False]
        assert header.bos_token == ""

    @pytest.mark.parametrize("version", [2, 3])
    def test_tensors_and_alignment(self, read, version):
        alignment = entry("general.alignment", UINT32, struct.pack("<I", 64))
        tensors = [tensor("a", (256, 3), 12), tensor("b", (5,), 0, 448)]
        header = read(gguf([ARCHITECTURE, alignment], tensors, 1000, version=version))
        first, second = header.tensors
        assert (first.shape, first.type.name, first.bytes) == ((3, 256), "Q4_K", 432)
        assert second.offset - first.offset == 448
        assert header.data_offset % 64 == 0
        assert header.parameters == 773

    def test_special_tokens(self, read):
        header = read(gguf([ARCHITECTURE, *_split(VOCABULARY)]))
        assert (header.bos_token, header.eos_token) == ("<s>", "</s>")
        assert header.metadata["tokenizer.ggml.tokens"] == ArrayInfo(
            "text", 3, header.metadata["tokenizer.ggml.tokens"].offset
        )

    def test_a_text_that_is_no_utf8_is_mended(self, read):
        assert (
            read(gguf([ARCHITECTURE, entry("a", TEXT, text(b"\xff!"))])).metadata["a"] == "\ufffd!"
        )


def _split(vocabulary: bytes) -> list[bytes]:
    """The entries of VOCABULARY one by one, so that they are counted."""
    second = vocabulary.index(text("tokenizer.ggml.bos_token_id"))
    third = vocabulary.index(text("tokenizer.ggml.eos_token_id"))
    return [vocabulary[:second], vocabulary[second:third], vocabulary[third:]]


TOKENS = _split(VOCABULARY)[0]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "it is empty"),
        (b"GG", "not a GGUF file"),
        (b"PK\x03\x04" + bytes(100), "not a GGUF file: it begins with"),
        (b"GGUF", "cut off in the version"),
        (gguf(version=1), "of GGUF version 1"),
        (gguf(version=4), "of GGUF version 4"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian"),
        (gguf(tensor_count=2**63), "claims 9223372036854775808 tensors"),
        (gguf(entry_count=10_000), "claims 10000 metadata entries"),
        (gguf(entry_count=2), "metadata entry 1 has no name"),
        (gguf([entry("", UINT32, bytes(4))]), "has no name"),
        (gguf([entry(b"\xff", UINT32, bytes(4))]), "not UTF-8"),
        (gguf([ARCHITECTURE, ARCHITECTURE]), "'general.architecture' twice"),
        (gguf([entry("a", 13, bytes(40))]), "unknown type 13"),
        (gguf([entry("a", BOOL, b"\2")]), "neither true nor false"),
        (
            gguf([entry("a", TEXT, struct.pack("<Q", 2**60) + bytes(99))]),
            "claims 1152921504606846976",
        ),
        (gguf([entry("a", ARRAY, array(TEXT, 2**61, bytes(99)))]), "more than it can hold"),
        (gguf([entry("a", ARRAY, array(UINT32, 2**62, bytes(99)))]), "more than it can hold"),
        (gguf([entry("a", ARRAY, array(ARRAY, 1, bytes(99)))]), "list of lists"),
        (gguf([entry("a", ARRAY, array(99, 1, bytes(99)))]), "elements of the unknown type 99"),
        (
            gguf([entry("a", ARRAY, array(TEXT, 1, struct.pack("<Q", 2**63)))], data=99),
            "cut off in the",
        ),
        (gguf([]), "does not say its architecture"),
        (gguf([entry("general.architecture", UINT32, bytes(4))]), "does not say its architecture"),
        (gguf([ARCHITECTURE, entry("general.alignment", UINT32, bytes(4))]), "not a power of two"),
        (gguf([ARCHITECTURE, entry("general.alignment", BOOL, b"\1")]), "not a power of two"),
        (gguf(tensors=[tensor("a", (1,)), tensor("a", (1,), 0, 32)], data=64), "tensor 'a' twice"),
        (gguf(tensors=[tensor("a" * 64, (1,))], data=32), "64 bytes, more than"),
        (gguf(tensors=[tensor("a", (1,), rank=0)], data=64), "0 dimensions"),
        (gguf(tensors=[tensor("a", (1, 1, 1, 1, 1))], data=64), "5 dimensions"),
        (gguf(tensors=[tensor("a", (4, 0))], data=64), "impossible shape"),
        (gguf(tensors=[tensor("a", (2**62, 4))], data=64), "impossible shape"),
        (gguf(tensors=[tensor("a", (32,), 4)], data=64), "unknown number format 4"),
        (gguf(tensors=[tensor("a", (33,), 2)], data=64), "do not fill blocks of 32"),
        (gguf(tensors=[tensor("a", (4,), 0, 32)], data=64), "is at offset 32 instead of 0"),
        (
            gguf(tensors=[tensor("a", (2**40,))], data=64),
            "cut off: 4398046511040 bytes are missing",
        ),
        (
            gguf([ARCHITECTURE, entry("tokenizer.ggml.tokens", UINT32, bytes(4))]),
            "not a list of texts",
        ),
        (
            gguf(
                [
                    ARCHITECTURE,
                    TOKENS,
                    entry("tokenizer.ggml.scores", ARRAY, array(FLOAT32, 2, bytes(8))),
                ]
            ),
            "scores is not a list of float32 as long as the vocabulary",
        ),
        (
            gguf(
                [
                    ARCHITECTURE,
                    TOKENS,
                    entry("tokenizer.ggml.token_type", ARRAY, array(UINT32, 3, bytes(12))),
                ]
            ),
            "token_type is not a list of int32 as long as the vocabulary",
        ),
        (
            gguf(
                [
                    ARCHITECTURE,
                    TOKENS,
                    entry("tokenizer.ggml.merges", ARRAY, array(INT32, 1, bytes(4))),
                ]
            ),
            "merges is not a list of texts",
        ),
        (
            gguf(
                [
                    ARCHITECTURE,
                    TOKENS,
                    entry("tokenizer.ggml.eos_token_id", UINT32, struct.pack("<I", 3)),
                ]
            ),
            "eos token is number 3 of 3",
        ),
        (
            gguf([ARCHITECTURE, TOKENS, entry("tokenizer.ggml.bos_token_id", TEXT, text("<s>"))]),
            "bos token is not a number",
        ),
    ],
)
def test_what_is_wrong_is_named(read, content, problem):
    with pytest.raises(ModelFileError) as caught:
        read(content)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ModelFileError, match="no such file"):
        read_gguf_header(tmp_path / "absent.gguf")


def test_a_directory(tmp_path):
    with pytest.raises(ModelFileError):
        read_gguf_header(tmp_path)


def test_no_lying_count_takes_memory(tmp_path):
    """Each count and length of a file as large as a model claims all there is."""
    path = tmp_path / "lying.gguf"
    for content in (
        gguf(tensor_count=1 << 19),
        gguf(entry_count=1 << 16),
        gguf([entry("a", TEXT, struct.pack("<Q", 900 << 20))]),
        gguf([entry("a", ARRAY, array(TEXT, 1 << 17, b""))]),
        gguf([entry("a", ARRAY, array(FLOAT32, 200 << 20, b""))]),
    ):
        path.write_bytes(content)
        with path.open("r+b") as file:
            file.truncate(1 << 30)
        tracemalloc.start()
        try:
            with pytest.raises(ModelFileError):
                read_gguf_header(path)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 64 << 20


SMALL = gguf(
    [ARCHITECTURE, *_split(VOCABULARY), entry("x", ARRAY, array(FLOAT32, 4, bytes(16)))],
    [tensor("a", (256, 3), 12), tensor("b", (5,), 0, 448)],
    480,
)


def _returns_or_says_why(path: Path, *, arrays: bool = True) -> bool:
    try:
        header = read_gguf_header(path)
        for key, value in header.metadata.items():
            if arrays and isinstance(value, ArrayInfo):
                read_array(header, key)
    except ModelFileError:
        return False
    return True


@given(
    changes=st.lists(
        st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), min_size=1, max_size=6
    ),
    keep=st.integers(0, len(SMALL)),
    cut=st.booleans(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_small_file_with_any_bytes_changed(tmp_path, changes, keep, cut):
    content = bytearray(SMALL)
    for position, value in changes:
        content[position] = value
    path = tmp_path / "small.gguf"
    path.write_bytes(content[:keep] if cut else content)
    _returns_or_says_why(path)


@given(noise=st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_noise_after_the_magic(tmp_path, noise):
    path = tmp_path / "noise.gguf"
    path.write_bytes(b"GGUF\x03\0\0\0" + noise)
    _returns_or_says_why(path)


def test_the_real_header_with_bytes_changed(smollm2, tmp_path):
    """Where bytes were changed, half of them in the lengths and counts at the front."""
    header = read_gguf_header(smollm2)
    path = tmp_path / "changed.gguf"
    with smollm2.open("rb") as file:
        original = file.read(header.data_offset)
    path.write_bytes(original)
    choice = random.Random(11)
    refused = 0
    with path.open("r+b", buffering=0) as file:
        file.truncate(smollm2.stat().st_size)
        for _ in range(100):
            front = choice.random() < 0.5
            position = choice.randrange(1200 if front else header.data_offset)
            file.seek(position)
            file.write(choice.randbytes(choice.choice((1, 1, 4, 8))))
            refused += not _returns_or_says_why(path, arrays=False)
            file.seek(position)
            file.write(original[position : position + 8])
    assert refused > 20


def test_the_real_file_cut_at_any_place(smollm2, tmp_path):
    path = tmp_path / "cut.gguf"
    shutil.copy(smollm2, path)
    choice = random.Random(12)
    places = sorted(
        (choice.randrange(1 << choice.randrange(3, 27)) for _ in range(30)), reverse=True
    )
    for size in places:
        with path.open("r+b") as file:
            file.truncate(min(size, smollm2.stat().st_size - 1))
        assert not _returns_or_says_why(path)


class TestTypes:
    def test_rows(self):
        assert GGML_TYPES[12].row_bytes(512) == 288
        with pytest.raises(ValueError, match="multiple of 256"):
            GGML_TYPES[12].row_bytes(100)

    def test_numbers_and_names_are_unique(self):
        assert all(number == kind.number for number, kind in GGML_TYPES.items())
        assert len({kind.name for kind in GGML_TYPES.values()}) == len(GGML_TYPES)

    @pytest.mark.parametrize(
        ("name", "bits"), [("F32", 32), ("Q8_0", 8.5), ("Q4_K", 4.5), ("Q6_K", 6.5625)]
    )
    def test_bits_for_each_weight(self, name, bits):
        kind: GGMLType = next(each for each in GGML_TYPES.values() if each.name == name)
        assert kind.block_bytes * 8 / kind.block_size == bits
