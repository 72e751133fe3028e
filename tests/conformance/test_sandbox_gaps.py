"""The page of known gaps says what the suite says."""

from __future__ import annotations

from pathlib import Path

import gaps

PAGE = Path(__file__).parents[2] / "docs" / "sandbox-gaps.md"


def test_the_page_of_gaps_is_up_to_date():
    assert PAGE.read_text() == gaps.page(), (
        "run: python tests/conformance/gaps.py > docs/sandbox-gaps.md"
    )
