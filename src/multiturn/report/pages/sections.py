"""The sections of a report, from the analyses."""

from __future__ import annotations

import math
from collections.abc import Sequence

from multiturn.report.analysis.arms import (
    POOLED,
    ArmComparison,
    compare_arms,
    compare_arms_by_group,
    gold_prefix_figures,
    stop_rule_effects,
)
from multiturn.report.analysis.error_rules import KINDS
from multiturn.report.analysis.errors import ErrorCounts
from multiturn.report.analysis.labels import LabelAgreement
from multiturn.report.analysis.rates import RunRates, group_rates
from multiturn.report.analysis.safety import SafetyRates
from multiturn.report.analysis.scaling import (
    PAPER,
    ScalingPoint,
    fit_power_law,
    parameters_of,
)
from multiturn.report.pages.document import (
    DataTable,
    Figure,
    Section,
    Value,
    interval_text,
    percent_text,
    points_text,
    table_of,
)
from multiturn.report.pages.plots import Point, bar_plot, interval_plot, scatter_plot
from multiturn.report.records.columns import Records
from multiturn.report.statistics.clusters import Interval
from multiturn.report.statistics.contrasts import Conclusion

__all__ = [
    "arms_section",
    "errors_section",
    "groups_section",
    "rates_section",
    "runs_section",
    "safety_section",
    "scaling_section",
    "sentence_of",
    "summary_of",
    "turns_section",
]

TableCell = tuple[str, Value] | Value


def _share(found: Interval) -> TableCell:
    return interval_text(found), _hundred(found.estimate)


def _hundred(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 6)


def _points(label: str, found: Interval, series: str = "") -> Point:
    return Point(label, _hundred(found.estimate), _hundred(found.low), _hundred(found.high), series)


def rates_section(records: Records, rates: Sequence[RunRates], ks: Sequence[int]) -> Section:
    """Pass rates of all runs."""
    defined = [k for k in ks if k > 1 and any(r.pass_at_k[k].estimate is not None for r in rates)]
    rows: list[list[TableCell]] = []
    for each in rates:
        run = records.runs[each.run]
        rows.append(
            [
                run.task, run.model, run.arm, run.truncation, run.temperature, each.oracle,
                each.samples, each.problems, _share(each.rate),
                *(_share(each.pass_at_k[k]) for k in defined),
                _number(each.prompt_tokens), _number(each.new_tokens),
                _percent(each.cut), _percent(each.exhausted),
                "yes" if records.complete[each.run] else "no",
            ]
        )  # fmt: skip
    table = table_of(
        "pass-rates",
        "Pass rates in percent with 95 % intervals, clustered by problem",
        ["Set", "Model", "Arm", "Truncation", "T", "Oracle", "Samples", "Problems", "Passed, %",
         *(f"pass@{k}, %" for k in defined), "Prompt tokens", "New tokens", "Cut, %",
         "At maximum, %", "Complete"],
        rows,
    )  # fmt: skip
    first = [each for each in rates if each.oracle == records.runs[each.run].oracles[0]]
    tasks = list(dict.fromkeys(records.runs[each.run].task for each in first))
    figures = []
    for task in tasks:
        mine = [each for each in first if records.runs[each.run].task == task]
        points = [
            _points(
                f"{records.runs[each.run].model}\n{records.runs[each.run].arm}",
                each.rate,
                _series(records, each.run),
            )
            for each in mine
            if each.rate.estimate is not None
        ]
        if points:
            figures.append(
                _figure(
                    f"pass-rates-{_slug(task)}", f"Pass rates on {task}",
                    points, interval_plot(points, "passed, %", name=f"pass-rates-{_slug(task)}"),
                )
            )  # fmt: skip
    return Section(
        name="rates",
        title="Pass rates",
        paragraphs=(
            "The pass rate is the share of samples that pass. Intervals treat a problem as "
            "one draw, "
            "however many cases and samples it has. Prompt and new tokens are means of a sample, "
            "over all its generations.",
        ),
        tables=(table,),
        figures=tuple(figures),
    )


def _series(records: Records, number: int) -> str:
    run = records.runs[number]
    several = {(r.temperature, r.seed, r.budget) for r in records.runs if r.task == run.task}
    return run.truncation + (f", T {run.temperature:g}" if len(several) > 1 else "")


def groups_section(records: Records) -> Section:
    """Pass rates by properties of problems."""
    rows: list[list[TableCell]] = [
        [
            records.runs[g.run].task, records.runs[g.run].model, records.runs[g.run].arm,
            records.runs[g.run].truncation, records.runs[g.run].temperature, g.grouping, g.group,
            g.samples, g.problems, _share(g.rate),
        ]
        for g in group_rates(records)
    ]  # fmt: skip
    table = table_of(
        "groups",
        "Pass rates in percent by category, difficulty, number of turns, and single turn",
        ["Set", "Model", "Arm", "Truncation", "T", "By", "Group", "Samples", "Problems",
         "Passed, %"],
        rows,
    )  # fmt: skip
    return Section(name="groups", title="By kind of problem", tables=(table,) if rows else ())


