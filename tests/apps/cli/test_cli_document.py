from __future__ import annotations

from pathlib import Path

from multiturn.apps.cli.lazy_group import COMMANDS
from multiturn.apps.cli.prompt.slash import COMMANDS as SLASH_COMMANDS
from multiturn.apps.cli.reference import reference

PAGE = Path(__file__).parents[3] / "docs" / "cli.md"


def test_the_reference_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), (
        "fix: python -m multiturn.apps.cli.reference > docs/cli.md"
    )


def test_the_reference_names_every_command() -> None:
    text = reference()
    for command in COMMANDS:
        assert f"## `multiturn {command}`" in text
    for command in SLASH_COMMANDS:
        assert f"| `/{command}" in text
