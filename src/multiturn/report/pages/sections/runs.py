"""What the runs were."""

from __future__ import annotations

from multiturn.report.pages.document import Section, TableCell, table_of
from multiturn.report.records.columns import Records

__all__ = ["runs_section"]


def runs_section(records: Records) -> Section:
    """The runs and their conditions."""
    rows: list[list[TableCell]] = []
    for number, run in enumerate(records.runs):
        there = int((records.run == number).sum())
        rows.append(
            [
                run.label, run.engine, run.weights, (run.weights_sha256 or "")[:12], run.top_p,
                run.seed, run.samples_per_item, run.items, there, run.expected,
                run.max_new_tokens, run.budget, run.isolation,
                ", ".join(f"{name} {run.oracle_version(name)}" for name in run.oracles),
                run.versions.get("multiturn", ""),
            ]
        )  # fmt: skip
    table = table_of(
        "runs", "The runs and their conditions",
        ["Run", "Engine", "Weights", "SHA-256", "top-p", "Seed", "n", "Items", "Samples",
         "Expected",
         "Max. tokens", "Budget", "Isolation", "Oracles", "Version"],
        rows,
    )  # fmt: skip
    return Section(name="runs", title="Runs", tables=(table,))
