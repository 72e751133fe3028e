"""Exports are exact, certified by forward passes of their own, and never half there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

import multiturn.hub.exports.export as export_module
from multiturn.core.errors import HubError, InputError, ModelFileError, UnknownNameError
from multiturn.hub.checkpoints.reading import load_parameters, open_checkpoint
from multiturn.hub.exports.certificate import compare_logits
from multiturn.hub.exports.configs import codegen_json
from multiturn.hub.exports.export import EXPORT_FORMATS, export
from multiturn.hub.exports.files import write_hub_checkpoint
from multiturn.hub.formats.gguf import ArrayInfo, read_array, read_gguf_header
from multiturn.models.arrays import Constant
from multiturn.models.config import codegen_config
from multiturn.models.parameters import parameter_specs
from multiturn.text.tokenizers_codegen import train_tokenizer
from multiturn.text.tokenizers_files import from_hub_files
from multiturn.text.tokenizers_gguf import from_gguf_metadata

pytestmark = pytest.mark.real

GOLDEN = Path(__file__).parent.parent / "golden"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A float32 model with a tokenizer, its weights large enough to tell errors apart."""
    directory = tmp_path_factory.mktemp("source") / "tiny-codegen"
    directory.mkdir()
    config = codegen_config(
        layers=2, heads=4, head_dim=16, rotary_size=8, vocab_size=320, max_seq_len=256
    )
    random = np.random.default_rng(3)
    parameters = jax.tree.map(
        lambda info: (
            0.15 * random.normal(size=info.shape) + (info.initializer == Constant(1.0))
        ).astype(np.float32),
        parameter_specs(config),
    )
    tokenizer = train_tokenizer(["def f(x):\n    return x\nimport numpy as np\n"], 300)
    layout = export_module._HUB_FORMATS["codegen"].layout(config)
    described = codegen_json(config, "float32", tokenizer.end_of_text[0])
    write_hub_checkpoint(directory, parameters, layout, described, "float32")
    tokenizer.save(directory)
    return directory


@pytest.mark.parametrize("to", EXPORT_FORMATS)
def test_each_format_is_certified(source: Path, tmp_path: Path, to: str) -> None:
    out = tmp_path / "deep" / "out"
    certificate = export(source, out, to)
    assert json.loads((out / "certificate.json").read_text())["format"] == to
    assert "tiny-codegen" in (out / "README.md").read_text()
    for agreement in certificate.agreements:
        assert 0 <= agreement.greatest_difference <= agreement.tolerance
        assert agreement.argmax_agreement >= 0.99
        assert agreement.positions >= (2 if agreement.compared != "logits" else 128)
    assert ("llama.cpp" in certificate.agreements[-1].computed_by) == (to == "gguf")
    assert [path.name for path in out.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("to", EXPORT_FORMATS)
def test_each_format_is_read_back_as_the_same_model(source: Path, tmp_path: Path, to: str) -> None:
    export(source, tmp_path / "out", to)
    place = next((tmp_path / "out").glob("*.gguf"), tmp_path / "out")
    again = open_checkpoint(place)
    first = open_checkpoint(source)
    assert again.config.rotary == first.config.rotary
    jax.tree.map(np.testing.assert_array_equal, load_parameters(first), load_parameters(again))


def test_tokenizers_go_along(source: Path, tmp_path: Path) -> None:
    text = "def f(x):\n\t\treturn  'é'  # 12\n\n        pass"
    expected = from_hub_files(source).encode(text)
    export(source, tmp_path / "gptj", "gptj")
    assert from_hub_files(tmp_path / "gptj").encode(text) == expected
    export(source, tmp_path / "gguf", "gguf")
    header = read_gguf_header(next((tmp_path / "gguf").glob("*.gguf")))
    read = from_gguf_metadata(
        {
            key: read_array(header, key) if isinstance(value, ArrayInfo) else value
            for key, value in header.metadata.items()
        }
    )
    assert read.encode(text) == expected
    assert read.end_of_text == (300 - 39,)


def test_half_precision_is_kept(tmp_path: Path) -> None:
    certificate = export(GOLDEN / "codegen", tmp_path / "out", "phi")
    assert certificate.dtype == "float16"
    assert open_checkpoint(tmp_path / "out").dtype == "float16"
    assert "not part" in (tmp_path / "out" / "README.md").read_text()


def test_an_export_beyond_tolerance_fails_and_leaves_nothing(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Phi layout written without its permutation of queries and keys."""
    monkeypatch.setattr(
        "multiturn.hub.checkpoints.layouts._from_half_split", lambda c: np.arange(c.head_dim)
    )
    with pytest.raises(HubError, match="differs from its source"):
        export(source, tmp_path / "out", "phi")
    assert list(tmp_path.iterdir()) == []


def test_nan_is_not_near() -> None:
    tokens = np.zeros((1, 2), np.int32)
    good, bad = np.zeros((1, 2, 3)), np.full((1, 2, 3), np.nan)
    assert compare_logits("it", lambda _: good, lambda _: good, tokens).within
    assert not compare_logits("it", lambda _: good, lambda _: bad, tokens).within
    assert not compare_logits("it", lambda _: bad, lambda _: bad, tokens).within


def test_an_occupied_place_is_left_alone(source: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    for place in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(InputError, match="not empty"):
            export(source, place, "gptj")
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_what_cannot_be_exported_is_said(source: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="gptj"):
        export(source, tmp_path / "out", "gptk")
    with pytest.raises(InputError, match="CodeGen family"):
        export(GOLDEN / "llama", tmp_path / "out", "gptj")
    with pytest.raises(InputError, match="tokenizer"):
        export(GOLDEN / "codegen", tmp_path / "out", "gguf")
    with pytest.raises(ModelFileError, match="no such model"):
        export(tmp_path / "nothing", tmp_path / "out", "gptj")
    large = shutil.copytree(GOLDEN / "codegen", tmp_path / "large")
    shutil.copy(source / "tokenizer.json", large)
    with pytest.raises(ModelFileError, match=r"tokenizer.*300"):
        export(large, tmp_path / "out", "gptj")
    assert not (tmp_path / "out").exists()
