"""The comparison of the sandbox with the plain tools."""

from __future__ import annotations

import shutil

import pytest

from multiturn.text.languages import LANGUAGES


def test_every_language_with_a_compiler_or_a_runtime_of_its_own_has_a_program():
    import languages

    assert set(languages.HELLO) == {*LANGUAGES} - {"python"}


@pytest.mark.real
def test_both_run_the_same_programs():
    import languages

    if shutil.which("gcc") is None:
        pytest.skip("c is not installed")
    found = languages.compare("c", languages.HELLO["c"], None, rounds=1)
    assert found["plain_ms"] > 0 and found["sandbox_ms"] > 0
    assert found["ratios"] == [pytest.approx(found["ratio"], abs=0.001)]
