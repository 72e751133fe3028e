"""The family's page is what its script makes of the records, and its windows are drawn once."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import yaml

from multiturn.data.build.executors.local import SequentialExecutor
from multiturn.data.build.pipeline import build
from multiturn.data.dedup.unseen import Unseen
from multiturn.data.documents.files import write_documents
from multiturn.data.documents.record import Document
from multiturn.data.filters.language import KeepLanguages
from multiturn.data.recipe import CorpusRecipe
from multiturn.data.sources.directory import Directory
from multiturn.data.sources.file_filter import FileFilter
from multiturn.jaxformer.family import FAMILY_SIZES, family_chain
from multiturn.models.config import codegen_config
from multiturn.text.tokenizers_codegen import train_tokenizer

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "results" / "family"


def script(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A script of the folder, imported as it is run there."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module(name)


def made(records: Path, out: Path) -> str:
    (out / "family").mkdir(parents=True)
    command = [sys.executable, FOLDER / "page.py", "--records", records, "--out", out / "page.md"]
    subprocess.run(command, check=True, timeout=300)
    text = (out / "page.md").read_text("utf-8")
    drawn = {path.name for path in (out / "family").glob("*.svg")}
    assert {f"family/{name}" in text for name in drawn} <= {True}
    return text


def test_the_page_is_made_from_the_records(tmp_path: Path) -> None:
    assert made(FOLDER, tmp_path) == FOLDER.with_suffix(".md").read_text("utf-8")


def write_records(
    monkeypatch: pytest.MonkeyPatch, folder: Path, *, stages: int, sizes: int, gain: float
) -> None:
    """Records in which each stage and each size is better by `gain` bits per byte."""
    records = script("records", monkeypatch)
    folder.mkdir()
    draw = np.random.default_rng(0)
    windows = [
        {"set": name, "document": f"pypi:p{number % 4}@1:{number}.py", "bytes": 1_500}
        for name in records.SETS
        for number in range(20)
    ]
    bits, files, losses = [], [], []
    for rank, size in enumerate(list(FAMILY_SIZES)[:sizes]):
        for place, (stage, config) in enumerate(list(family_chain(size).items())[:stages]):
            model = {"size": size, "stage": stage}
            level = 2.5 - gain * (rank + place)
            losses += [
                model | {"step": s, "loss": 3.0}
                for s in (*range(10, config.steps, 10), config.steps)
            ]
            for name in records.SETS:
                found = 1_500 * level + draw.normal(0, 20, 20)
                files.append(model | {"set": name, "bits": [round(each, 1) for each in found]})
            at = dict.fromkeys(records.SETS, level)
            bits.append(model | {"step": config.steps, "bits_per_byte": at})
    for name, rows in {"windows": windows, "bits": bits, "files": files, "losses": losses}.items():
        records.write(name, rows, folder)


def test_the_cards_are_made_from_the_records(tmp_path: Path) -> None:
    command = [sys.executable, FOLDER / "card.py", tmp_path / "cards"]
    subprocess.run(command, check=True, timeout=300, capture_output=True)
    for path in (tmp_path / "cards").iterdir():
        assert path.read_text("utf-8") == (FOLDER / "cards" / path.name).read_text("utf-8")
    assert len(list((FOLDER / "cards").iterdir())) == len(list((tmp_path / "cards").iterdir()))


def test_what_is_not_trained_is_told_and_what_is_is_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_records(monkeypatch, tmp_path / "part", stages=2, sizes=1, gain=0.2)
    text = made(tmp_path / "part", tmp_path / "of-part")
    assert "| 1M Multi | 1,125 of 1,125 | 4.6M | 3.000 | trained |" in text
    assert "| 1M Mono | 0 of 1,125 | 0.0M |  | not trained yet |" in text
    assert "- 1M: no record yet." in text
    assert "No stage of two sizes has records yet." in text
    assert "Not fitted: a stage has to be trained at all three sizes." in text
    assert "| 1M NL to Multi | -0.2" in text

    write_records(monkeypatch, tmp_path / "all", stages=3, sizes=3, gain=0.2)
    text = made(tmp_path / "all", tmp_path / "of-all")
    assert "no record yet" not in text
    assert "not trained yet" not in text
    assert text.count("Mono is better than Multi") == 3
    assert "The larger is better on every set, with an interval below 0, in every pair." in text
    assert "| Mono | python | -0.0" in text

    # No difference is no order, and a loss is told as one.
    write_records(monkeypatch, tmp_path / "worse", stages=3, sizes=3, gain=-0.2)
    text = made(tmp_path / "worse", tmp_path / "of-worse")
    assert text.count("Mono is worse than Multi") == 3
    assert "The larger model is not better, with an interval below 0, in: 3M less 1M, NL:" in text


def test_a_card_has_the_data_the_licences_the_budget_and_the_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_records(monkeypatch, tmp_path / "part", stages=2, sizes=1, gain=0.2)
    command = [sys.executable, FOLDER / "card.py", tmp_path / "cards"]
    done = subprocess.run(
        [*command, "--records", tmp_path / "part"],
        check=True, timeout=300, capture_output=True, text=True,
    )  # fmt: skip
    names = {path.name for path in (tmp_path / "cards").iterdir()}
    assert names == {"family-1m-nl.md", "family-1m-multi.md"}
    assert done.stdout.count("not trained to its end and measured yet") == 7
    text = (tmp_path / "cards" / "family-1m-multi.md").read_text("utf-8")
    _, head, body = text.split("---\n", 2)
    found = yaml.safe_load(head)
    metrics = found["model-index"][0]["results"][0]["metrics"]
    assert {metric["value"] for metric in metrics} == {2.3}
    assert "987,776 parameters without\nembeddings and 2,040,448 with them" in body
    for part in ("| local-multi | MIT |", "| Multi | 1,125 | 4.6M | 0.0024 |", "## Bias, Risks"):
        assert part in body
    assert "Mono:" not in body


@pytest.fixture
def corpora(tmp_path: Path) -> Path:
    """Held-out corpora of this project's own prose and code, and a tokenizer."""
    places = {"prose": (ROOT / "docs", (".md",)), "code": (ROOT / "src/multiturn/core", (".py",))}
    for kind, (folder, endings) in places.items():
        name = f"family-held-out-{kind}"
        source = Directory(
            path=folder, label=kind, licence="MIT", wanted=FileFilter(endings=endings)
        )
        steps = (KeepLanguages(languages=("english", "python")),)
        recipe = CorpusRecipe(
            name=name, sources=(source,), steps=steps, stages=(Unseen(corpora=()),)
        )
        out = tmp_path / "corpora" / name
        build(recipe, out, executor=SequentialExecutor(), downloads=tmp_path / "downloads")
    return tmp_path / "corpora"