_MEANING = {
    ("turns", "listed"): "the interaction alone: the same steps, one by one or as a list",
    ("turns", "concat"): "the paper's comparison: decomposition and interaction together",
    ("turns", "prose"): "the turns against one text written by a person",
    ("turns", "shuffled"): "the order of the turns",
    ("turns", "feedback"): "what the program printed so far, before each turn",
    ("listed", "concat"): "the decomposition without interaction",
    ("concat", "prose"): "the wording",
}


def sentence_of(each: ArmComparison) -> str:
    """A comparison in one sentence that can be quoted."""
    word = {
        Conclusion.BETTER: f"{each.first} is better than {each.second}",
        Conclusion.WORSE: f"{each.first} is worse than {each.second}",
        Conclusion.TIED: f"{each.first} and {each.second} are tied",
        Conclusion.UNDECIDED: f"{each.first} and {each.second} cannot be compared",
    }[each.conclusion]
    text = (
        f"{each.model} on {each.task} under {each.truncation}: {word}, "
        f"{points_text(each.found.interval)} "
        f"points over {each.found.problems} problems"
    )
    if each.conclusion is Conclusion.TIED and each.found.detectable is not None:
        text += (
            f"; a difference of {percent_text(each.found.detectable)} points would have been found "
            "four times in five"
        )
    if each.p_adjusted is not None:
        text += f" (p {_p(each.p_adjusted)} after Holm's correction)"
    return text + "."


def arms_section(records: Records) -> tuple[Section, list[ArmComparison]]:
    """Every pair of arms."""
    found = compare_arms(records)
    if not found:
        return (
            Section(
                name="arms",
                title="Do turns help?",
                paragraphs=(
                    "No two arms were run under the same conditions, so nothing can be compared.",
                ),
            ),
            [],
        )
    paragraphs = [
        "A difference is the pass rate of the first arm minus that of the second, over the "
        "items that "
        "both have, paired by problem. The word comes from a t test on problems after Holm's "
        "correction; intervals are not corrected. Matched comparisons come first."
    ]
    paragraphs += [
        f"{effect.model} on {effect.task}: {effect.first} leads {effect.second} by "
        f"{_signed(effect.differences[0])} points under {effect.truncations[0]} and by "
        f"{_signed(effect.differences[1])} under {effect.truncations[1]}, so "
        f"{points_text(effect.found.interval)} points of it are the stop rule's doing."
        for effect in stop_rule_effects(records)
    ]
    primary = [each for each in found if each.first == "turns" and each.same_information]
    figures = []
    for task in dict.fromkeys(each.task for each in primary):
        points = [
            _points(f"{each.model}\nminus {each.second}", each.found.interval, each.truncation)
            for each in primary
            if each.task == task
        ]
        name = f"turns-minus-{_slug(task)}"
        figures.append(
            _figure(
                name, f"Turns minus other arms on {task}",
                points, interval_plot(points, "percentage points", name=name, zero=True),
            )
        )  # fmt: skip
    grouped = compare_arms_by_group(records)
    tables = [_comparison_table("arms", "Differences between arms, in percentage points", found)]
    if grouped:
        tables.append(
            _comparison_table("arms-by-group", "The same within groups of problems", grouped)
        )
    return (
        Section(
            name="arms",
            title="Do turns help?",
            paragraphs=tuple(paragraphs),
            tables=tuple(tables),
            figures=tuple(figures),
        ),
        found,
    )


