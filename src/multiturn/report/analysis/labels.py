"""Failures labelled by hand, and how far the rules agree with them.

A labelling file has one line of JSON for each failure, without what the rules say. A person writes
a kind of `KINDS` into each ``label``. A label is of one program, which its line has or names by
its SHA-256: another run with the same settings has other programs under the same names.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scipy import special

from multiturn.core.errors import InputError, UnknownNameError, storage_errors
from multiturn.core.files import write_atomically
from multiturn.report.analysis.error_rules import KINDS, ClassifiedError
from multiturn.report.records.columns import Records, RetainedSample
from multiturn.report.statistics.clusters import Interval

__all__ = ["LabelAgreement", "agreement", "label_sample", "read_labels", "write_label_sample"]

Place = tuple[str, str, int]
"""Label of the run, id of the item, number of the sample."""
LabelKey = tuple[Place, str]
"""The place of a sample, and the SHA-256 of its program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelAgreement:
    """How far the rules agree with a person.

    Attributes:
        labelled: failures with a label that the records have.
        elsewhere: labels of programs that are no failures of these records.
        share: on which both agree, with the exact interval.
        kappa: Cohen's, which counts what chance would give; None if it is undefined.
        pairs: how often each label of the person met each kind of the rules.
    """

    labelled: int
    elsewhere: int
    share: Interval
    kappa: float | None
    pairs: Mapping[tuple[str, str], int]


def place_of_sample(records: Records, sample: RetainedSample) -> Place:
    """Where a failure is in the records."""
    return records.runs[sample.run].label, sample.line.item.id, sample.line.sample


def _hash_of(program: str) -> str:
    return hashlib.sha256(program.encode("utf-8", "surrogatepass")).hexdigest()


def label_sample(records: Records, count: int) -> list[RetainedSample]:
    """Failures to label: as many of each run, at random, in an order that hides the run."""
    by_run: dict[int, list[RetainedSample]] = {}
    for sample in records.failures:
        by_run.setdefault(sample.run, []).append(sample)

    def place(sample: RetainedSample) -> int:
        return zlib.crc32(json.dumps(place_of_sample(records, sample)).encode())

    for group in by_run.values():
        group.sort(key=place)
    chosen: list[RetainedSample] = []
    depth = 0
    while len(chosen) < count and any(len(group) > depth for group in by_run.values()):
        chosen += [group[depth] for group in by_run.values() if len(group) > depth]
        depth += 1
    return sorted(chosen[:count], key=place)


def write_label_sample(records: Records, count: int, file: Path) -> int:
    """Write a file to label; the number of its lines.

    Raises:
        InputError: the file exists, and may have labels.
        StorageError: it cannot be written.
    """
    if file.exists():
        raise InputError(
            "the file exists and may have labels", got=str(file), fix="name another file"
        )
    lines = []
    for sample in label_sample(records, count):
        run, item, number = place_of_sample(records, sample)
        verdict = sample.verdict(records.runs[sample.run].oracles[0])
        outcome = verdict.outcome if verdict is not None else None
        about = [] if verdict is None else [verdict.judgement, verdict.difference or ""]
        about += [] if outcome is None else [outcome.status, outcome.error or ""]
        last = sample.line.steps[-1] if sample.line.steps else None
        lines.append(
            {
                "run": run,
                "item": item,
                "sample": number,
                "label": "",
                "verdict": " | ".join(filter(None, about)),
                "end": "" if last is None else f"{last.finish_reason}, cut by {last.cut_by}",
                "program": sample.line.program,
            }
        )
    with storage_errors(file, "writing the labelling file"):
        write_atomically(file, "".join(json.dumps(line) + "\n" for line in lines))
    return len(lines)


def read_labels(file: Path) -> dict[LabelKey, str]:
    """The labels of a file; lines without a label are left out.

    Raises:
        InputError: a line is no label; names the line.
        UnknownNameError: a label is not one of `KINDS`.
        StorageError: the file cannot be read.
    """
    with storage_errors(file, "reading the labels"):
        text = file.read_text("utf-8")
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        try:
            data = json.loads(line)
            program = data.get("program_sha256") or _hash_of(data["program"])
            place, label = (data["run"], data["item"], data["sample"]), data["label"]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{file}: line {number} is no label") from error
        if not label:
            continue
        if label not in KINDS:
            raise UnknownNameError("kind of error", str(label), KINDS)
        found[place, program] = label
    return found


def agreement(
    records: Records,
    found: Sequence[tuple[RetainedSample, ClassifiedError]],
    labels: Mapping[LabelKey, str],
) -> LabelAgreement:
    """Compare the kinds of the rules with labels.

    References:
        Cohen, "A coefficient of agreement for nominal scales", Educ. Psychol. Meas. 20 (1960).
    """
    pairs: Counter[tuple[str, str]] = Counter()
    for sample, error in found:
        label = labels.get((place_of_sample(records, sample), _hash_of(sample.line.program)))
        if label is not None:
            pairs[label, error.kind] += 1
    total = sum(pairs.values())
    elsewhere = len(labels) - total
    if not total:
        return LabelAgreement(
            labelled=0, elsewhere=elsewhere, share=Interval(None), kappa=None, pairs={}
        )
    same = sum(count for (label, kind), count in pairs.items() if label == kind)
    low = float(special.betaincinv(same, total - same + 1, 0.025)) if same else 0.0
    high = float(special.betaincinv(same + 1, total - same, 0.975)) if same < total else 1.0
    by_label, by_kind = Counter[str](), Counter[str]()
    for (label, kind), count in pairs.items():
        by_label[label] += count
        by_kind[kind] += count
    chance = sum(by_label[kind] * by_kind[kind] for kind in KINDS) / total**2
    return LabelAgreement(
        labelled=total,
        elsewhere=elsewhere,
        share=Interval(same / total, low, high, "Clopper-Pearson"),
        kappa=(same / total - chance) / (1 - chance) if chance < 1 else None,
        pairs=dict(pairs),
    )
