"""Torch's pickles are read without running them, whatever they say."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiturn.core.errors import ModelFileError
from multiturn.hub.formats.pickles import read_torch_pickle

REAL = Path(__file__).parent.parent / "golden" / "codegen-pickle" / "pytorch_model.bin"


def write_zip(path: Path, data_pkl: bytes, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data_pkl)
        for name, content in members.items():
            archive.writestr(f"archive/data/{name.removeprefix('key')}", content)
    return path


class _Global:
    """Pickles as a call of any global, as an attacker writes it."""

    def __init__(self, function, *arguments) -> None:
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def torch_like(shape=(2, 3), strides=(3, 1), offset=0, elements=6, storage="FloatStorage") -> bytes:
    """A state dict with the tensor ``w``, spelled in protocol 2 as torch does."""
    out = io.BytesIO()
    out.write(b"\x80\x02}q\x00X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n((")
    out.write(b"X\x07\x00\x00\x00storagectorch\n" + storage.encode() + b"\n")
    out.write(b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpu" + b"J" + struct.pack("<i", elements))
    out.write(b"tQJ" + struct.pack("<i", offset))
    for numbers in (shape, strides):
        out.write(b"(" + b"".join(b"J" + struct.pack("<i", n) for n in numbers) + b"t")
    out.write(b"\x89ccollections\nOrderedDict\n)RtRs.")
    return out.getvalue()


SIX = np.arange(6, dtype="<f4").tobytes()


def test_what_torch_wrote() -> None:
    tensors = read_torch_pickle(REAL)
    assert tensors["transformer.wte.weight"].shape == (48, 16)
    assert {tensor.dtype for tensor in tensors.values()} == {"float16"}
    values = tensors["transformer.ln_f.weight"].read().astype(np.float32)
    assert np.isfinite(values).all() and 0.3 < values.mean() < 2


def test_a_plain_and_a_strided_tensor(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.bin", torch_like(), key0=SIX)
    assert read_torch_pickle(path)["w"].read().tolist() == [[0, 1, 2], [3, 4, 5]]
    path = write_zip(tmp_path / "b.bin", torch_like((3,), (2,), 1), key0=SIX)
    assert read_torch_pickle(path)["w"].read().tolist() == [1, 3, 5]


@pytest.mark.parametrize(
    "function", [os.system, exec, eval, print, shutil.rmtree, pickle.loads, getattr, OrderedDict]
)
def test_code_is_named_and_not_run(tmp_path: Path, function) -> None:
    trap = tmp_path / "trap"
    evil = _Global(function, f"touch {trap}")
    for protocol in (2, 4):
        data = pickle.dumps({"w": evil}, protocol)
        path = write_zip(tmp_path / "evil.bin", data)
        with pytest.raises(ModelFileError, match="was not executed"):
            read_torch_pickle(path)
    assert not trap.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"(S'ls'\nios\nsystem\n.",  # INST
        b"(cos\nsystem\nS'ls'\no.",  # OBJ
        b"\x80\x02\x82\x01.",  # EXT1
        b"\x80\x02ctorch\nload\n.",  # a name of torch that is no storage
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.",  # no arguments
        b"\x80\x02ccollections\nOrderedDict\n)R}b0.",  # POP is not needed
        b"\x80\x02}X\x01\x00\x00\x00w",  # no end
        b"\x80\x02.",  # nothing on the stack
        b"\x80\x02]]e.",  # no mark
        b"\x80\x02h\x07.",  # memo never put
        b"\x80\x02}X\x01\x00\x00\x00wK\x01s.",  # no tensor
        b"\x80\x02K\x01.",  # no mapping
        b"\x80\x02r\xff\xff\xff\x7f.",  # a memo of 2 GiB in the C implementation
        b"\x80\x05\x8e\xff\xff\xff\xff\xff\xff\xff\x7f",  # bytes of 2^63
        b"",
        b"\xff",
    ],
)
def test_other_instructions_are_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ModelFileError):
        read_torch_pickle(write_zip(tmp_path / "a.bin", data))


@pytest.mark.parametrize(
    "arguments",
    [
        {"elements": 7},
        {"shape": (2, 4), "strides": (3, 1)},
        {"offset": 1},
        {"offset": -1},
        {"strides": (-1, 1)},
        {"shape": (2,)},
        {"storage": "OddStorage"},
        {"shape": (2**31 - 1, 2**31 - 1), "strides": (1, 1)},
    ],
)
def test_tensors_beyond_their_bytes_are_refused(tmp_path: Path, arguments) -> None:
    path = write_zip(tmp_path / "a.bin", torch_like(**arguments), key0=SIX)
    with pytest.raises(ModelFileError):
        read_torch_pickle(path)


def test_missing_bytes_name_the_tensor(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="'w'"):
        read_torch_pickle(write_zip(tmp_path / "a.bin", torch_like()))


def test_compressed_members_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", torch_like())
    with pytest.raises(ModelFileError, match="compressed"):
        read_torch_pickle(path)


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", b"x" * 99]
)
def test_files_that_are_no_zip_are_refused(tmp_path: Path, content: bytes) -> None:
    """The third is how files of torch before 1.6 begin."""
    path = tmp_path / "a.bin"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"a\.bin"):
        read_torch_pickle(path)


@given(st.data())
def test_broken_bytes_never_surprise(tmp_path_factory, data) -> None:
    """Cut or changed anywhere, the file is read or refused; no other exception, no hang."""
    raw = bytearray(REAL.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        # Most changes go where the structure is: the pickle, and the zip's directory.
        low = data.draw(st.sampled_from([0, 0, len(raw) - 4000]))
        at = data.draw(st.integers(low, min(low + 4000, len(raw) - 1)))
        raw[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([len(raw), len(raw), len(raw) - 30, len(raw) // 2]))
    path = tmp_path_factory.mktemp("broken") / "a.bin"
    path.write_bytes(raw[:cut])
    try:
        for tensor in read_torch_pickle(path).values():
            if tensor.size < 10**6:
                tensor.read()
    except ModelFileError as error:
        assert "\n" not in str(error)


@given(st.binary(max_size=200))
def test_any_bytes_as_a_pickle(tmp_path_factory, raw: bytes) -> None:
    path = write_zip(tmp_path_factory.mktemp("any") / "a.bin", b"\x80\x02" + raw)
    try:
        read_torch_pickle(path)
    except ModelFileError as error:
        assert "\n" not in str(error)


def test_the_golden_file_is_what_the_config_says() -> None:
    config = json.loads((REAL.parent / "config.json").read_text())
    assert read_torch_pickle(REAL)["lm_head.weight"].shape == (
        config["vocab_size"],
        config["n_embd"],
    )
