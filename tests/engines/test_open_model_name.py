"""What a person calls a model: every form, and every way to misspell one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiturn.core.errors import InputError, ModelFileError, MultiturnError, UnknownNameError
from multiturn.engines.model_name import LocalModel, RemoteModel, ScriptedModel, read_model_name


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A checkpoint, a file, an adapter, and names with plus signs."""
    for directory in ("nl-350m", "adapter", "c++"):
        (tmp_path / directory).mkdir()
    for file in ("small.gguf", "turns.gguf", "c++/a+b.gguf", "c++/a"):
        (tmp_path / file).write_bytes(b"GGUF")
    return tmp_path


def test_every_form(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, checkpoint, adapter = place / "small.gguf", place / "nl-350m", place / "adapter"
    assert read_model_name("smollm2-135m") == LocalModel("smollm2-135m")
    assert read_model_name(str(file)) == LocalModel(file)
    assert read_model_name(str(checkpoint)) == LocalModel(checkpoint)
    assert read_model_name(f"smollm2-135m+{adapter}") == LocalModel("smollm2-135m", adapter)
    assert read_model_name(f"{file}+{place / 'turns.gguf'}") == LocalModel(
        file, place / "turns.gguf"
    )
    assert read_model_name(f"{checkpoint}+{adapter}") == LocalModel(checkpoint, adapter)
    assert read_model_name("scripted:a+b.jsonl") == ScriptedModel(Path("a+b.jsonl"))
    server = "http://localhost:8000/v1#org/model+x"
    assert read_model_name(server) == RemoteModel(server)
    monkeypatch.setenv("HOME", str(place))
    assert read_model_name("~/nl-350m+~/adapter") == LocalModel(checkpoint, adapter)


def test_a_plus_sign_may_be_part_of_a_path(place: Path) -> None:
    both = place / "c++" / "a+b.gguf"
    assert read_model_name(str(both)) == LocalModel(both)
    adapter = place / "adapter"
    assert read_model_name(f"{both}+{adapter}") == LocalModel(both, adapter)
    assert read_model_name(f"{place}/c+++{adapter}") == LocalModel(place / "c++", adapter)


def test_a_name_wins_over_a_path(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    Path("smollm2-135m").mkdir()
    assert read_model_name("smollm2-135m") == LocalModel("smollm2-135m")
    assert read_model_name("./smollm2-135m") == LocalModel(Path("smollm2-135m"))
    assert read_model_name("smollm2-135m+adapter") == LocalModel("smollm2-135m", Path("adapter"))


@pytest.mark.parametrize(
    ("said", "error", "message"),
    [
        ("smollm2-135n", UnknownNameError, "smollm2-135m"),
        ("smollm2-135m+no-adapter", ModelFileError, "no such adapter.*no-adapter"),
        ("smollm2-135m+", ModelFileError, "no such adapter"),
        ("smollm2-135n+adapter", UnknownNameError, "smollm2-135m"),
        ("smollm2-135n+no-adapter", UnknownNameError, "smollm2-135n"),
        ("./none.gguf+adapter", ModelFileError, "no such model file.*none.gguf'"),
        ("c++/none.gguf", ModelFileError, r"no such model file.*c\+\+/none.gguf"),
        ("./none+no-adapter", ModelFileError, r"no such model file.*none\+no-adapter"),
        ("+adapter", UnknownNameError, "unknown model"),
        ("~nobody-of-this-name/model.gguf", ModelFileError, "cannot be reached"),
        ("", InputError, "empty"),
        ("http://user:secret@host/v1", InputError, "a password"),
        ("http://", InputError, "not an address"),
        ("x" * 5000, UnknownNameError, "unknown model"),
    ],
)
def test_a_mistake_is_one_line(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    said: str,
    error: type[MultiturnError],
    message: str,
) -> None:
    monkeypatch.chdir(place)
    with pytest.raises(error, match=message) as raised:
        read_model_name(said)
    assert "\n" not in str(raised.value)
    assert "secret" not in str(raised.value)


@given(st.text(st.sampled_from("ab+/.~:# \0é\n"), max_size=12) | st.text(max_size=20))
def test_whatever_is_said_is_a_model_or_a_mistake(said: str) -> None:
    try:
        name = read_model_name(said)
    except MultiturnError:
        return
    if isinstance(name, LocalModel):
        assert isinstance(name.model, str) or name.model.exists()
        assert name.adapter is None or name.adapter.exists()


# What comes with the extra `jax` alone, and is not installed without it.
OF_JAX = ("gguf", "jax", "jaxlib", "jaxtyping", "ml_dtypes", "numpy", "safetensors", "tokenizers")
WITHOUT_JAX = f"""
import sys
sys.modules.update(dict.fromkeys({OF_JAX!r}))
from multiturn.apps.cli.main import run
from multiturn.core.errors import MissingDependencyError
from multiturn.engines.open import open_engine
assert "httpx" not in sys.modules  # every command imports this much
script, model, adapter = sys.argv[1:]
open_engine("scripted:" + script)
open_engine(model, engine="llama.cpp", context=64).close()
try:
    open_engine(model + "+" + adapter, engine="llama.cpp", context=64)
except MissingDependencyError as error:
    assert "multiturn[jax]" in str(error), error
else:
    raise SystemExit("an adapter was read without numpy")
assert run(["config"]) == 0
"""


def test_without_the_extra_jax_llama_cpp_writes(smollm2: Path, tmp_path: Path) -> None:
    script, adapter = tmp_path / "script.jsonl", tmp_path / "adapter.gguf"
    script.write_text('{"answers": ["x"]}\n')
    adapter.write_bytes(b"GGUF")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_JAX, script, smollm2, adapter],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
