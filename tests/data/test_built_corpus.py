"""Documents of an earlier build as the source of another."""

from __future__ import annotations

from pathlib import Path

import pytest

from multiturn.core.errors import InputError
from multiturn.data.build.executors.local import SequentialExecutor
from multiturn.data.build.pipeline import build
from multiturn.data.build.source import SourceError
from multiturn.data.dedup.stage import Deduplicate
from multiturn.data.loader.corpus import PackedCorpus
from multiturn.data.packing.stage import Pack
from multiturn.data.packing.vocabulary import NewTokenizer
from multiturn.data.recipe import CorpusRecipe
from multiturn.data.sources.built import BuiltCorpus
from multiturn.data.sources.directory import Directory

CODE = Path(__file__).parents[2] / "src" / "multiturn" / "core"


def made(recipe: CorpusRecipe, out: Path) -> Path:
    build(recipe, out, executor=SequentialExecutor(), downloads=out / "downloads", keep_drops=True)
    return out


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = CorpusRecipe(
        name="first",
        sources=(Directory(path=CODE, label="core", licence="MIT"),),
        steps=(),
        stages=(Deduplicate(),),
    )
    return made(recipe, tmp_path_factory.mktemp("corpora") / "first")


def paths(corpus: Path) -> set[str]:
    packed = PackedCorpus(corpus / "packed")
    return {p.origin.id for row in range(len(packed)) for p in packed.pieces(row)}


def packed(first: Path, out: Path, share: float) -> Path:
    source = BuiltCorpus(corpus=first, stage="deduplicated", share=share)
    stages = (Pack(tokenizer=NewTokenizer(size=400), length=64, min_remainder=1),)
    return made(CorpusRecipe(name=out.name, sources=(source,), steps=(), stages=stages), out)


def test_a_share_is_part_of_a_larger_share_and_keeps_the_provenance(
    first: Path, tmp_path: Path
) -> None:
    everything, half = (paths(packed(first, tmp_path / str(share), share)) for share in (1.0, 0.5))
    assert len(everything) > 10
    assert all("core:" in name for name in everything)
    assert half < everything
    assert 0.2 < len(half) / len(everything) < 0.8
    assert paths(packed(first, tmp_path / "less", 0.3)) <= half


def test_a_corpus_built_anew_is_read_anew(first: Path, tmp_path: Path) -> None:
    source = BuiltCorpus(corpus=first, stage="deduplicated")
    before = source.parts(tmp_path)
    assert before == source.parts(tmp_path)
    marker = first / "deduplicated" / "part-00000.json"
    text = marker.read_text()
    marker.write_text(text.replace(str(before[0].detail["sha256"]), "0" * 64))
    assert source.parts(tmp_path) != before
    marker.write_text(text)


def test_what_is_not_built_and_a_wrong_share_are_told(first: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no finished stage .decontaminated.*data build first"):
        BuiltCorpus(corpus=first).parts(tmp_path)
    with pytest.raises(SourceError, match="no finished stage"):
        BuiltCorpus(corpus=tmp_path / "none").parts(tmp_path)
    for share in (0.0, 1.5, -1.0):
        with pytest.raises(InputError, match="share is out of range"):
            BuiltCorpus(corpus=first, share=share)
