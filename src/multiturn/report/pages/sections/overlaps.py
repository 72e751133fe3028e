"""Verbatim overlap with a training corpus."""

from __future__ import annotations

from multiturn.report.analysis.overlaps import OverlapFindings
from multiturn.report.pages.cells import share_cell
from multiturn.report.pages.document import Section, TableCell, table_of

__all__ = ["overlaps_section"]

_MAX_TEXT = 300


def overlaps_section(found: OverlapFindings | None) -> Section:
    """The longest overlaps and their rate by model; says so if no corpus was given."""
    title = "Overlap with training data"
    if found is None:
        text = "Not searched; `multiturn report ... --corpus DIR` searches a corpus."
        return Section(name="overlaps", title=title, paragraphs=(text,))
    rates: list[list[TableCell]] = [
        [each.model or "reference solutions", each.programs, share_cell(each.long), each.longest]
        for each in found.rates
    ]
    rows: list[list[TableCell]] = [
        [
            each.tokens, each.model, each.item, each.document, each.licence or "unknown",
            each.sha256[:12], _shortened(each.text),
        ]
        for each in found.longest
    ]  # fmt: skip
    tables = [
        table_of(
            "overlaps", f"Programs with an overlap of at least {found.threshold} tokens",
            ["Model", "Programs", "With an overlap, %", "Longest, tokens"], rates,
        ),
        table_of(
            "longest-overlaps", "The longest overlaps, with their sources",
            ["Tokens", "Model", "Item", "Document", "Licence", "SHA-256", "Text"], rows,
        ),
    ]  # fmt: skip
    return Section(
        name="overlaps",
        title=title,
        paragraphs=(
            f"A random selection of the programs of each run, without prompts, was searched for in "
            f"{found.documents:,} documents ({found.bytes / 1e6:,.1f} MB). Tokens are words and "
            "signs. The reference solutions, which were written for this project, show what "
            "overlaps by chance.",
        ),
        tables=tuple(tables if rows else tables[:1]),
    )


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 1]}…"
