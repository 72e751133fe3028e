"""What only the scripted engine has to show, and opening it by name."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from multiturn.core.errors import EngineError, InputError, UnknownNameError
from multiturn.engines.open import open_engine
from multiturn.engines.protocol import Request, generate
from multiturn.engines.scripted import ScriptedEngine, ScriptSettings


def text(engine: ScriptedEngine, prompt: str, **options: object) -> str:
    return generate(engine, Request(prompt=prompt, **options))[0].text  # type: ignore[arg-type]


def test_the_words_that_come_last_in_the_prompt_decide() -> None:
    engine = ScriptedEngine({"to x": "x = 1", "to y": ("y = 1", "y = 2"), "": "pass"})
    assert text(engine, "# to x\nx = 1\n# to y") == "y = 1"
    assert text(engine, "# to y\n# to x") == "x = 1"
    assert text(engine, "# to y", seed=1) == "y = 2"
    assert text(engine, "# to y", seed=1, temperature=0) == "y = 1"
    assert text(engine, "nothing known") == "pass"


def test_a_function_may_speak() -> None:
    engine = ScriptedEngine(lambda request, index: f"{request.prompt}{index}")
    assert [done.text for done in generate(engine, Request(prompt="a", n=2))] == ["a0", "a1"]


def test_a_script_is_read_from_json_lines(tmp_path: Path) -> None:
    script = tmp_path / "script.jsonl"
    script.write_text(
        '{"settings": {"context_window": 20, "seconds_per_token": 0.05}}\n\n'
        '{"when": "hi", "answers": ["a b"]}\n{"when": "fail", "error": "out of paper"}\n'
    )
    engine = open_engine(f"scripted:{script}")
    started = time.monotonic()
    (done,) = generate(engine, Request(prompt="hi", max_tokens=9))
    assert done.text == "a b"
    assert time.monotonic() - started >= 0.15
    with pytest.raises(EngineError, match="out of paper"):
        generate(engine, Request(prompt="fail", max_tokens=9))
    with pytest.raises(EngineError, match="no line"):
        generate(engine, Request(prompt="else", max_tokens=9))
    assert open_engine(f"scripted:{script}", context=99).info.context_window == 99


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no lines"),
        ("{", r"script.jsonl:1: not JSON"),
        ('{"when": "x"}', "no answers"),
        ('{"wehn": "x", "answers": ["y"]}', "did you mean 'when'"),
        ('{"settings": {"pace": 1}}', "unknown key"),
    ],
)
def test_a_wrong_script_is_one_clear_line(tmp_path: Path, content: str, message: str) -> None:
    script = tmp_path / "script.jsonl"
    script.write_text(content)
    with pytest.raises(InputError, match=message):
        open_engine(f"scripted:{script}")


def test_a_missing_script_and_an_unknown_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        open_engine(f"scripted:{tmp_path}/none.jsonl")
    with pytest.raises(UnknownNameError, match="smollm2-135m"):
        open_engine("smollm2", directory=tmp_path)


def test_the_pace_of_reading_depends_on_the_cache() -> None:
    settings = ScriptSettings(seconds_per_prompt_token=0.005)
    engine = ScriptedEngine(["x"], settings=settings)
    request = Request(prompt="a b " * 20, session="s")
    (cold,) = generate(engine, request)
    (warm,) = generate(engine, request)
    assert warm.timings.to_first_token < cold.timings.to_first_token / 3
