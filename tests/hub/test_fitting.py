"""Which model fits a machine."""

from __future__ import annotations

import pytest

from multiturn.hub.fitting import better_model, largest_fit, model_fits
from multiturn.hub.registry import REGISTRY

GB = 10**9


@pytest.mark.parametrize(
    ("memory", "best"),
    [
        (1 * GB, None),
        (2 * GB, "qwen2.5-coder-0.5b"),
        (4 * GB, "qwen2.5-coder-1.5b"),
        (8 * GB, "qwen2.5-coder-3b"),
        (32 * GB, "qwen2.5-coder-7b"),
        (None, None),
    ],
)
def test_the_largest_that_fits_is_the_best(memory, best):
    found = largest_fit(memory)
    assert (found.entry.name if found else None) == best


def test_a_model_that_would_be_too_slow_is_not_recommended():
    # 8 GB/s: a file of 4.68 GB at 1.7 tokens a second, one of 2.1 GB at 3.8, one of 1.1 at 7.2.
    found = largest_fit(32 * GB, bandwidth=8e9)
    assert found.entry.name == "qwen2.5-coder-1.5b"
    assert found.tokens_per_second == pytest.approx(7.16, abs=0.01)


def test_only_a_larger_model_of_the_same_family_is_better():
    assert better_model("qwen2.5-coder-0.5b", 4 * GB).entry.name == "qwen2.5-coder-1.5b"
    assert better_model("qwen2.5-coder-1.5b", 4 * GB) is None
    assert better_model("smollm2-135m", 32 * GB) is None
    assert better_model("./some.gguf", 32 * GB) is None


def test_memory_grows_with_the_file():
    fits = model_fits(5 * GB)
    assert [fit.entry.name for fit in fits] == [
        f"qwen2.5-coder-{size}" for size in ("0.5b", "1.5b", "3b", "7b")
    ]
    assert [fit.fits for fit in fits] == [True, True, True, False]
    assert all(fit.memory_needed > 2 * fit.entry.expected_bytes for fit in fits)


def test_the_sizes_without_a_wheel_are_pinned_on_the_first_pull():
    for size in ("3b", "7b"):
        entry = REGISTRY[f"qwen2.5-coder-{size}"]
        assert entry.sha256 is None
        assert entry.repository.patterns == (entry.file,)
    assert REGISTRY["qwen2.5-coder-3b"].licence != "Apache-2.0"  # that size alone is not free