def _comparison_table(name: str, caption: str, found: Sequence[ArmComparison]) -> DataTable:
    grouped = any(each.group for each in found)
    rows: list[list[TableCell]] = []
    for each in found:
        estimate = each.found.interval.estimate
        row: list[TableCell] = [
            each.task, each.model, each.truncation, each.temperature, each.first, each.second,
            *([each.group] if grouped else []),
            each.conclusion.value, (points_text(each.found.interval), _hundred(estimate)),
        ]  # fmt: skip
        if not grouped:
            low, high = (
                (each.bootstrap.low, each.bootstrap.high) if each.bootstrap else (None, None)
            )
            row.append(
                ("", None)
                if low is None or high is None
                else (f"{_signed(low)} to {_signed(high)}", _hundred(low))
            )
        row += [(_p(each.p_adjusted), each.p_adjusted)]
        if not grouped:
            row += [
                (_p(each.found.p_permutation), each.found.p_permutation),
                (_p(each.found.p_sign), each.found.p_sign),
                (_p(each.p_welch), each.p_welch),
            ]
        row += [
            (percent_text(each.found.detectable) if each.found.detectable else "",
             _hundred(each.found.detectable)),
            each.found.problems, each.samples,
        ]  # fmt: skip
        if not grouped:
            tokens = each.tokens
            row += [
                each.problems_needed,
                (f"{tokens[0]:.0f} + {tokens[1]:.0f}", tokens[0] + tokens[1]),
                (f"{tokens[2]:.0f} + {tokens[3]:.0f}", tokens[2] + tokens[3]),
                "yes" if each.same_information else "no",
                "yes" if each.same_budget else "no",
                _MEANING.get((each.first, each.second), ""),
            ]
        rows.append(row)
    columns = ["Set", "Model", "Truncation", "T", "First", "Second"]
    columns += ["Group"] if grouped else []
    columns += ["First is", "Difference"]
    columns += [] if grouped else ["Bootstrap"]
    columns += ["p, Holm"]
    columns += [] if grouped else ["p, permutation", "p, McNemar", "p, Welch"]
    columns += ["Detectable", "Problems", "Samples"]
    columns += [] if grouped else [
        "Problems for 5 points", "Tokens of first", "Tokens of second", "Same information",
        "Same budget", "What differs",
    ]  # fmt: skip
    return table_of(name, caption, columns, rows)


def turns_section(records: Records) -> Section | None:
    """What turns are worth by themselves."""
    found = gold_prefix_figures(records)
    if not found:
        return None
    rows: list[list[TableCell]] = [
        [
            each.task, each.model, each.truncation, _share(each.single),
            (percent_text(each.chained), _hundred(each.chained)),
            (percent_text(each.turns), _hundred(each.turns)),
            (points_text(each.cost.interval), _hundred(each.cost.interval.estimate)),
        ]
        for each in found
    ]  # fmt: skip
    table = table_of(
        "gold-prefix",
        "Single turns below reference code, against all turns in a row",
        ["Set", "Model", "Truncation", "A single turn, %", "All turns if independent, %",
         "All turns, %", "Cost of earlier mistakes, points"],
        rows,
    )  # fmt: skip
    return Section(
        name="turns",
        title="What a turn is worth",
        paragraphs=(
            "In the arm gold_prefix a model writes one turn, with reference code before and after "
            "it. If turns failed independently, all would pass as often as the product of "
            "the single "
            "rates; the difference to the arm turns is what mistakes of earlier turns cost.",
        ),
        tables=(table,),
    )


