"""The sections that compare models and runs."""

from __future__ import annotations

from multiturn.report.analysis.models import differing_conditions, leaderboards, side_by_side
from multiturn.report.pages.cells import (
    in_percent,
    interval_text,
    percent_cell,
    points_cell,
    points_text,
    share_cell,
    signed_text,
)
from multiturn.report.pages.document import Section, table_of
from multiturn.report.records.columns import Records
from multiturn.report.statistics.contrasts import Conclusion

__all__ = ["leaderboard_section", "side_by_side_section"]


def leaderboard_section(records: Records) -> Section | None:
    """Models under the same conditions, best first; None for a single model."""
    rows = leaderboards(records)
    if not rows:
        return None
    words = {
        Conclusion.BETTER: "worse than the leader",
        Conclusion.TIED: "tied with the leader",
        Conclusion.WORSE: "better than the leader",
        Conclusion.UNDECIDED: "cannot be compared",
    }
    table = table_of(
        "leaderboard",
        "Models over the items that all of a board have",
        ["Board", "Rank", "Model", "Passed, %", "Behind the leader, points", "Word"],
        [
            [
                row.board, row.rank, row.model,
                share_cell(row.rate),
                ("", None) if row.behind is None else points_cell(row.behind.interval),
                "leader" if row.behind is None else words[row.conclusion],
            ]
            for row in rows
        ],
    )  # fmt: skip
    return Section(
        name="leaderboard",
        title="Leaderboard",
        paragraphs=(
            "A rank is no verdict: models that are tied with the leader may be better than it.",
        ),
        tables=(table,),
    )


def side_by_side_section(records: Records) -> Section | None:
    """Two runs of one problem set; None unless there are exactly two that share items."""
    found = side_by_side(records) if len(records.runs) == 2 else None
    if found is None:
        return None
    word = {
        Conclusion.BETTER: "The first is better",
        Conclusion.WORSE: "The first is worse",
        Conclusion.TIED: "They are tied",
        Conclusion.UNDECIDED: "They cannot be compared",
    }[found.conclusion]
    sentences = [
        f"First: {found.first}, {interval_text(found.rates[0])} %. "
        f"Second: {found.second}, {interval_text(found.rates[1])} %.",
        f"{word}: {points_text(found.found.interval)} points over {found.found.problems} problems"
        + ("" if found.p_mcnemar is None else f", McNemar over items p {found.p_mcnemar:.3f}")
        + ".",
    ]
    differing = differing_conditions(records, [0, 1])
    if differing:
        sentences.append(f"What differs: {'; '.join(differing)}.")
    table = table_of(
        "side-by-side",
        "Problem by problem, where they differ most first",
        ["Problem", "Items", "First, %", "Second, %", "Difference, points"],
        [
            [
                pair.problem, pair.items,
                percent_cell(pair.first), percent_cell(pair.second),
                (signed_text(pair.first - pair.second), in_percent(pair.first - pair.second)),
            ]
            for pair in found.problems
        ],
    )  # fmt: skip
    return Section(
        name="side-by-side", title="Side by side", paragraphs=tuple(sentences), tables=(table,)
    )
