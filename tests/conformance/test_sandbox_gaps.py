"""The page of known gaps says what the suite says."""

from __future__ import annotations

from pathlib import Path

import expectations
import gaps
import table

from multiturn.sandbox.isolation import IsolationLevel

PAGE = Path(__file__).parents[2] / "docs" / "sandbox-gaps.md"


def test_the_page_of_gaps_is_up_to_date():
    assert PAGE.read_text() == gaps.page(), (
        "run: python tests/conformance/gaps.py > docs/sandbox-gaps.md"
    )


def test_the_table_of_what_was_tried_is_of_the_programs_that_there_are():
    fix = "run, as root: python tests/conformance/table.py --record"
    saved = table.recorded()
    assert saved["programs"] == table.digests(), fix
    ran = {(run["level"], run["account"]) for run in saved["runs"]}
    assert ran == {(level.name, who) for level in table.LEVELS for who in ("root", "ordinary")}, fix
    page = table.PAGE.read_text()
    assert page == table.render(page, saved), "run: python tests/conformance/table.py"


def test_what_got_through_is_declared():
    """The table shows no more than the page of gaps: what gets through is known and said."""
    programs = {program.name: program for program in expectations.load_all()}
    for run in table.recorded()["runs"]:
        for name in run["through"]:
            assert IsolationLevel[run["level"]] in programs[name].gaps, f"{name} on {run['level']}"


def test_every_program_belongs_to_a_class():
    assert {name.split("_")[0] for name in table.digests()} == set(table.CLASSES)
