"""Tokenizers for the tests of this folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import multiturn
from multiturn.text.tokenizers import Tokenizer
from multiturn.text.tokenizers_codegen import train_tokenizer


@pytest.fixture(scope="session")
def corpus() -> list[str]:
    """This project's own source code."""
    root = Path(multiturn.__file__).parent
    return [file.read_text("utf-8") for file in sorted(root.rglob("*.py"))]


@pytest.fixture(scope="session")
def trained(corpus: list[str]) -> Tokenizer:
    return train_tokenizer(corpus, 1_000)


@pytest.fixture(scope="session")
def gpt2_files(trained: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vocabulary in GPT-2's two files: bytes and merges first, the end of text last."""
    directory = tmp_path_factory.mktemp("gpt2")
    base = {text: token for token, text in trained.vocabulary.items() if token <= 1_000 - 39}
    (directory / "vocab.json").write_text(json.dumps(base), "utf-8")
    (directory / "merges.txt").write_text(
        "#version: 0.2\n" + "\n".join(trained.merges) + "\n", "utf-8"
    )
    return directory
