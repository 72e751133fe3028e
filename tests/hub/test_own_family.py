"""The models of this project's own family: one is installed, the others are trained here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from multiturn.apps.cli.main import run
from multiturn.core.errors import InputError, ModelFileError
from multiturn.hub.downloads import locate, model_state, pull
from multiturn.hub.entries import InstalledFile
from multiturn.hub.manifest import read_manifest
from multiturn.hub.own_family import OWN_FAMILY
from multiturn.hub.registry import REGISTRY
from multiturn.hub.store import FileState, ModelStore
from multiturn.hub.trained import keep_trained

INSTALLED = REGISTRY["family-1m-mono"]


def nobody() -> None:
    raise AssertionError("nobody else holds the model")


def test_the_installed_model_is_there_without_a_download(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert INSTALLED.installed is not None
    path = INSTALLED.installed.path
    before = sorted(path.parent.iterdir())
    assert path.stat().st_size == INSTALLED.bytes
    assert path.stat().st_size < 5_000_000
    for found in (locate(INSTALLED.name), pull(INSTALLED.name, force=True, verify=True)):
        assert found == path
    assert model_state(INSTALLED, directory=tmp_path).state is FileState.VERIFIED
    # Nothing is written into the package, which may belong to another user.
    assert sorted(path.parent.iterdir()) == before
    assert run(["models", "pull", INSTALLED.name]) == 0
    assert capsys.readouterr().out == f"{path}\n"
    assert run(["models", "remove", INSTALLED.name]) == 2
    assert "is a part of multiturn and cannot be removed" in capsys.readouterr().err
    assert path.exists()


def test_an_installed_file_that_is_damaged_or_missing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "model.gguf"
    entry = replace(INSTALLED, installed=InstalledFile(copy))
    monkeypatch.setitem(REGISTRY, INSTALLED.name, entry)
    assert model_state(entry).state is FileState.ABSENT
    for content, told in ((None, "is missing"), (b"GGUF", "is damaged")):
        if content is not None:
            copy.write_bytes(content)
            assert model_state(entry).state is FileState.DAMAGED
        for call in (locate, pull):
            with pytest.raises(ModelFileError, match=f"{told}.*install multiturn again"):
                call(INSTALLED.name)


def test_a_model_that_is_not_trained_yet_says_how(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "program.yaml"
    program.write_text("turns: [Print one.]\n")
    (entry,) = [each for each in OWN_FAMILY if each.name == "family-3m-nl"]
    assert model_state(entry).state is FileState.ABSENT
    assert locate(entry.name) is None
    with pytest.raises(InputError, match="trained on your own machine"):
        pull(entry.name)
    for command in (
        ["models", "pull", entry.name],
        ["synth", str(program), "--model", entry.name],
        ["models", "pull", "--force", entry.name],
    ):
        assert run(command) == 2
        assert f"fix: multiturn models build {entry.name}" in capsys.readouterr().err
    assert run(["models", "build", "smollm2-135m"]) == 2
    assert "fix: multiturn models pull smollm2-135m" in capsys.readouterr().err


def test_what_was_trained_is_kept_pinned_and_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = REGISTRY["family-3m-multi"]
    made = tmp_path / "made.gguf"
    store = ModelStore.of_user()
    for content in (b"GGUF one", b"GGUF another"):
        made.write_bytes(content)
        kept = keep_trained(entry, made, store, on_wait=nobody)
        assert kept.read_bytes() == content
        assert locate(entry.name) == pull(entry.name) == kept
        assert model_state(entry).state is FileState.VERIFIED
    manifest = read_manifest(store.directory(entry.name))
    assert manifest is not None
    assert (manifest.repository, manifest.commit) == ("family-3m", "multi")
    kept.write_bytes(b"GGUF anothex")
    with pytest.raises(ModelFileError, match=r"damaged.*multiturn models build family-3m-multi"):
        locate(entry.name)
    with pytest.raises(InputError, match="multiturn models build family-3m-multi"):
        pull(entry.name)
    assert run(["models", "remove", entry.name]) == 0
    assert model_state(entry).state is FileState.ABSENT
    capsys.readouterr()