def errors_section(
    records: Records, counts: Sequence[ErrorCounts], labels: LabelAgreement | None = None
) -> Section:
    """Kinds of errors by run, and how far the rules agree with labels of a person."""
    if not counts:
        return Section(name="errors", title="Why programs fail", paragraphs=("No sample failed.",))
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
    figure = _figure(
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
        kappa = "" if labels.kappa is None else f"; Cohen's kappa {labels.kappa:.2f}"
        sentences.append(
            f"On {labels.labelled} failures that were labelled by hand, the rules agree with the "
            f"person in {interval_text(labels.share)} %{kappa}."
        )
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


def scaling_section(records: Records, rates: Sequence[RunRates]) -> Section | None:
    """Pass rates against parameters."""
    ours = []
    for each in rates:
        run = records.runs[each.run]
        size = parameters_of(run.model)
        if each.oracle == run.oracles[0] and size is not None and each.rate.estimate is not None:
            family = f"{run.task}, {run.arm}, {run.truncation}"
            if run.arm in ("turns", "completion"):
                ours.append(
                    ScalingPoint(family=family, model=run.model, parameters=size, value=each.rate)
                )
    if not ours:
        return None
    best = _best_truncation(ours)
    points = [*best, *PAPER]
    laws = fit_power_law(points)
    marks = [
        Point(
            p.model, _hundred(p.value.estimate), _hundred(p.value.low), _hundred(p.value.high),
            p.family, p.parameters,
        )
        for p in points
    ]  # fmt: skip
    lines = []
    for law in laws:
        sizes = [p.parameters for p in points if p.family == law.family]
        ends = (min(sizes), max(sizes))
        slope = law.exponent.estimate or 0
        xs = [ends[0] * (ends[1] / ends[0]) ** (step / 40) for step in range(41)]
        ys = [100 * 10 ** (law.intercept + slope * math.log10(x)) for x in xs]
        lines.append((law.family, xs, ys))
    rows: list[list[TableCell]] = [
        [p.family, p.model, (f"{p.parameters / 1e9:.3g}", p.parameters), _share(p.value),
         p.source or "these runs"]
        for p in points
    ]  # fmt: skip
    table = table_of(
        "scaling", "Pass rates and parameters",
        ["Family", "Model", "Parameters, 1e9", "Passed, %", "Source"],
        rows,
    )  # fmt: skip
    figure = Figure(
        name="scaling-plot",
        title="Pass rate against parameters",
        description=_described(marks),
        svg=scatter_plot(marks, "parameters", "passed, %", name="scaling-plot", lines=lines),
        data=_data("scaling-plot", "Pass rate against parameters", marks),
    )
    sentences = [
        "Figures marked as the paper's are of the published benchmark with 40 samples a case, and "
        "were not measured here. A power law is fitted to families of at least four sizes, "
        "and to no others."
    ]
    sentences += [
        f"{law.family}: the rate grows with the power {law.exponent.estimate:.2f} "
        f"({law.exponent.low:.2f} to {law.exponent.high:.2f}) of the parameters ({law.points} "
        f"sizes)."
        for law in laws
    ]
    return Section(
        name="scaling",
        title="Scaling",
        paragraphs=tuple(sentences),
        tables=(table,),
        figures=(figure,),
    )


def _best_truncation(points: Sequence[ScalingPoint]) -> list[ScalingPoint]:
    """The points of one truncation for each set and arm: next_prompt before parse before others."""
    order = {"next_prompt": 0, "parse": 1, "published": 2}
    by_set: dict[str, list[ScalingPoint]] = {}
    for point in points:
        by_set.setdefault(point.family.rpartition(", ")[0], []).append(point)
    found = []
    for members in by_set.values():
        # The truncation under which most models were run; among those, the preferred one.
        families = {point.family for point in members}
        chosen = min(
            families,
            key=lambda f: (
                -len({p.model for p in members if p.family == f}),
                order.get(f.rpartition(", ")[2], 3),
            ),
        )
        found += [point for point in members if point.family == chosen]
    return found


def safety_section(rates: Sequence[SafetyRates]) -> Section:
    """Unsafe code by model."""
    rows: list[list[TableCell]] = [
        [
            each.model, each.checked, each.unreadable, _share(each.unsafe),
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
            "A random selection of the programs of each run, checked by bandit's rules "
            "except those on "
            "assert and on random numbers. A finding is a pattern that can be dangerous, not "
            "proof of it.",
        ),
        tables=(table,),
    )


def runs_section(records: Records) -> Section:
    """What the runs were."""
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


def summary_of(
    comparisons: Sequence[ArmComparison], rates: Sequence[RunRates], records: Records
) -> list[str]:
    """The sentences of the summary: the primary comparisons, or the rates without any."""
    primary = [each for each in comparisons if each.first == "turns" and each.same_information]
    if primary:
        truncations = {each.truncation for each in primary}
        headline = next(
            t for t in ("next_prompt", "parse", "published", "none") if t in truncations
        )
        chosen = [each for each in primary if each.truncation == headline]
        pooled = [each for each in chosen if each.model == POOLED]
        return [sentence_of(each) for each in [*pooled, *(e for e in chosen if e.model != POOLED)]]
    return [
        f"{records.runs[each.run].label}: {interval_text(each.rate)} % of {each.samples:,} "
        f"samples pass."
        for each in rates
        if each.oracle == records.runs[each.run].oracles[0]
    ]


def _figure(name: str, title: str, points: Sequence[Point], svg: str) -> Figure:
    return Figure(
        name=name, title=title, description=_described(points), svg=svg,
        data=_data(name, title, points),
    )  # fmt: skip


def _data(name: str, title: str, points: Sequence[Point]) -> DataTable:
    rows: list[list[TableCell]] = [
        [
            " ".join(p.label.split()), p.series, *([p.x] if any(q.x for q in points) else []),
            _rounded(p.value), _rounded(p.low), _rounded(p.high),
        ]
        for p in points
    ]  # fmt: skip
    columns = [
        "Label",
        "Series",
        *(["x"] if any(p.x for p in points) else []),
        "Value",
        "Low",
        "High",
    ]
    return table_of(f"figure-{name}", f"Data of the figure: {title}", columns, rows)


def _described(points: Sequence[Point]) -> str:
    parts = []
    for p in points[:40]:
        if p.value is None:
            continue
        text = f"{' '.join(p.label.split())}{f' ({p.series})' if p.series else ''}: {p.value:.1f}"
        if p.low is not None and p.high is not None:
            text += f", {p.low:.1f} to {p.high:.1f}"
        parts.append(text)
    more = f"; and {len(points) - 40} more, in its table" if len(points) > 40 else ""
    return "; ".join(parts) + more + "."


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _number(value: float | None) -> TableCell:
    return ("", None) if value is None else (f"{value:.0f}", round(value, 2))


def _percent(share: float | None) -> TableCell:
    return ("", None) if share is None else (percent_text(share), _hundred(share))


def _p(value: float | None) -> str:
    if value is None:
        return ""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _signed(share: float) -> str:
    return f"{100 * share:+.1f}"


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name.lower())
