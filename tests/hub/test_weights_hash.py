"""Hashes of weights: part of saved runs, so their values are written down here."""

from __future__ import annotations

import hashlib
from pathlib import Path

from multiturn.hub.weights_hash import weights_sha256, weights_sha256_with_adapter


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"weights")
    assert weights_sha256(file) == sha256(b"weights")


def test_of_a_directory(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "config.json").write_bytes(b"{}")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "any.txt").write_bytes(b"of no account")
    listed = f"{sha256(b'{}')}  config.json\n{sha256(b'weights')}  model.safetensors\n"
    assert weights_sha256(tmp_path) == sha256(listed.encode())
    before = weights_sha256(tmp_path)
    (tmp_path / "config.json").rename(tmp_path / "config2.json")
    assert weights_sha256(tmp_path) != before


def test_with_an_adapter(tmp_path: Path) -> None:
    weights = sha256(b"weights")
    (tmp_path / "adapter_config.json").write_bytes(b"{}")
    (tmp_path / "adapter_model.safetensors").write_bytes(b"a and b")
    both = weights_sha256_with_adapter(weights, tmp_path)
    parts = [hashlib.sha256(part).digest() for part in (b"{}", b"a and b")]
    assert both == sha256(weights.encode() + b"".join(parts))
    (tmp_path / "README.md").write_text("of no account")
    assert weights_sha256_with_adapter(weights, tmp_path) == both
    (tmp_path / "adapter_model.safetensors").write_bytes(b"a and c")
    assert weights_sha256_with_adapter(weights, tmp_path) != both
    file = tmp_path / "turns.gguf"
    file.write_bytes(b"GGUF")
    expected = sha256(weights.encode() + hashlib.sha256(b"GGUF").digest())
    assert weights_sha256_with_adapter(weights, file) == expected
