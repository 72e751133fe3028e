"""The table of models."""

from __future__ import annotations

import pytest

from multiturn.core.errors import InputError, UnknownNameError
from multiturn.hub.checksums import Checksum
from multiturn.hub.registry import DEFAULT_MODEL, REGISTRY, WheelParts, find_model


def test_the_default_is_the_first_and_comes_from_the_hub_first():
    assert next(iter(REGISTRY)) == DEFAULT_MODEL
    assert [source.kind for source in REGISTRY[DEFAULT_MODEL].sources] == ["hub", "package index"]


def test_there_are_twelve_checkpoints_of_codegen():
    names = {name for name in REGISTRY if name.startswith("codegen-")}
    assert names == {
        f"codegen-{size}-{data}"
        for size in ("350M", "2B", "6B", "16B")
        for data in ("nl", "multi", "mono")
    }
    for name in names:
        assert REGISTRY[name].repository.repository == f"Salesforce/{name}"
        assert REGISTRY[name].licence == "BSD-3-Clause"


@pytest.mark.parametrize("entry", REGISTRY.values(), ids=REGISTRY)
def test_every_entry_is_pinned_or_has_a_repository(entry):
    if entry.repository is not None:
        assert (entry.bytes, entry.checksum, entry.sources) == (None, None, ())
        # One file has its name here; of several, the directory is the model.
        assert entry.file is None or entry.repository.patterns == (entry.file,)
        return
    if entry.trained is not None:
        assert entry.file == f"{entry.name}.gguf"
        assert entry.sources == ()
        # The bits of a training run depend on the processor; what is installed is pinned.
        assert (entry.checksum is None) == (entry.bytes is None) == (entry.installed is None)
        return
    assert entry.file.endswith(".gguf")
    assert entry.checksum.kind == "sha256"
    assert entry.sources
    for source in entry.sources:
        if isinstance(source, WheelParts):
            assert sum(part.bytes for part in source.parts) == entry.bytes
            assert len({part.sha256 for part in source.parts}) == len(source.parts)
            for part in source.parts:
                Checksum("sha256", part.sha256)


def test_an_unknown_name():
    with pytest.raises(UnknownNameError, match="did you mean codegen-2B-mono"):
        find_model("codegen-2b-mono")


@pytest.mark.parametrize("value", ["", "abc", "G" * 64, "A" * 64, "0" * 40])
def test_a_checksum_is_checked(value):
    with pytest.raises(InputError):
        Checksum("sha256", value)
