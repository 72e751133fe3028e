"""`multiturn data trace`, as a person calls it, on a corpus built by a recipe file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from multiturn.apps.cli.data import app
from multiturn.core.errors import InputError, StoreError

RECIPE = """
from pathlib import Path
from multiturn.data.packing.vocabulary import NewTokenizer
from multiturn.data.packing.stage import Pack
from multiturn.data.dedup.stage import Deduplicate
from multiturn.data.recipe import CorpusRecipe
from multiturn.data.sources.directory import Directory

recipe = CorpusRecipe(
    name="small",
    sources=(Directory(path=Path({tree!r}), label="mine", licence="MIT"),),
    steps=(),
    stages=(Deduplicate(), Pack(tokenizer=NewTokenizer(size=310), length=64)),
)
"""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tmp_path = tmp_path_factory.mktemp("traced")
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(5):
        lines = [f"value_{number}_{line} = {line}\n" for line in range(80)]
        (tree / f"m{number}.py").write_text("".join(lines))
    recipe = tmp_path / "small.py"
    recipe.write_text(RECIPE.format(tree=str(tree)))
    out = tmp_path / "out"
    arguments = ["build", str(recipe), "--out", str(out), "--workers", "1"]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "5 documents" in result.stdout
    return out


def call(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_a_token_is_traced_to_its_file(corpus: Path) -> None:
    found = json.loads(call("trace", 0, 100, "--corpus", corpus, "--json"))
    name = found["path"]
    assert found["source"] == "directory:mine"
    assert (corpus.parent / "tree" / name).is_file()
    shown = call("trace", 0, 100, "--corpus", corpus)
    assert shown.splitlines()[0] == found["id"]
    assert f"value_{name[1]}_" in shown
    assert "MIT" in shown
    assert f"{found['offset']} of {found['tokens']}" in shown


def test_a_wrong_number_is_one_clear_error(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such shard: got 5; allowed: 0 to 0"):
        call("trace", 5, 0, "--corpus", corpus)
    with pytest.raises(StoreError, match="no packed corpus in this folder"):
        call("trace", 0, 0, "--corpus", tmp_path)


def test_a_changed_shard_is_found(corpus: Path, tmp_path: Path) -> None:
    corpus = Path(shutil.copytree(corpus, tmp_path / "copy"))
    assert "all intact" in call("verify", corpus)
    path = corpus / "packed" / "shard-00000.tokens.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(StoreError, match="1 of"):
        call("verify", corpus)
