"""Failed samples with all that a person needs to judge them."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

from multiturn.report.analysis.error_rules import KINDS, ClassifiedError
from multiturn.report.analysis.errors import case_of
from multiturn.report.pages.document import FailurePage, FailureStep
from multiturn.report.problem_texts import CaseTexts, ProblemTexts
from multiturn.report.records.columns import Records, RetainedSample
from multiturn.report.records.sample_lines import FullLine, VerdictPart

__all__ = ["failure_pages"]

_MAX_TEXT = 6_000
"""Characters of a text on a page; the records have the rest."""


def failure_pages(
    records: Records,
    found: Sequence[tuple[RetainedSample, ClassifiedError]],
    texts: ProblemTexts,
    *,
    count: int = 200,
) -> tuple[FailurePage, ...]:
    """A selection of failures: each kind of each run in turn, so that rare kinds are shown too.

    Args:
        records: of the runs.
        found: the failures with their kinds.
        texts: of the problems, as far as they are known.
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
        _page(records, sample, error, case_of(records, sample, texts)) for sample, error in chosen
    )


def _page(
    records: Records, sample: RetainedSample, error: ClassifiedError, case: CaseTexts | None
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
        steps=tuple(_steps(line, case, error.turn)),
        reference="" if case is None else _limited("\n".join(case.references)),
    )


def _steps(line: FullLine, case: CaseTexts | None, wrong: int | None) -> list[FailureStep]:
    prompts: Sequence[str] = case.prompts if case is not None else ()
    found = []
    for number, step in enumerate(line.steps):
        note = f"{step.new_tokens} tokens, {step.finish_reason.replace('_', ' ')}"
        if step.cut_by:
            note += f", cut at {step.cut_by}"
        if line.item.turn is not None:
            prompt = prompts[line.item.turn] if line.item.turn < len(prompts) else ""
        elif len(line.steps) == 1:
            # A single answer is to all turns; its wording depends on the arm.
            prompt = "\n".join(prompts)
        else:
            prompt = prompts[number] if number < len(prompts) else ""
        found.append(
            FailureStep(
                prompt=prompt, text=_limited(step.text), note=note,
                wrong=number == wrong and len(line.steps) > 1,
            )
        )  # fmt: skip
    return found


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
