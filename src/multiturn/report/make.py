"""A report from records: what `multiturn report` writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from multiturn.report.analysis.endings import best_endings
from multiturn.report.analysis.error_rules import KINDS
from multiturn.report.analysis.errors import classified_failures, error_counts
from multiturn.report.analysis.first_turns import read_variable_records
from multiturn.report.analysis.labels import LabelKey, agreement
from multiturn.report.analysis.model_sizes import ModelSizes
from multiturn.report.analysis.overlaps import OverlapFindings
from multiturn.report.analysis.perplexity import run_perplexities
from multiturn.report.analysis.rates import run_rates
from multiturn.report.analysis.safety import safety_rates
from multiturn.report.pages.document import ReportDocument
from multiturn.report.pages.failures import failure_pages
from multiturn.report.pages.model_card import card_file_names, to_model_card
from multiturn.report.pages.sections.arms import arms_section
from multiturn.report.pages.sections.endings import endings_section
from multiturn.report.pages.sections.errors import errors_section
from multiturn.report.pages.sections.models import leaderboard_section, side_by_side_section
from multiturn.report.pages.sections.overlaps import overlaps_section
from multiturn.report.pages.sections.perplexity import perplexity_section
from multiturn.report.pages.sections.rates import groups_section, rates_section
from multiturn.report.pages.sections.runs import runs_section
from multiturn.report.pages.sections.safety import safety_section
from multiturn.report.pages.sections.scaling import scaling_section
from multiturn.report.pages.sections.summary import summary_of
from multiturn.report.pages.sections.turns import first_turns_section, single_turns_section
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
    sizes: ModelSizes | None = None,
    overlaps: OverlapFindings | None = None,
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
        sizes: parameters and training tokens of models that neither names nor publications give.
        overlaps: of a search in a training corpus, from `find_overlaps`.
        listen: receives the name of each step as it begins.

    Raises:
        StorageError: a file beside the samples of a run cannot be read.
    """
    listen("pass rates")
    rates = run_rates(records, ks)
    perplexities = run_perplexities(records)
    variables = read_variable_records(records)
    listen("comparisons")
    arms, comparisons = arms_section(records)
    endings = best_endings(records)
    listen("errors")
    found = classified_failures(records, texts)
    sections = [
        side_by_side_section(records),
        arms,
        endings_section(records, endings, comparisons),
        first_turns_section(records, variables),
        single_turns_section(records),
        rates_section(records, rates, ks),
        leaderboard_section(records),
        groups_section(records),
        errors_section(
            records,
            error_counts(records, found),
            None if labels is None else agreement(records, found, labels),
        ),
        scaling_section(records, rates, perplexities, sizes or ModelSizes()),
        perplexity_section(records, perplexities),
    ]
    if safety:
        listen("safety")
        sections.append(safety_section(safety_rates(records)))
    sections += [overlaps_section(overlaps), runs_section(records)]
    shown = failure_pages(records, found, texts, variables, count=failures)
    return ReportDocument(
        title=title,
        summary=tuple(summary_of(comparisons, rates, records, endings.comparisons)),
        notices=tuple(_notices(records, texts)),
        sections=tuple(section for section in sections if section is not None),
        failures=shown,
        failures_of=sum(records.failed),
        kinds={kind: text for kind, text in KINDS.items() if any(f.kind == kind for f in shown)},
    )


def make_model_cards(records: Records) -> dict[str, str]:
    """A model card for each model of the records, by the name of its file."""
    rates = run_rates(records, ())
    files = card_file_names(run.model for run in records.runs)
    return {file: to_model_card(records, rates, model) for model, file in files.items()}


def _notices(records: Records, texts: ProblemTexts) -> list[str]:
    found = [f"{each.run}: {each.text}" if each.run else each.text for each in records.notices]
    known = {sha256 for sha256, _, _ in texts}
    unknown = {run.task for run in records.runs if run.problems_sha256 not in known}
    return found + [
        f"the texts of the problems of {task} are not known here: failures are shown without "
        "prompts and expected values"
        for task in sorted(unknown)
    ]
