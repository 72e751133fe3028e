"""A report from records: what `multiturn report` writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from multiturn.report.analysis.error_rules import KINDS
from multiturn.report.analysis.errors import classified_failures, error_counts
from multiturn.report.analysis.labels import LabelKey, agreement
from multiturn.report.analysis.rates import run_rates
from multiturn.report.analysis.safety import safety_rates
from multiturn.report.pages.document import ReportDocument
from multiturn.report.pages.failures import failure_pages
from multiturn.report.pages.model_card import card_file_name, to_model_card
from multiturn.report.pages.model_sections import leaderboard_section, side_by_side_section
from multiturn.report.pages.perplexity_section import perplexity_section
from multiturn.report.pages.sections import (
    arms_section,
    errors_section,
    groups_section,
    rates_section,
    runs_section,
    safety_section,
    scaling_section,
    summary_of,
    turns_section,
)
from multiturn.report.problem_texts import ProblemTexts
from multiturn.report.records.columns import Records

__all__ = ["make_model_cards", "make_report"]


def make_report(
    records: Records,
    texts: ProblemTexts,
    *,
    title: str = "Benchmark report",
    ks: Sequence[int] = (1, 10, 100),
    failures: int = 200,
    safety: bool = True,
    labels: Mapping[LabelKey, str] | None = None,
    listen: Callable[[str], None] = lambda _step: None,
) -> ReportDocument:
    """Analyse records.

    Args:
        records: of the runs.
        texts: of their problems; without them pages lack prompts and expected values, and some
            kinds of errors are not recognized.
        title: of the page.
        ks: of pass@k.
        failures: at most how many failures the page shows.
        safety: whether to check programs with bandit.
        labels: failures labelled by hand, from `read_labels`.
        listen: receives the name of each step as it begins.
    """
    listen("pass rates")
    rates = run_rates(records, ks)
    listen("comparisons")
    arms, comparisons = arms_section(records)
    listen("errors")
    found = classified_failures(records, texts)
    sections = [
        side_by_side_section(records),
        arms,
        turns_section(records),
        rates_section(records, rates, ks),
        leaderboard_section(records),
        groups_section(records),
        errors_section(
            records,
            error_counts(records, found),
            None if labels is None else agreement(records, found, labels),
        ),
        scaling_section(records, rates),
        perplexity_section(records),
    ]
    if safety:
        listen("safety")
        sections.append(safety_section(safety_rates(records)))
    sections.append(runs_section(records))
    notices = [f"{each.run}: {each.text}" if each.run else each.text for each in records.notices]
    unknown = {
        run.task
        for run in records.runs
        if not any(sha256 == run.problems_sha256 for sha256, _, _ in texts)
    }
    notices += [
        f"the texts of the problems of {task} are not known here: failures are shown without "
        f"prompts "
        "and expected values"
        for task in sorted(unknown)
    ]
    shown = failure_pages(records, found, texts, count=failures)
    return ReportDocument(
        title=title,
        summary=tuple(summary_of(comparisons, rates, records)),
        notices=tuple(notices),
        sections=tuple(section for section in sections if section is not None),
        failures=shown,
        failures_of=sum(records.failed),
        kinds={kind: text for kind, text in KINDS.items() if any(f.kind == kind for f in shown)},
    )


def make_model_cards(records: Records) -> dict[str, str]:
    """A model card for each model of the records, by the name of its file."""
    rates = run_rates(records, ())
    models = dict.fromkeys(run.model for run in records.runs)
    return {card_file_name(model): to_model_card(records, rates, model) for model in models}
