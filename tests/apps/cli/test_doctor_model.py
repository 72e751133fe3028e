"""What the doctor says of a model, in each form in which one can be named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from multiturn.apps.cli.doctor import command
from multiturn.apps.cli.doctor.check import examine
from multiturn.apps.cli.doctor.parts import check_model, check_writing
from multiturn.apps.cli.settings import Settings
from multiturn.core.errors import MultiturnError


def test_a_model_that_is_not_here_and_one_with_an_adapter(tmp_path: Path) -> None:
    for name in ("smollm2-135m", f"smollm2-135m+{tmp_path}"):
        check = check_model(Settings(model=name))
        assert check.state == "note"
        assert check.found.startswith("smollm2-135m is not downloaded yet")
        assert check.fix == "multiturn models pull smollm2-135m"


def test_files_and_directories(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(bytes(2_000_000))
    (tmp_path / "config.json").write_bytes(bytes(1_000_000))
    for name in (str(file), f"{file}+{tmp_path}"):
        check = check_model(Settings(model=name))
        assert check.state == "works"
        assert f"2 MB, {file}" in check.found
    assert f"3 MB, {tmp_path}" in check_model(Settings(model=str(tmp_path))).found


def test_servers_and_scripts(tmp_path: Path) -> None:
    server = check_model(Settings(model="http://localhost:1/v1#coder"))
    assert (server.state, server.fix) == ("note", None)
    assert "http://localhost:1/v1#coder, a server" in server.found
    script = tmp_path / "script.jsonl"
    assert check_model(Settings(model=f"scripted:{script}")).state == "fails"
    script.write_text("")
    assert check_model(Settings(model=f"scripted:{script}")).state == "works"


@pytest.mark.parametrize(
    ("model", "message"),
    [("smollm2-135m+none", "no such adapter"), ("smollm3", "unknown model"), ("./x", "no such")],
)
def test_mistakes(model: str, message: str) -> None:
    with pytest.raises(MultiturnError, match=message):
        check_model(Settings(model=model))


@pytest.mark.parametrize("shape", [{}, {"width": 66, "heads": 3}, {"context": 40}])
def test_a_model_is_run_for_real(tiny_gguf: Callable[..., Path], shape: dict[str, int]) -> None:
    check = check_writing(Settings(model=str(tiny_gguf(**shape))))
    assert check.state in ("works", "note")  # it may write blanks: its weights are drawn
    assert " tokens with " in check.found and "\n" not in check.found


def test_an_error_of_llama_cpp_is_reported_in_one_line(tiny_gguf: Callable[..., Path]) -> None:
    settings = Settings(model=str(tiny_gguf(rotary=8)))
    check = examine("writing", lambda: check_writing(settings))
    assert check.state == "fails" and check.fix
    assert "invalid n_rot: 8, expected 16" in check.found and "\n" not in check.found


def test_a_named_model_is_run(
    tiny_gguf: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, part in (  # which take seconds
        (command.parts, "check_sandbox"),
        (command.engines, "check_engine"),
        (command.engines, "check_kernels"),
    ):
        monkeypatch.setattr(module, part, lambda *_: check_model(Settings()))
    file = str(tiny_gguf())
    named = {each.name: each for each in command._checks(file, False)}
    assert " tokens with " in named["writing"].found
    script = tmp_path / "script.jsonl"
    script.write_text("")
    for other in ("smollm2-135m", f"scripted:{script}", str(tmp_path / "x")):
        assert "writing" not in {each.name for each in command._checks(other, False)}
    monkeypatch.setenv("MULTITURN_MODEL", file)
    assert "writing" not in {each.name for each in command._checks(None, False)}
