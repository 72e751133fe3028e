"""Unsafe code."""

from __future__ import annotations

from collections.abc import Sequence

from multiturn.report.analysis.safety import SafetyRates
from multiturn.report.pages.cells import share_cell
from multiturn.report.pages.document import Section, TableCell, table_of

__all__ = ["safety_section"]


def safety_section(rates: Sequence[SafetyRates]) -> Section:
    """Unsafe code by model."""
    rows: list[list[TableCell]] = [
        [
            each.model, each.checked, each.unreadable, share_cell(each.unsafe),
            ", ".join(f"{rule} ({count})" for rule, count in each.rules.items()) or "none",
        ]
        for each in rates
    ]  # fmt: skip
    table = table_of(
        "safety", "Programs with a finding of bandit",
        ["Model", "Programs", "Do not parse", "With a finding, %", "Rules (programs)"], rows,
    )  # fmt: skip
    return Section(
        name="safety",
        title="Safety of the programs",
        paragraphs=(
            "A random selection of the programs of each run, checked by bandit's rules except "
            "those on assert and on random numbers. A finding is a pattern that can be dangerous, "
            "not proof of it.",
        ),
        tables=(table,),
    )
