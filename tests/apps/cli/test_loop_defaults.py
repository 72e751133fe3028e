"""Defaults that were measured for a model, in every place that uses them."""

from __future__ import annotations

import pytest

from multiturn.apps.cli.bench.settings import resolve_bench_settings
from multiturn.apps.cli.session_settings import session_settings
from multiturn.apps.cli.settings import resolve_settings
from multiturn.benchmarks.arms.options import LoopOptions
from multiturn.benchmarks.arms.synthesis import CHAT, LOOP
from multiturn.engines.scripted import ScriptedEngine, ScriptSettings
from multiturn.synthesis import defaults
from multiturn.synthesis.defaults import LoopDefaults, loop_defaults
from multiturn.synthesis.prompts import choose_style
from multiturn.synthesis.strategy import Strategy

BEST = LoopDefaults(
    style="comment",
    n=3,
    other_temperature=0.9,
    retries=2,
    strategy=Strategy(choose="values", align=True),
)


@pytest.fixture(autouse=True)
def measured(monkeypatch, tmp_path):
    monkeypatch.setenv("MULTITURN_HOME", str(tmp_path))
    monkeypatch.setattr(defaults, "MEASURED", {"someteller05b": BEST})


@pytest.mark.parametrize(
    "name", ["some-teller-0.5b", "Some Teller 0.5B Instruct", "/models/some_teller-0.5b.gguf"]
)
def test_a_model_is_known_by_any_form_of_its_name(name):
    assert loop_defaults(name) == BEST
    assert loop_defaults("some-teller-1.5b") == LoopDefaults()


def test_a_session_has_them_unless_the_person_says_otherwise():
    resolved = resolve_settings({"model": "some-teller-0.5b", "retries": 1})
    settings = resolved.settings
    assert (settings.n, settings.other_temperature, settings.retries) == (3, 0.9, 1)
    assert resolved.origins["n"].text == "default for some-teller-0.5b"
    assert not resolved.is_set("n")
    session = session_settings(settings)
    assert session.strategy == BEST.strategy
    assert session.sampling.n == 3
    other = resolve_settings({"model": "any"})
    assert (other.settings.n, other.origins["n"].text) == (1, "default")


def test_auto_means_the_measured_style():
    chat = ScriptSettings(chat_template="{{ messages[0]['content'] }}")
    with ScriptedEngine({"": "x"}, settings=chat, model="Some Teller 0.5B") as engine:
        assert choose_style(engine.info).name == "comment"
        assert choose_style(engine.info, "chat").name == "chat"
    with ScriptedEngine({"": "x"}, settings=chat, model="other") as engine:
        assert choose_style(engine.info).name == "chat"


def test_the_arm_loop_runs_with_them():
    assert LOOP.options_for("some-teller-0.5b") == LoopOptions(
        n=3, other_temperature=0.9, max_tokens=256, retries=2, strategy=BEST.strategy
    )
    assert LOOP.options_for("other") == LoopOptions(max_tokens=256)  # as in a session
    assert CHAT.options_for("some-teller-0.5b") == CHAT.options


def test_a_benchmark_draws_one_sample_of_each_item_all_the_same(monkeypatch):
    settings = resolve_bench_settings({"model": "some-teller-0.5b"})
    assert settings.n == 1
    monkeypatch.setenv("MULTITURN_N", "5")
    assert resolve_bench_settings({"model": "some-teller-0.5b"}).n == 5
    assert resolve_bench_settings({"model": "some-teller-0.5b"}, n=2).n == 2
