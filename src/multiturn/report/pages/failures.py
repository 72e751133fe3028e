"""Failed samples with all that a person needs to judge them."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

from multiturn.report.analysis.error_rules import KINDS, ClassifiedError
from multiturn.report.analysis.errors import case_of
from multiturn.report.analysis.first_turns import VariableRecords
from multiturn.report.pages.document import FailurePage, FailureStep
from multiturn.report.problem_texts import CaseTexts, ProblemTexts
from multiturn.report.records.columns import Records, RetainedSample
from multiturn.report.records.sample_lines import FullLine, VerdictPart
from multiturn.report.records.variable_lines import REASONS, VariableLine

__all__ = ["failure_pages"]

_MAX_TEXT = 6_000
"""Characters of a text on a page; the records have the rest."""


def failure_pages(
    records: Records,
    found: Sequence[tuple[RetainedSample, ClassifiedError]],
    texts: ProblemTexts,
    variables: VariableRecords,
    *,
    count: int = 200,
) -> tuple[FailurePage, ...]:
    """A selection of failures: each kind of each run in turn, so that rare kinds are shown too.

    Args:
        records: of the runs.
        found: the failures with their kinds.
        texts: of the problems, as far as they are known.
        variables: where the variables first differ, as far as it was recorded.
        count: at most how many.
    """
    groups: dict[tuple[int, str], list[tuple[RetainedSample, ClassifiedError]]] = {}
    for sample, error in found:
        groups.setdefault((sample.run, error.kind), []).append((sample, error))
    for group in groups.values():
        group.sort(key=lambda pair: zlib.crc32(pair[0].line.program.encode("utf-8", "replace")))
    chosen: list[tuple[RetainedSample, ClassifiedError]] = []
    depth = 0
    while len(chosen) < count and any(len(group) > depth for group in groups.values()):
        chosen += [group[depth] for group in groups.values() if len(group) > depth]
        depth += 1
    chosen = chosen[:count]
    chosen.sort(key=lambda pair: (pair[0].run, list(KINDS).index(pair[1].kind)))
    return tuple(
        _page(
            records, sample, error, case_of(records, sample, texts),
            variables.get(sample.run, {}).get((sample.line.item.id, sample.line.sample)),
        )
        for sample, error in chosen
    )  # fmt: skip


def _page(
    records: Records,
    sample: RetainedSample,
    error: ClassifiedError,
    case: CaseTexts | None,
    variable: VariableLine | None,
) -> FailurePage:
    line, run = sample.line, records.runs[sample.run]
    verdict = sample.verdict(run.oracles[0])
    title = line.item.id + (f", sample {line.sample}" if run.samples_per_item > 1 else "")
    return FailurePage(
        title=title,
        run=run.label,
        kind=error.kind,
        kind_text=KINDS[error.kind],
        evidence=error.evidence,
        verdict=_verdict_text(verdict),
        expected="" if case is None else repr(case.gold),
        program=_limited(line.program),
        steps=tuple(_steps(line, case, error.turn, None if variable is None else variable.turn)),
        reference="" if case is None else _limited("\n".join(case.references)),
        difference="" if variable is None else _limited(_difference_text(variable)),
    )


def _steps(
    line: FullLine, case: CaseTexts | None, wrong: int | None, differs: int | None
) -> list[FailureStep]:
    """The generations, each with the prompt of its turn.

    Args:
        line: the sample.
        case: of its problem.
        wrong: the generation in which the failure shows.
        differs: the turn in which the variables first differ.
    """
    prompts: Sequence[str] = case.prompts if case is not None else ()
    found = []
    for number, step in enumerate(line.steps):
        note = f"{step.new_tokens} tokens, {step.finish_reason.replace('_', ' ')}"
        if step.cut_by:
            note += f", cut at {step.cut_by}"
        if step.chosen is False:
            note += ", not in the program"
        turn = _turn_of(line, number)
        if turn is None:
            # A single answer is to all turns; its wording depends on the arm.
            prompt = "\n".join(prompts)
        else:
            prompt = prompts[turn] if turn < len(prompts) else ""
        found.append(
            FailureStep(
                prompt=prompt, text=_limited(step.text), note=note,
                wrong=number == wrong and len(line.steps) > 1,
                differs=turn is not None and turn == differs and step.chosen is not False,
            )
        )  # fmt: skip
    return found


def _turn_of(line: FullLine, number: int) -> int | None:
    """The turn that a generation writes; None if it writes all."""
    if line.item.turn is not None:
        return line.item.turn
    turn = line.steps[number].turn
    if turn is not None:
        return turn
    return None if len(line.steps) == 1 else number


def _difference_text(variable: VariableLine) -> str:
    text = REASONS[variable.reason]
    if variable.turn is not None:
        text = f"turn {variable.turn + 1}: {text}"
    if variable.name:
        text += f": {variable.name}"
    return f"{text}: {variable.detail}" if variable.detail else text


def _verdict_text(verdict: VerdictPart | None) -> str:
    if verdict is None:
        return ""
    text = verdict.judgement.replace("_", " ")
    if verdict.difference:
        text += f": {verdict.difference}"
    elif verdict.outcome is not None and verdict.outcome.error:
        place = f" (line {verdict.outcome.line})" if verdict.outcome.line else ""
        text += f": {verdict.outcome.error}{place}"
    elif verdict.outcome is not None and verdict.outcome.status != "finished":
        text += f": {verdict.outcome.status.replace('_', ' ')}"
    return text


_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def _limited(text: str) -> str:
    """A text that a page can show: control characters visible, and not endless."""
    text = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
    if len(text) > _MAX_TEXT:
        return text[:_MAX_TEXT] + f"\n… {len(text) - _MAX_TEXT:,} more characters"
    return text
