"""The best model for this machine: in the lists, and once in the prompt."""

from __future__ import annotations

import pytest

from multiturn.apps.cli import better_model
from multiturn.apps.cli.better_model import best_model_line, better_model_hint
from multiturn.apps.cli.main import run


@pytest.fixture
def memory(monkeypatch, tmp_path):
    monkeypatch.setenv("MULTITURN_HOME", str(tmp_path))

    def set_memory(count: int | None, bandwidth: float | None = None) -> None:
        monkeypatch.setattr(better_model, "available_memory", lambda: count)
        monkeypatch.setattr(better_model, "_bandwidth", lambda: bandwidth)

    return set_memory


def test_the_list_of_models_says_the_best(memory, capsys):
    memory(4 * 10**9)
    assert run(["models"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "the best model for the 4.0 GB of free memory is qwen2.5-coder-1.5b (1.1 GB" in printed


@pytest.mark.parametrize("count", [None, 10**6])
def test_a_machine_where_none_fits(memory, count):
    memory(count)
    assert "qwen" not in best_model_line()
    assert better_model_hint("qwen2.5-coder-0.5b") is None


def test_the_hint_comes_once(memory):
    memory(4 * 10**9)
    first = better_model_hint("qwen2.5-coder-0.5b")
    assert "/model qwen2.5-coder-1.5b downloads it" in first
    assert "Apache-2.0" in first
    assert better_model_hint("qwen2.5-coder-0.5b") is None


def test_the_hint_names_the_largest_that_is_fast_enough(memory):
    memory(32 * 10**9, bandwidth=12e9)
    hint = better_model_hint("qwen2.5-coder-0.5b")
    assert "qwen2.5-coder-3b" in hint
    assert "up to 6 tokens a second" in hint
    assert "qwen2.5-coder-3b" in best_model_line()
    memory(32 * 10**9, bandwidth=1e9)
    assert "is qwen2.5-coder-0.5b" in best_model_line()


def test_the_bandwidth_is_measured():
    assert better_model._bandwidth() > 1e8


def test_an_unwritable_directory_costs_only_the_memory_of_the_hint(memory, tmp_path):
    (tmp_path / "data").write_text("a file where the directory should be")
    memory(4 * 10**9)
    assert better_model_hint("qwen2.5-coder-0.5b") is not None


def test_the_best_model_has_no_hint(memory):
    memory(4 * 10**9)
    assert better_model_hint("qwen2.5-coder-1.5b") is None
    assert better_model_hint("http://127.0.0.1:1/v1#any") is None
