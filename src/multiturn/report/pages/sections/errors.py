"""Why programs fail."""

from __future__ import annotations

from collections.abc import Sequence

from multiturn.report.analysis.error_rules import KINDS
from multiturn.report.analysis.errors import ErrorCounts
from multiturn.report.analysis.labels import LabelAgreement
from multiturn.report.pages.cells import interval_text
from multiturn.report.pages.document import Section, TableCell, table_of
from multiturn.report.pages.figures import figure_of
from multiturn.report.pages.plots import Point, bar_plot
from multiturn.report.records.columns import Records

__all__ = ["errors_section"]


def errors_section(
    records: Records, counts: Sequence[ErrorCounts], labels: LabelAgreement | None = None
) -> Section:
    """Kinds of errors by run, and how far the rules agree with labels of a person."""
    if not counts:
        failed = sum(records.failed)
        text = f"{failed:,} samples failed; none has a readable program."
        return Section(
            name="errors",
            title="Why programs fail",
            paragraphs=(text if failed else "No sample failed.",),
        )
    used = [kind for kind in KINDS if any(kind in each.kinds for each in counts)]
    rows: list[list[TableCell]] = []
    for each in counts:
        run = records.runs[each.run]
        rows.append(
            [run.task, run.model, run.arm, run.truncation, run.temperature, each.failed,
             each.classified,
             *(each.kinds.get(kind, 0) for kind in used)]
        )  # fmt: skip
    table = table_of(
        "errors",
        "Failures by kind; counts are of the classified ones",
        ["Set", "Model", "Arm", "Truncation", "T", "Failed", "Classified",
         *(KINDS[kind] for kind in used)],
        rows,
    )  # fmt: skip
    models = list(dict.fromkeys(records.runs[each.run].model for each in counts))
    points = []
    for kind in used:
        for model in models:
            mine = [each for each in counts if records.runs[each.run].model == model]
            # Runs count by all their failures, not by how many were classified.
            total = sum(each.failed for each in mine)
            share = sum(each.failed * each.kinds.get(kind, 0) / each.classified for each in mine)
            points.append(
                Point(kind.replace("_", " "), 100 * share / total if total else None, series=model)
            )
    figure = figure_of(
        "errors-by-model", "Kinds of errors by model", points,
        bar_plot(points, "share of failures, %", name="errors-by-model"),
    )  # fmt: skip
    sentences = ["Each failure has one kind, assigned by rules (docs/report.md)."]
    if any(each.classified < each.failed for each in counts):
        sentences[0] += (
            " Of runs with many failures a random selection was classified; the figure weights "
            "runs by all their failures."
        )
    tables = [table]
    if labels is not None:
        sentences.append(_agreement_sentence(labels))
        pairs = sorted(labels.pairs.items(), key=lambda pair: (-pair[1], pair[0]))
        tables.append(
            table_of(
                "labels", "Labels of a person and kinds of the rules",
                ["Person", "Rules", "Failures"],
                [[KINDS[label], KINDS[kind], count] for (label, kind), count in pairs],
            )
        )  # fmt: skip
    return Section(
        name="errors",
        title="Why programs fail",
        paragraphs=tuple(sentences),
        tables=tuple(tables),
        figures=(figure,),
    )


def _agreement_sentence(labels: LabelAgreement) -> str:
    others = f" {labels.elsewhere:,} labels are of other programs." if labels.elsewhere else ""
    if not labels.labelled:
        return f"No failure of these runs was labelled by hand.{others}"
    kappa = "" if labels.kappa is None else f"; Cohen's kappa {labels.kappa:.2f}"
    return (
        f"On {labels.labelled:,} failures that were labelled by hand, the rules agree with the "
        f"person in {interval_text(labels.share)} %{kappa}.{others}"
    )
