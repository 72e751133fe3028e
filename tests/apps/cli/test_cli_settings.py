from __future__ import annotations

import json
from pathlib import Path

import pytest

from multiturn.apps.cli.main import run
from multiturn.apps.cli.settings import Settings, resolve_settings
from multiturn.core.errors import InputError


def write_config(home: Path, text: str) -> None:
    (home / "config.toml").write_text(text, encoding="utf-8")


def test_the_command_line_wins_over_environment_over_file_over_default(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_config(home, 'n = 2\nretries = 2\nmodel = "from-file"\nunsafe = true\n')
    monkeypatch.setenv("MULTITURN_N", "3")
    monkeypatch.setenv("MULTITURN_RETRIES", "3")
    resolved = resolve_settings({"n": 4, "retries": None})
    assert resolved.settings.n == 4
    assert resolved.settings.retries == 3
    assert resolved.settings.model == "from-file"
    assert resolved.settings.unsafe is True
    assert resolved.settings.seed == Settings().seed
    assert resolved.origins["n"].text == "--n"
    assert resolved.origins["retries"].text == "MULTITURN_RETRIES"
    assert resolved.origins["model"].text == str(home / "config.toml")
    assert not resolved.is_set("seed")


@pytest.mark.parametrize(
    ("variable", "text", "expected"),
    [
        ("temperature", "0.5", 0.5),
        ("temperature", "1", 1.0),
        ("unsafe", "yes", True),
        ("unsafe", "0", False),
        ("context", "2048", 2048),
        ("style", "chat", "chat"),
    ],
)
def test_variables_are_read_as_what_they_stand_for(
    variable: str, text: str, expected: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"MULTITURN_{variable.upper()}", text)
    value = getattr(resolve_settings().settings, variable)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("n = 0", "1 to 64"),
        ("n = 'four'", "a whole number"),
        ("nn = 4", "'n'"),
        ("style = 'chatty'", "did you mean 'chat'?"),
        ("n = = 4", "not valid TOML"),
        ("memory_mib = 1", "16 to 1048576"),
    ],
)
def test_an_invalid_file_is_named_in_one_line(home: Path, config: str, message: str) -> None:
    write_config(home, config)
    with pytest.raises(InputError) as caught:
        resolve_settings()
    assert message in str(caught.value)
    assert "config.toml" in str(caught.value)


def test_an_invalid_value_is_reported_with_its_source(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MULTITURN_TOP_P", "7")
    with pytest.raises(InputError, match=r"MULTITURN_TOP_P.*above 0, up to 1"):
        resolve_settings()
    with pytest.raises(InputError, match=r"--top-p.*above 0, up to 1"):
        resolve_settings({"top_p": 0.0})


def test_config_shows_values_and_origins(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_config(home, "n = 5\n")
    assert run(["config", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["settings"]["n"] == {"value": 5, "from": str(home / "config.toml")}
    assert shown["settings"]["seed"]["from"] == "default"
    assert shown["files"]["sessions"].startswith(str(home))
    assert run(["config"]) == 0
    assert "MULTITURN_NAME" in capsys.readouterr().out