def test_windows_are_whole_or_512_tokens_and_are_drawn_alike(
    corpora: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = script("measure", monkeypatch)
    texts = [path.read_text("utf-8") for path in (ROOT / "src/multiturn/core").glob("*.py")]
    tokenizer = train_tokenizer(texts, 700)
    windows, tokens = measure.draw_windows(corpora, tokenizer)
    assert {w["set"] for w in windows} == {"prose", "python"}
    assert max(w["tokens"] for w in windows) == 512
    for name, found in tokens.items():
        mine = [w for w in windows if w["set"] == name]
        assert [int((row >= 0).sum()) - 1 for row in found] == [w["tokens"] for w in mine]
        for row, window in zip(found, mine, strict=True):
            text = b"".join(tokenizer.token_bytes(int(each)) for each in row[1:] if each >= 0)
            assert len(text) == window["bytes"]
    again, _ = measure.draw_windows(corpora, tokenizer)
    assert again == windows


def test_python_in_older_archives_is_not_counted_as_newer_than_the_corpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = script("measure", monkeypatch)
    documents = [
        Document(content=b"x = 1\n", source=source, path="a", licence="MIT", language=language)
        for source in ("pypi:new", "debian:libyaml", "npm:koa")
        for language in ("python", "c")
    ]
    write_documents(tmp_path / "family-held-out-code" / "unseen" / "part-00000.parquet", documents)
    assert set(measure.documents_of("python", tmp_path)) == {"pypi:new"}
    assert set(measure.documents_of("c", tmp_path)) == {"pypi:new", "debian:libyaml", "npm:koa"}


def test_an_untrained_model_needs_as_many_bits_as_the_vocabulary_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from dataclasses import replace

    import jax

    from multiturn.jaxformer.config import MeshConfig, PrecisionConfig
    from multiturn.jaxformer.parallel.mesh import make_mesh
    from multiturn.jaxformer.step.state import full_partition, init_state
    from multiturn.jaxformer.step.train_step import make_train_step

    measure = script("measure", monkeypatch)
    monkeypatch.setattr(measure, "has_kernels", lambda: False)
    config = replace(
        family_chain("1m")["nl"],
        model=codegen_config(
            layers=1, heads=2, head_dim=4, rotary_size=2, vocab_size=4_096, max_seq_len=512
        ),
        precision=PrecisionConfig(compute="float32", kernels="xla"),
    )
    mesh = make_mesh(MeshConfig(data=1), jax.devices()[:1])
    partition = full_partition(config.model)
    step = make_train_step(
        partition,
        mesh,
        batch=config.batch,
        schedule=config.schedule,
        optimizer=config.optimizer,
        precision=config.precision,
    )
    state = init_state(partition, step.optimizer, mesh, 0)
    tokens = np.random.default_rng(0).integers(0, 4_096, (9, 513)).astype(np.int32)
    tokens[3, 101:] = -1
    bits = measure.window_bits(state.parameters, config, tokens)
    counted = (tokens[:, 1:] >= 0).sum(1)
    assert bits.shape == (9,)
    np.testing.assert_allclose(bits / counted, 12.0, rtol=0.03)
